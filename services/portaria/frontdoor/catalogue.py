"""The job types and façades that this door serves: read from files, never from imported code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from portaria.admission.defaults import defaults_of
from portaria.admission.rules import Rules
from portaria.core.errors import ConfigurationError
from portaria.core.job_type import JobTypes, is_job_type, job_type_from, submitted_by
from portaria.core.type_files import Files, merge, platform_files, pool_of
from portaria.logs import logger
from portaria.v1.job_pb2 import SubmitOptions


@dataclass(frozen=True, slots=True)
class Served:
    """What a door serves at one moment."""

    pool: DescriptorPool
    files: Files = field(default_factory=dict)
    types: JobTypes = field(default_factory=JobTypes)
    rules: Rules = field(default_factory=Rules)
    """Of payloads: a validator keeps what it compiled by name, and a name may change its rules."""
    defaults: dict[str, SubmitOptions] = field(default_factory=dict)
    """Of each type, by its full name; not to be changed."""
    facades: dict[str, str] = field(default_factory=dict)
    """Path of an RPC, "/acme_jobs.stock.v1.StockService/Reserve" -> full name of its job type."""

    @property
    def services(self) -> list[str]:
        """Full names of the façades."""
        return sorted({path.split("/")[1] for path in self.facades})

    def descriptors(self) -> Iterator[FileDescriptor]:
        """Of the files, in their order."""
        for name in self.files:
            yield self.pool.FindFileByName(name)


class Catalogue:
    """What is served now, in `served`; another one replaces it whole, between two calls."""

    def __init__(self, own: Files) -> None:
        """`own` are the files of what this door imported. Raises ConfigurationError."""
        self._own = own
        self._base = platform_files((health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR))
        self._conflicts: list[str] = []
        self.served, faults = self._serve(own)
        if faults:
            raise ConfigurationError("; ".join(faults))

    def learn(self, registered: Files) -> None:
        """Serves what workers registered, and this door's own files where they agree with it.

        What cannot be served is left out, and the log says why.
        """
        if not registered:
            return  # Redis is new, or was emptied: what is known stays until workers are back
        merged = merge(registered, self._own)
        if merged.breaks != self._conflicts:
            self._conflicts = merged.breaks
            for each in merged.breaks:
                logger().error("workers have other job types than this door", fault=each)
        files = dict(registered) if merged.breaks else merged.files
        if files == self.served.files:
            return
        try:
            self.served, faults = self._serve(files)
        except ConfigurationError as error:
            faults = [error.message]
        for each in faults:
            logger().error("a job type cannot be served", fault=each)
        logger().info("job types learned", types=len(self.served.types))

    def _serve(self, files: Files) -> tuple[Served, list[str]]:
        """And what is wrong with some of them. Raises ConfigurationError where none can be used."""
        served, faults = Served(pool_of(self._base, files), files), []
        for file in served.descriptors():
            for descriptor in filter(is_job_type, file.message_types_by_name.values()):
                try:
                    job_type = job_type_from(descriptor)
                    served.rules.warm_up(job_type.message())
                    served.defaults[job_type.name] = defaults_of(job_type)
                    served.types.add(descriptor)
                except ConfigurationError as error:
                    faults.append(error.message)
        for file in served.descriptors():
            for service in file.services_by_name.values():
                for method in service.methods:
                    job_type_of = submitted_by(method)
                    if job_type_of is not None and served.types.get(job_type_of.full_name):
                        path = f"/{service.full_name}/{method.name}"
                        served.facades[path] = job_type_of.full_name
        return served, faults
