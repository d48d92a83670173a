"""The job types of this door, as callers see them."""

from __future__ import annotations

from collections.abc import Collection

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from portaria.admission.rules import Rules
from portaria.core.job_type import JobType, descriptor_of
from portaria.core.retry import retry_to_proto
from portaria.frontdoor.standing import Standing
from portaria.intake.catalogue import Catalogue, Served
from portaria.v1.job_pb2 import Priority
from portaria.v1.jobs_service_pb2 import JobTypeInfo, ListJobTypesRequest, ListJobTypesResponse


class TypesReading:
    """What may be handed in here, and whether anybody would run it."""

    def __init__(self, *, catalogue: Catalogue, rules: Rules, standing: Standing) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._standing = standing

    async def list(self, request: ListJobTypesRequest) -> ListJobTypesResponse:
        """The types by name. Raises InvalidRequest."""
        self._rules.require(request)
        served = self._catalogue.served
        types = [each for each in served.types.all() if request.domain in ("", each.domain)]
        picture = await self._standing.picture()
        answer = ListJobTypesResponse(
            job_types=[type_to_proto(each, served=picture.serves(each.name)) for each in types]
        )
        if request.include_descriptors:
            answer.file_descriptor_set = descriptor_set(served, types).SerializeToString()
        return answer


def type_to_proto(job_type: JobType, *, served: bool) -> JobTypeInfo:
    """A type with its defaults filled in."""
    found = JobTypeInfo(
        type=job_type.name,
        domain=job_type.domain,
        description=job_type.description,
        result_type=job_type.result_type,
        default_priority=Priority.Value(f"PRIORITY_{job_type.priority.upper()}"),
        default_retry=retry_to_proto(job_type.retry),
        served=served,
    )
    found.timeout.FromTimedelta(job_type.timeout)
    return found


def descriptor_set(served: Served, types: Collection[JobType]) -> FileDescriptorSet:
    """The files of payloads, results and façades, with all that they import, in that order."""
    names = {each.name for each in types}
    found: dict[str, FileDescriptorProto] = {}
    for job_type in types:
        file = descriptor_of(job_type.message).file
        _add(file, found)
        if job_type.result_type:
            _add(file.pool.FindMessageTypeByName(job_type.result_type).file, found)
    services = {path.split("/")[1] for path, name in served.facades.items() if name in names}
    for service in sorted(services):
        _add(served.pool.FindFileContainingSymbol(service), found)
    return FileDescriptorSet(file=found.values())


def _add(file: FileDescriptor, found: dict[str, FileDescriptorProto]) -> None:
    if file.name in found:
        return
    for dependency in file.dependencies:
        _add(dependency, found)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    found[file.name] = proto
