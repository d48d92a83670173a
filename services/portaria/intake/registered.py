"""The files of job types that were registered, as far as they are believed."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from portaria.core.seal import KeyRing, SealBroken
from portaria.core.type_files import unseal_file
from portaria.logs import logger


def believed(keys: KeyRing, sealed: Mapping[str, bytes]) -> dict[str, FileDescriptorProto]:
    """Those that were written with our key, by name; the log names the others."""
    found = {}
    for name, packed in sorted(sealed.items()):
        try:
            found[name] = unseal_file(keys, name, packed)
        except SealBroken as error:
            logger().error("a registered file is not believed", file=name, why=str(error))
    return found
