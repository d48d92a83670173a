"""The baseline of bulk mail: `smtplib.SMTP.sendmail` in a loop over rendered messages.

Run as a process of its own: python -m bench.baseline_smtp URL RECIPIENTS WARM_UP. It renders first,
sends the warm-up over the connection that it keeps, then times the rest, and prints seconds.
"""

from __future__ import annotations

import smtplib
import sys
import time
from urllib.parse import urlsplit

from bench.newsletter import LOCALE, TEMPLATE, addresses, variables
from portaria_workers.mail.message import Message
from portaria_workers.mail.outbox import Outbox


def main(url: str, recipients: int, warm_up: int) -> None:
    """Prints how many seconds the timed messages took."""
    messages = [_message(address) for address in addresses(warm_up + recipients)]
    server = urlsplit(url)
    with smtplib.SMTP(server.hostname or "", server.port or 25, "bench") as connection:
        _send(connection, messages[:warm_up])
        start = time.perf_counter()
        _send(connection, messages[warm_up:])
        print(time.perf_counter() - start, flush=True)


def _send(connection: smtplib.SMTP, messages: list[Message]) -> None:
    for message in messages:
        connection.sendmail(message.sender, [message.recipient], message.content)


def _message(address: str) -> Message:
    outbox = Outbox.open(TEMPLATE, LOCALE)
    return outbox.write(address, variables(address), f"{hash(address) % 2**128:032x}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
