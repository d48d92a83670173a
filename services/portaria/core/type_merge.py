"""What one set of .proto files means for another: which versions are kept, and what breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from portaria.core.evolution import breaks
from portaria.core.type_files import LARGEST_FILE, Files
from portaria.core.type_pool import platform_files, pool_of


@dataclass(frozen=True, slots=True)
class Merge:
    """What became of the files of a set."""

    files: dict[str, FileDescriptorProto]
    """All files that are known then; those that break others are not among them."""
    changed: dict[str, FileDescriptorProto] = field(default_factory=dict)
    """Those that come in anew, or instead of one that they extend."""
    older: list[str] = field(default_factory=list)
    """Names of those that what is known extends already."""
    breaks: list[str] = field(default_factory=list)
    """Why some cannot come in."""
    dropped: list[str] = field(default_factory=list)
    """Names of known files that it replaces by others, where breaking was meant."""


def merge(known: Files, ours: Files, *, newer: bool = False, breaking: bool = False) -> Merge:
    """Known files with ours beside or instead of them.

    Of two versions of a file one must extend the other; that one is kept, so that an older release
    may start beside a newer one. Where both mean the same (other rules of fields, or defaults of
    the type), ours are kept if they are `newer`. `breaking` takes ours whatever they break.
    """
    result = Merge(dict(known))
    for name, file in ours.items():
        before = known.get(name)
        if before is None or (breaking and before != file):
            result.changed[name] = file
        elif before != file:
            _judge(result, before, file, newer=newer)
    result.files.update(result.changed)
    for symbol, name, other in list(_twice(result.files, result.changed)):
        if breaking and other not in ours:
            result.dropped.append(other)
            result.files.pop(other, None)
        else:
            result.breaks.append(f"{symbol}: is in {name}, and in {other} already")
            result.changed.pop(name, None)
            result.files.pop(name, None)
            if name in known:
                result.files[name] = known[name]
    return result


def _judge(
    result: Merge, before: FileDescriptorProto, file: FileDescriptorProto, *, newer: bool
) -> None:
    forth, back = breaks(before, file), breaks(file, before)
    if forth and back:
        result.breaks.extend(forth)
    elif forth:
        result.older.append(file.name)
    elif back or newer:
        result.changed[file.name] = file


def faults(files: Files, ours: Files) -> list[str]:
    """What is wrong with our files among all: too large, not supported, or not fitting."""
    found = [
        f"{name}: is larger than {LARGEST_FILE} bytes"
        for name, file in ours.items()
        if file.ByteSize() > LARGEST_FILE
    ]
    found += [
        f"{name}: editions are not supported yet; write proto3"
        for name, file in ours.items()
        if file.syntax == "editions"
    ]
    _, unusable = pool_of(platform_files(), files)
    return found + [why for name, why in unusable.items() if name in ours]


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
