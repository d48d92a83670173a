"""Who gets a bulk mail: each address once, each with everything the template asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from portaria.jobs import PermanentError
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.stored_list import Row
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail

MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Addressee:
    """One recipient of a bulk mail."""

    address: str
    variables: dict[str, str]
    own: dict[str, str]
    """Those of its own among the variables."""
    fault: str = ""
    """Why there is no point in trying."""


class Audience:
    """The recipients in their order; of an address that is there twice, the first counts.

    Two addresses are the same if they differ only in the case of the domain. All rows are looked at
    when it is made, and read again with each walk, so that little of them is kept: a bit a row.
    """

    def __init__(self, rows: Iterable[Row], shared: Mapping[str, str], outbox: Outbox) -> None:
        """Raises PermanentError where the mail cannot be written for somebody, or a row is wrong in
        its form: TEMPLATE_VARIABLE or FILE_INVALID, which name the places, at most twenty.
        """
        self._rows = rows
        self._shared = dict(shared)
        self._repeats = bytearray()
        """A bit a row: whether its address was there before."""
        self.size = 0
        """How many different addresses there are."""
        self._survey(outbox)

    def __iter__(self) -> Iterator[Addressee]:
        for number, row in enumerate(self._rows):
            if not self._repeats[number >> 3] >> (number & 7) & 1:
                yield self._addressee(row)

    def _survey(self, outbox: Outbox) -> None:
        seen: set[bytes] = set()
        wrong: list[str] = []
        reason, faults = "TEMPLATE_VARIABLE", 0
        for number, row in enumerate(self._rows):
            addressee = self._addressee(row)
            # As digests, 100,000 addresses of 254 characters take 9 MB; they meet by chance never.
            digest = hashlib.blake2b(addressee.address.encode(), digest_size=16).digest()
            if number & 7 == 0:
                self._repeats.append(0)
            if digest in seen:
                self._repeats[-1] |= 1 << (number & 7)
            seen.add(digest)
            found = [*row.faults, *outbox.faults(addressee.variables)]
            if row.faults:
                reason = "FILE_INVALID"
            if found:
                faults += 1
                if len(wrong) < MOST_FAULTS:
                    wrong.append(f"{row.place}: {', '.join(found)}")
        if faults:
            more = f"; and {faults - MOST_FAULTS} more" if faults > MOST_FAULTS else ""
            raise PermanentError(reason, "; ".join(wrong) + more)
        self.size = len(seen)

    def _addressee(self, row: Row) -> Addressee:
        variables = {**self._shared, **row.variables}
        try:
            return Addressee(normalize_address(row.address), variables, row.variables)
        except ValueError as error:
            return Addressee(row.address[:254], variables, row.variables, str(error))


def inline_rows(mail: SendBulkEmail) -> list[Row]:
    """The recipients that the job itself names."""
    return [
        Row(f"recipients[{number}]", each.address, dict(each.variables))
        for number, each in enumerate(mail.recipients)
    ]
