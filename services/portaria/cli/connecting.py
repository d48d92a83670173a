"""What every calling command starts with: settings, job types, a client, words for errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from google.protobuf.message import Message

from portaria.cli.exits import Exit, Refused, exit_of
from portaria.cli.violations import table
from portaria.client import Client, DoorUnavailable, RequestIdReused
from portaria.core.errors import ConfigurationError, InvalidRequest, PortariaError
from portaria.core.job_type import JobType, JobTypes, full_name
from portaria.jobs.discovery import load_job_types
from portaria.settings import Settings

# A person waits in front of it.
_TIMEOUT = timedelta(seconds=5)


def open_client(settings: Settings) -> Client:
    """A client of the door that PORTARIA_ADDRESS names."""
    return Client(settings.address, timeout=_TIMEOUT)


def load_types_to_show(settings: Settings) -> None:
    """Imports job types so that payloads and results can be read; does without where it cannot."""
    for package in settings.jobs:
        try:
            load_job_types([package])
        except ConfigurationError:
            continue  # their JSON is base64 then


def job_types(settings: Settings) -> JobTypes:
    """The job types of PORTARIA_JOBS. Raises ConfigurationError."""
    return load_job_types(settings.jobs)


def payload_type(name: str, settings: Settings) -> JobType:
    """The job type that a person means, to make a payload of. Raises Refused."""
    try:
        return job_types(settings).find(name)
    except LookupError as error:
        why = "not in PORTARIA_JOBS: the payload is made here, whatever the door serves"
        text = f"{error.args[0]}\n  {why}"
        raise Refused(text, Exit.INVALID) from None


def full_type_name(name: str, settings: Settings, client: Client) -> str:
    """Of a type that is known here or to the door; a full name of any other stands for itself.

    Raises Refused, and the door's errors.
    """
    known = {each.name: each.domain for each in job_types(settings).all()}
    try:
        return full_name(name, known)
    except LookupError:
        if name.count(".") > 1:
            return name
    known.update((each.type, each.domain) for each in client.job_types())
    try:
        return full_name(name, known)
    except LookupError as error:
        raise Refused(str(error.args[0]), Exit.INVALID) from None


@contextmanager
def telling(what: str, payload: Message | None = None) -> Iterator[None]:
    """Turns errors into `cannot submit mail.SendEmail: …`, with the payload's own values."""
    try:
        yield
    except InvalidRequest as error:
        raise Refused(f"{what}:\n{table(error.violations, payload)}", Exit.INVALID) from None
    except PortariaError as error:
        raise Refused(f"{what}: {error.message}{_advice(error)}", exit_of(error)) from None


def _advice(error: PortariaError) -> str:
    if isinstance(error, DoorUnavailable) and error.is_about_tls:
        return (
            "\n  for TLS set PORTARIA_TLS_CA_FILE, and PORTARIA_TLS_CLIENT_CERT_FILE with its key"
            " where the door asks for one"
        )
    if isinstance(error, DoorUnavailable):
        return "\n  start one with `portaria up`, or set PORTARIA_ADDRESS"
    if isinstance(error, RequestIdReused):
        return "\n  another job was submitted under this --request-id, with other content"
    error_id = error.metadata.get("error_id")
    return f"\n  the door's log has it as error_id {error_id}" if error_id else ""
