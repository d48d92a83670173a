"""What became of the recipients of a bulk mail: counted, the first ones named, all in a report."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from portaria_workers.mail.scratch import path_of, scratch_csv
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmailResult

MOST_NAMED = 1_000
MOST_BYTES = 100_000
"""Of each list in the result, encoded, since a result has at most 256 KiB."""
MOST_REASONS = 100
EMAIL_FORMAT, SUPPRESSED = "EMAIL_FORMAT", "SUPPRESSED"

_CODE = re.compile(r"\d{3}(?= |$)")
_FORMULA = ("=", "+", "-", "@")
_AROUND = 16
"""Bytes that an entry takes besides its text, at most."""


class Tally:
    """Grows while a job runs. A context, at whose end the report's file goes."""

    def __init__(self) -> None:
        self._result = SendBulkEmailResult()
        self._reasons: Counter[str] = Counter()
        self._bytes = Counter[str]()
        """Of each list in the result."""
        self._is_cut = False
        self._file = scratch_csv()
        self._report = csv.writer(self._file)
        self._report.writerow(("address", "outcome", "reason"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def done(self) -> int:
        """How many recipients are in it."""
        return self._result.recipients

    def sent(self) -> None:
        """The server has taken it."""
        self._result.sent += 1
        self._result.recipients += 1

    def maybe_sent(self, address: str) -> None:
        """Nobody knows."""
        self._result.recipients += 1
        self._result.maybe_sent_count += 1
        self._write(address, "maybe_sent", "")
        if self._has_room("maybe_sent", self._result.maybe_sent_count, address):
            self._result.maybe_sent.append(address)

    def refused(self, address: str, text: str, reason: str = "") -> None:
        """It was not sent; `reason` is the code that `text` begins with, where nothing is given."""
        if not reason:
            code = _CODE.match(text)
            reason = code[0] if code else EMAIL_FORMAT
        self._result.recipients += 1
        self._result.refused_count += 1
        self._result.suppressed_count += reason == SUPPRESSED
        self._reasons[reason] += 1
        self._write(address, "refused", text)
        if self._has_room("refused", self._result.refused_count, address + text):
            self._result.refused.add(address=address, reason=text)

    def words(self) -> str:
        """For progress: `3 sent, 1 refused`."""
        result = self._result
        counts = (
            (result.sent, "sent"),
            (result.refused_count, "refused"),
            (result.maybe_sent_count, "uncertain"),
        )
        return ", ".join(f"{count} {word}" for count, word in counts if count)

    def result(self) -> SendBulkEmailResult:
        """All but the report."""
        del self._result.reasons[:]
        for reason, count in self._reasons.most_common(MOST_REASONS):
            self._result.reasons.add(reason=reason, count=count)
        return self._result

    @property
    def is_cut(self) -> bool:
        """Whether the result does not name everybody who was refused or maybe sent to."""
        return self._is_cut

    @property
    def has_misses(self) -> bool:
        """Whether somebody was refused or maybe sent to."""
        return self._result.refused_count + self._result.maybe_sent_count > 0

    def report(self) -> Path:
        """The file that names everybody who was refused or maybe sent to. A cell that a spreadsheet
        would calculate has an apostrophe before it."""
        return path_of(self._file)

    def _write(self, *cells: str) -> None:
        self._report.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)

    def _has_room(self, which: str, count: int, text: str) -> bool:
        # A reply of 300 characters may have 1,200 bytes.
        self._bytes[which] += len(text.encode()) + _AROUND
        has_room = count <= MOST_NAMED and self._bytes[which] <= MOST_BYTES
        self._is_cut = self._is_cut or not has_room
        return has_room
