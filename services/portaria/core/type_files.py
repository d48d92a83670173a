"""The .proto files of job types as the registry keeps them: descriptors, each sealed."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from portaria.core.seal import KeyRing, SealBroken

Files = Mapping[str, FileDescriptorProto]
"""By name."""

LARGEST_FILE = 1024 * 1024
_SEALED_FOR = "types"


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
