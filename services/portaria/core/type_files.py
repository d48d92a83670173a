"""The .proto files of job types as descriptors: found, merged with others', made usable.

Files of the platform and of protobuf itself are never among them: who uses a set brings its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from portaria.core.errors import ConfigurationError
from portaria.core.evolution import breaks
from portaria.core.seal import KeyRing, SealBroken

Files = Mapping[str, FileDescriptorProto]
"""By name."""

LARGEST_FILE = 1024 * 1024
MOST_FILES = 2_000
_SEALED_FOR = "types"
_PLATFORM = ("google/protobuf/", "buf/validate/", "portaria/v1/")

_PLATFORM_MODULES = (
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


def is_platform(name: str) -> bool:
    """Whether a file is one that everybody has."""
    return name.startswith(_PLATFORM)


def files_of(roots: Iterable[FileDescriptor]) -> dict[str, FileDescriptorProto]:
    """Files with all that they import, each after its imports; none of the platform."""
    found: dict[str, FileDescriptorProto] = {}
    for root in roots:
        _add(root, found)
    return found


def _add(
    file: FileDescriptor, found: dict[str, FileDescriptorProto], *, all_: bool = False
) -> None:
    if file.name in found or (is_platform(file.name) and not all_):
        return
    for dependency in file.dependencies:
        _add(dependency, found, all_=all_)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    found[file.name] = proto


def platform_files(more: Iterable[FileDescriptor] = ()) -> dict[str, FileDescriptorProto]:
    """What every pool needs: protobuf's own files, validation, the contract; with `more`."""
    roots = [*(import_module(name).DESCRIPTOR for name in _PLATFORM_MODULES), *more]
    found: dict[str, FileDescriptorProto] = {}
    for root in roots:
        _add(root, found, all_=True)
    return found


@dataclass(frozen=True, slots=True)
class Merge:
    """What a set of files means for another one."""

    files: dict[str, FileDescriptorProto]
    """All files that are known then."""
    changed: dict[str, FileDescriptorProto] = field(default_factory=dict)
    """Those that come in anew, or instead of one that they extend."""
    older: list[str] = field(default_factory=list)
    """Names of those that what is known extends already."""
    breaks: list[str] = field(default_factory=list)
    """Why the set cannot come in; empty where it can."""
    dropped: list[str] = field(default_factory=list)
    """Names of known files that it replaces by others, where breaking was meant."""


def merge(known: Files, ours: Files, *, breaking: bool = False) -> Merge:
    """Known files with ours beside or instead of them.

    Of two versions of a file one must extend the other; that one is kept, so that an older release
    may start beside a newer one. `breaking` takes ours whatever they break.
    """
    result = Merge(dict(known))
    for name, file in ours.items():
        before = known.get(name, file)
        forth = [] if breaking else breaks(before, file)
        if forth and not breaks(file, before):
            result.older.append(name)
        elif forth:
            result.breaks.extend(forth)
        elif name not in known or before != file:
            result.changed[name] = file
    result.files.update(result.changed)
    for symbol, name, other in list(_twice(result.files, result.changed)):
        if breaking and other not in ours:
            result.dropped.append(other)
            result.files.pop(other, None)
        else:
            result.breaks.append(f"{symbol}: is in {name}, and in {other} already")
    return result


def _twice(files: Files, changed: Files) -> Iterator[tuple[str, str, str]]:
    """Names that a changed file declares and another one, too, with both."""
    declared: dict[str, str] = {}
    for name in sorted(files, key=lambda each: each in changed):
        for symbol in _symbols(files[name]):
            other = declared.setdefault(symbol, name)
            if other != name:
                yield symbol, name, other


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    for kind in (file.message_type, file.enum_type, file.service):
        for each in kind:
            yield f"{file.package}.{each.name}" if file.package else each.name


def pool_of(base: Files, files: Files) -> DescriptorPool:
    """A pool of its own, which neither sees nor changes the process's.

    Raises ConfigurationError where a file does not fit to the others.
    """
    pool = DescriptorPool()
    # The platform first: who takes one of its names is the one that is wrong.
    everything = {**base, **{name: file for name, file in files.items() if name not in base}}
    for name in _in_order(everything):
        try:
            pool.Add(everything[name])
        except (TypeError, KeyError) as error:
            why = str(error).rpartition("descriptor pool: ")[2]
            raise ConfigurationError(f"{name} cannot be used: {why}") from None
    return pool


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


def seal_file(keys: KeyRing, file: FileDescriptorProto) -> bytes:
    """A file as the registry keeps it."""
    return keys.seal(_SEALED_FOR, file.SerializeToString(deterministic=True))


def unseal_file(keys: KeyRing, name: str, sealed: bytes) -> FileDescriptorProto:
    """The file of that name. Raises SealBroken."""
    try:
        file = FileDescriptorProto.FromString(keys.unseal(_SEALED_FOR, sealed))
    except DecodeError:
        raise SealBroken("sealed, but not a file") from None
    if file.name != name:
        raise SealBroken("the descriptor of another file")
    return file
