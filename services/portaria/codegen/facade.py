"""The typed façade of a domain: one RPC per job type, derived from its messages.

A façade is committed like any stub, so that callers in any language get it; the door serves it
from the descriptors alone.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from google.protobuf.descriptor import Descriptor, FileDescriptor

from portaria.v1 import job_type_pb2

_HEAD = """syntax = "proto3";

// Generated from the job types of this package; do not edit.
package {package};

import "portaria/v1/job.proto";
{imports}

// The typed face of the job types of the domain "{domain}": each RPC is
// portaria.v1.JobsService.SubmitJob with a payload that the compiler checks.
service {service} {{
{rpcs}
}}
"""

_MESSAGES = """
message {name}Request {{
  {name} job = 1;
  portaria.v1.SubmitOptions options = 2;
  // As in portaria.v1.SubmitJobRequest.
  string request_id = 3;
  // Checks everything, writes nothing; the job in the answer has no id.
  bool validate_only = 4;
}}

message {name}Response {{
  portaria.v1.Job job = 1;
  bool deduplicated = 2;
}}
"""


def job_types_of(file: FileDescriptor) -> list[Descriptor]:
    """The messages of a file that are job types, in their order in the file."""
    return [
        message
        for message in file.message_types_by_name.values()
        if message.GetOptions().HasExtension(job_type_pb2.job_type)
    ]


def facades(files: Iterable[FileDescriptor]) -> dict[str, str]:
    """Path -> text of each façade that the job types in `files` call for."""
    found: dict[tuple[str, str], list[Descriptor]] = {}
    for file in files:
        for message in job_types_of(file):
            domain = message.GetOptions().Extensions[job_type_pb2.job_type].domain
            folder = str(PurePosixPath(file.name).parent)
            found.setdefault((folder, domain), []).append(message)
    return {
        f"{folder}/{domain}_service.proto": _render(domain, messages)
        for (folder, domain), messages in sorted(found.items())
    }


def _render(domain: str, messages: list[Descriptor]) -> str:
    service = "".join(word.capitalize() for word in domain.split("_")) + "Service"
    rpcs = []
    for message in messages:
        description = message.GetOptions().Extensions[job_type_pb2.job_type].description
        comment = f"  // {description}\n" if description else ""
        name = message.name
        rpcs.append(f"{comment}  rpc {name}({name}Request) returns ({name}Response);")
    imports = sorted({f'import "{message.file.name}";' for message in messages})
    head = _HEAD.format(
        package=messages[0].file.package,
        imports="\n".join(imports),
        domain=domain,
        service=service,
        rpcs="\n\n".join(rpcs),
    )
    return head + "".join(_MESSAGES.format(name=message.name) for message in messages)


def is_facade(path: str, text: str) -> bool:
    """Whether a .proto file was written by `facades`."""
    return path.endswith("_service.proto") and bool(
        re.search(r"^// Generated from the job types of this package", text, re.MULTILINE)
    )
