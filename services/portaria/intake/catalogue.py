"""The job types and façades that are served: read from files, never from imported code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from portaria.admission.defaults import defaults_of
from portaria.admission.hooks import Hook, hooks_of_type
from portaria.admission.rules import Rules
from portaria.core.errors import ConfigurationError
from portaria.core.job_type import JobTypes, is_job_type, job_type_from, submitted_by
from portaria.core.type_files import Files
from portaria.core.type_merge import merge
from portaria.core.type_pool import platform_files, pool_of, with_imports
from portaria.intake.terms import Terms, terms
from portaria.logs import logger
from portaria.v1.job_pb2 import SubmitOptions


@dataclass(frozen=True, slots=True)
class Served:
    """What is served at one moment."""

    pool: DescriptorPool
    files: Files = field(default_factory=dict)
    types: JobTypes = field(default_factory=JobTypes)
    rules: Rules = field(default_factory=Rules)
    """Of payloads: a validator keeps what it compiled by name, and a name may change its rules."""
    defaults: dict[str, SubmitOptions] = field(default_factory=dict)
    """Of each type, by its full name; not to be changed."""
    terms: dict[str, Terms] = field(default_factory=dict)
    """What these defaults mean; not to be changed."""
    hooks: dict[str, Sequence[Hook]] = field(default_factory=dict)
    """Of the types that have some; not to be changed."""
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

    def __init__(self, own: Files, *, beside: Iterable[FileDescriptor] = ()) -> None:
        """`own` are the files of what this process imported, `beside` those of other services.

        Raises ConfigurationError.
        """
        self._base = platform_files() | with_imports(beside)
        self._faults: list[str] = []
        self.is_complete = False
        """Whether the registry was read: before, a type that is unknown may be a good one.

        Set after `served`, by another thread: read this first, and `served` once.
        """
        self.served, faults = self._serve(own)
        if faults:
            raise ConfigurationError("; ".join(faults))

    def learn(self, registered: Files) -> None:
        """Serves what workers registered, beside what is served already and agrees with it.

        So nothing is forgotten where Redis was emptied. What cannot be served is left out, and the
        log says why. May run in a thread of its own: many types take some tenths of a second.
        """
        merged = merge(registered, self.served.files)
        if merged.files != self.served.files:
            self.served, faults = self._serve(merged.files)
            self._tell([*merged.breaks, *faults])
            logger().info("job types learned", types=len(self.served.types))
        else:
            self._tell(merged.breaks)
        self.is_complete = True

    def _tell(self, faults: list[str]) -> None:
        for each in faults:
            if each not in self._faults:
                logger().error("a job type cannot be served", fault=each)
        self._faults = faults

    def _serve(self, files: Files) -> tuple[Served, list[str]]:
        """And what is wrong with some of them."""
        pool, unusable = pool_of(self._base, files)
        served = Served(pool, {name: file for name, file in files.items() if name not in unusable})
        faults = list(unusable.values())
        for file in served.descriptors():
            for descriptor in filter(is_job_type, file.message_types_by_name.values()):
                try:
                    job_type = job_type_from(descriptor)
                    served.rules.warm_up(job_type.message())
                    defaults = served.defaults[job_type.name] = defaults_of(job_type)
                    served.terms[job_type.name] = terms(defaults, job_type)
                    served.types.add(job_type)
                except ConfigurationError as error:
                    faults.append(error.message)
        faults += _read_hooks(served)
        for file in served.descriptors():
            for service in file.services_by_name.values():
                for method in service.methods:
                    job_type_of = submitted_by(method)
                    if job_type_of is not None and served.types.get(job_type_of.full_name):
                        path = f"/{service.full_name}/{method.name}"
                        served.facades[path] = job_type_of.full_name
        return served, faults


def _read_hooks(served: Served) -> list[str]:
    """What is wrong with them; types whose hooks cannot be are served no more."""
    faults, broken = [], []
    for job_type in filter(lambda each: each.hooks, served.types.all()):
        hooks, wrong = hooks_of_type(
            job_type, served.types.get, served.rules, lambda kind: served.defaults[kind.name]
        )
        if wrong:
            faults += wrong
            broken.append(job_type.name)
        else:
            served.hooks[job_type.name] = hooks
    for name in broken:
        served.types.remove(name)
    return faults
