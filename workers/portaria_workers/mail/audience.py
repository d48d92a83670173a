"""Who gets a bulk mail: each address once, each with everything the template asks for."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.jobs import PermanentError
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail

MOST_FAULTS = 10


@dataclass(frozen=True, slots=True)
class Addressee:
    """One recipient of a bulk mail."""

    address: str
    variables: dict[str, str]
    fault: str = ""
    """Why there is no point in trying."""


def audience_of(mail: SendBulkEmail, outbox: Outbox) -> list[Addressee]:
    """The recipients in their order; of an address that is there twice, the first counts.

    Two addresses are the same if they differ only in the case of the domain. Raises PermanentError
    TEMPLATE_VARIABLE that names the recipients for whom the mail cannot be written, at most ten.
    """
    shared = dict(mail.variables)
    found: dict[str, Addressee] = {}
    wrong: list[str] = []
    for index, recipient in enumerate(mail.recipients):
        addressee = _addressee(recipient.address, {**shared, **recipient.variables})
        found.setdefault(addressee.address, addressee)
        faults = outbox.faults(addressee.variables)
        if faults:
            wrong.append(f"recipients[{index}]: {', '.join(faults)}")
    if wrong:
        more = f"; and {len(wrong) - MOST_FAULTS} more" if len(wrong) > MOST_FAULTS else ""
        raise PermanentError("TEMPLATE_VARIABLE", "; ".join(wrong[:MOST_FAULTS]) + more)
    return list(found.values())


def _addressee(address: str, variables: dict[str, str]) -> Addressee:
    try:
        return Addressee(normalize_address(address), variables)
    except ValueError as error:
        return Addressee(address[:254], variables, f"not tried: {error}")
