"""The .proto files of job types made usable: a pool of their own, beside the platform's files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from portaria.core.type_files import Files

_MODULES = (
    "google.protobuf.any_pb2",
    "google.protobuf.api_pb2",
    "google.protobuf.duration_pb2",
    "google.protobuf.empty_pb2",
    "google.protobuf.field_mask_pb2",
    "google.protobuf.struct_pb2",
    "google.protobuf.timestamp_pb2",
    "google.protobuf.type_pb2",
    "google.protobuf.wrappers_pb2",
    "google.rpc.error_details_pb2",
    "portaria.v1.admin_service_pb2",
    "portaria.v1.errors_pb2",
    "portaria.v1.job_type_pb2",
    "portaria.v1.jobs_service_pb2",
    "portaria.v1.schedules_service_pb2",
    "portaria.v1.workflows_pb2",
)


@cache
def platform_files() -> dict[str, FileDescriptorProto]:
    """What everybody has: protobuf's own files, validation, the platform's contract."""
    return with_imports(import_module(name).DESCRIPTOR for name in _MODULES)


def with_imports(
    roots: Iterable[FileDescriptor], without: Iterable[str] = ()
) -> dict[str, FileDescriptorProto]:
    """Files with all that they import, each after its imports."""
    found: dict[str, FileDescriptorProto] = {}
    left_out = frozenset(without)

    def add(file: FileDescriptor) -> None:
        if file.name in found or file.name in left_out:
            return
        for dependency in file.dependencies:
            add(dependency)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        found[file.name] = proto

    for root in roots:
        add(root)
    return found


def pool_of(base: Files, files: Files) -> tuple[DescriptorPool, dict[str, str]]:
    """A pool that neither sees nor changes the process's, and why a file is not in it, by name.

    A file that does not fit to those before it is left out, and with it what imports it.
    """
    pool, faults = DescriptorPool(), dict[str, str]()
    # The platform first: who takes one of its names is the one that is wrong.
    everything = {**base, **{name: file for name, file in files.items() if name not in base}}
    for name in _in_order(everything):
        missing = [each for each in everything[name].dependency if each in faults]
        try:
            if missing:
                faults[name] = f"{name} cannot be used without {missing[0]}"
            else:
                pool.Add(everything[name])
        except (TypeError, KeyError) as error:
            why = str(error).rpartition("descriptor pool: ")[2]
            faults[name] = f"{name} cannot be used: {why}"
    return pool, faults


def _in_order(files: Files) -> list[str]:
    """Each file after those that it imports."""
    order: dict[str, None] = {}
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name in open_ or name not in files:
            return
        open_.add(name)
        for dependency in files[name].dependency:
            visit(dependency)
        order[name] = None

    for name in files:
        visit(name)
    return list(order)
