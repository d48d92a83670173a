"""Results whose types this worker does not have: read by what others registered."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from portaria.core.bindings import has_field
from portaria.core.seal import KeyRing
from portaria.core.type_pool import platform_files, pool_of
from portaria.intake.registered import believed
from portaria.jobs import PermanentError
from portaria.store.types import read_files
from portaria.store.wire import Wire


class ForeignTypes:
    """Messages by their names: of this process, else of the registry of job types."""

    def __init__(self, wire: Wire, ring: KeyRing) -> None:
        self._wire = wire
        self._ring = ring
        self._registered: DescriptorPool | None = None

    def message(self, packed: AnyMessage, path: str) -> Message:
        """What was packed, as of a release that has the field at `path`, if there is one.

        Raises PermanentError (INPUT_TYPE) where nobody knows the type.
        """
        name = packed.type_url.rpartition("/")[2]
        found = None
        for kind in self._kinds(name):
            found = kind
            if has_field(kind, path):
                break
        if found is None:
            raise PermanentError("INPUT_TYPE", f"a job before it returned a {name}, not known here")
        try:
            return message_factory.GetMessageClass(found).FromString(packed.value)
        except DecodeError:
            text = f"what a job before it returned cannot be read as {name}"
            raise PermanentError("INPUT_TYPE", text) from None

    def _kinds(self, name: str) -> Iterator[Descriptor]:
        """Of this release; of what is registered, as was last seen, and as it is now."""
        for pool in (descriptor_pool.Default(), self._registered):
            if pool is not None:
                yield from _found(pool, name)
        sealed = self._wire.run(read_files())
        files = believed(self._ring, sealed)
        self._registered, _ = pool_of(platform_files(), files)
        yield from _found(self._registered, name)


def _found(pool: DescriptorPool, name: str) -> Iterator[Descriptor]:
    try:
        yield pool.FindMessageTypeByName(name)
    except KeyError:
        return
