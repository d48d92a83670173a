"""Job types that exist only in a test."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from portaria.codegen.dependencies import dependencies
from portaria.v1 import job_type_pb2
from portaria.v1.job_type_pb2 import JobTypeOptions

IDEMPOTENT = job_type_pb2.EFFECT_IDEMPOTENT


def message(name: str, options: JobTypeOptions | None = None) -> DescriptorProto:
    """A message without fields; a job type where it has options."""
    proto = DescriptorProto(name=name)
    if options is not None:
        proto.options.Extensions[job_type_pb2.job_type].CopyFrom(options)
    return proto


def file(
    messages: Iterable[DescriptorProto],
    package: str = "acme.stock.v1",
    name: str = "acme/stock/v1/stock.proto",
) -> FileDescriptor:
    """A file of its own pool."""
    pool = DescriptorPool()
    for known in _known().file:
        pool.Add(known)
    imports = ["portaria/v1/job_type.proto"]
    pool.Add(
        FileDescriptorProto(
            name=name, package=package, syntax="proto3", dependency=imports, message_type=messages
        )
    )
    return pool.FindFileByName(name)


def job_type(options: JobTypeOptions, name: str = "Count") -> Descriptor:
    """The descriptor of one job type, beside a message CountResult."""
    return file([message(name, options), message("CountResult")]).message_types_by_name[name]


@cache
def _known() -> FileDescriptorSet:
    return dependencies(platform=True)
