"""What `portaria up` says when everything works: where things are, and how to try them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from portaria.core.job_type import JobTypes
from portaria.core.states import PRIORITIES
from portaria.up.system import SCHEDULERS, System

_EXAMPLE = '{"to": "ana@example.com", "template": "welcome", "variables": {"name": "Ana"}}'


def board(system: System, types: JobTypes) -> str:
    """The table and the commands."""
    rows = "\n".join(
        f"  {name:9} {where:27} {what}".rstrip() for name, where, what in _rows(system)
    )
    tries = "\n".join(f"  {line}" for line in commands(system, types))
    return f"Portaria is up; Ctrl-C stops it.\n\n{rows}\n\nIn another terminal:\n{tries}\n"


def commands(system: System, types: JobTypes) -> list[str]:
    """What to type in another terminal, as it stands."""
    lines = [f"source {_shown(system.place.env_file)}"]
    if "mail.SendEmail" in {each.short_name for each in types.all()}:
        lines += [
            f"{_program('portaria')} submit SendEmail --watch --json '{_EXAMPLE}'",
            f"{_program('buf')} curl --protocol grpc --http2-prior-knowledge "
            f'-d \'{{"job": {_EXAMPLE}, "request_id": "try-1"}}\' '
            '"http://$PORTARIA_ADDRESS/portaria_workers.mail.v1.MailService/SendEmail"',
        ]
    lines.append(f"{_program('rq')} info")
    for domain in system.domains[:1]:
        queues = " ".join(f"{domain}:{priority}" for priority in PRIORITIES)
        lines.append(f"{_program('rq')} worker -w portaria.Worker {queues}")
    return lines


def _rows(system: System) -> list[tuple[str, str, str]]:
    place = system.place
    rows = [("door", place.address, "gRPC" + ("; reflection" * system.settings.reflection))]
    if system.redis:
        what = f"embedded, appendfsync {system.redis.durability}, password in the env file"
        rows.append(("redis", f"127.0.0.1:{system.redis.port}", what))
    else:
        rows.append(("redis", "as PORTARIA_REDIS_URL says", "not ours to stop"))
    if system.has_sandbox:
        rows.append(("smtp", place.smtp_url, f"sandbox, keeps mails in {_shown(place.mail_dir)}"))
    if place.downloads_listen:
        rows.append(("downloads", place.downloads_base, "links to documents"))
    rows += [
        ("worker", domain, f"{system.processes_of(domain)} at a time") for domain in system.domains
    ]
    rows.append(("scheduler", f"{SCHEDULERS} processes", "each tick fires once, whichever dies"))
    database = place.database_url
    if database.startswith("sqlite:///"):
        where = _shown(Path(database.removeprefix("sqlite:///")))
    else:
        where = "as PORTARIA_DATABASE_URL says"
    rows.append(("database", where, "its schema is up to date"))
    rows.append(("data", _shown(place.data_dir), f"logs in {_shown(place.log_dir)}"))
    return rows


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return shlex.quote(str(path.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))


def _program(name: str) -> str:
    """How a program of our virtual environment is called from here."""
    if shutil.which(name):
        return name
    found = shutil.which(name, path=os.path.dirname(sys.executable))
    return _shown(Path(found)) if found else name
