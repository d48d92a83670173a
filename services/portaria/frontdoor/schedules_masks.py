"""Which fields of a schedule an update names, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.field_mask_pb2 import FieldMask

from portaria.core.errors import Violation
from portaria.schedules.checking import WRITTEN
from portaria.v1.schedules_service_pb2 import Schedule

_WHEN = ("cron", "interval")


def mask_faults(mask: FieldMask) -> Iterator[Violation]:
    """A violation for each path that cannot be written."""
    for number, path in enumerate(mask.paths):
        place = f"update_mask.paths[{number}]"
        if path in Schedule.DESCRIPTOR.fields_by_name and path not in WRITTEN:
            yield Violation(place, "OUTPUT_ONLY", "is output only")
        elif path not in (*WRITTEN, "when"):
            yield Violation(place, "UNKNOWN", f"is not one of when, {', '.join(WRITTEN)}")


def masked(current: Schedule, given: Schedule, paths: Iterable[str]) -> Schedule:
    """`current` with the fields of a mask without faults as they are in `given`."""
    merged, taken = Schedule(), Schedule()
    merged.CopyFrom(current)
    for path in dict.fromkeys(paths):
        # One of the two takes the place of the other.
        for name in _WHEN if path in ("when", *_WHEN) else (path,):
            merged.ClearField(name)  # type: ignore[arg-type] # a name of its own
            _take(taken, given, name)
    merged.MergeFrom(taken)
    return merged


def _take(into: Schedule, source: Schedule, name: str) -> None:
    for field, value in source.ListFields():
        if field.name != name:
            continue
        if field.message_type is None:
            setattr(into, name, value)
        elif field.is_repeated:
            getattr(into, name).update(value)  # labels, the only one
        else:
            getattr(into, name).CopyFrom(value)
