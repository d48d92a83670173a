"""The protos that everybody's protos import, as descriptors.

No wheel ships buf/validate/validate.proto as text, and portaria's own protos are not installed
with it. Both exist as descriptors in what is installed, and protoc reads those.
"""

from importlib import import_module
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_MODULES = (
    "google.protobuf.any_pb2",
    "google.protobuf.descriptor_pb2",
    "google.protobuf.duration_pb2",
    "google.protobuf.empty_pb2",
    "google.protobuf.field_mask_pb2",
    "google.protobuf.struct_pb2",
    "google.protobuf.timestamp_pb2",
    "google.protobuf.wrappers_pb2",
    "google.rpc.status_pb2",
    "google.rpc.error_details_pb2",
)
_PLATFORM = (
    "portaria.v1.errors_pb2",
    "portaria.v1.job_pb2",
    "portaria.v1.job_type_pb2",
    "portaria.v1.jobs_service_pb2",
)


def validate_proto() -> FileDescriptorProto:
    """The descriptor of buf/validate/validate.proto, from the installed validator."""
    from protovalidate._gen.buf.validate import validate_pb

    return FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())


def dependencies(*, platform: bool) -> FileDescriptorSet:
    """Everything that a .proto may import; with portaria's own where `platform` is set."""
    found: dict[str, FileDescriptorProto] = {}
    for module in _MODULES + (_PLATFORM if platform else ()):
        _add(import_module(module).DESCRIPTOR.name, found)
    validate = validate_proto()
    found.setdefault(validate.name, validate)
    return FileDescriptorSet(file=found.values())


def _add(name: str, found: dict[str, FileDescriptorProto]) -> None:
    if name in found:
        return
    descriptor = descriptor_pool.Default().FindFileByName(name)
    for dependency in descriptor.dependencies:
        _add(dependency.name, found)
    proto = FileDescriptorProto()
    descriptor.CopyToProto(proto)
    found[name] = proto


def write(path: Path, *, platform: bool) -> None:
    """Writes `dependencies` where protoc's --descriptor_set_in can read them."""
    path.write_bytes(dependencies(platform=platform).SerializeToString(deterministic=True))
