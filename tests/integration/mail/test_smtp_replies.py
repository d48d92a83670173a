"""What each reply of a mail server means, at each step of a mail.

The server is a script: it answers what the table says, over a real socket, with and without
PIPELINING.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

import pytest

from portaria.jobs import OutcomeUnknown, PermanentError
from portaria_workers.mail import smtp
from portaria_workers.mail.message import Message
from portaria_workers.mail.replies import RecipientBusy, RecipientRefused, ServerUnavailable
from portaria_workers.mail.smtp import Connection, Server

SENT, REFUSED, BUSY, SERVER, LOGIN, SENDER, UNKNOWN = (
    "sent", "refused", "busy", "server", "login", "sender", "unknown",
)  # fmt: skip
GOOD = {
    "banner": "220 ready",
    "EHLO": "250 ok",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "content": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}
CUT, SILENT = "cut", "silent"

TABLE = [
    ("banner", "220 ready", SENT),
    ("banner", "421 4.3.2 too many connections", SERVER),
    ("banner", "450 4.7.0 not so fast", SERVER),
    ("banner", "554 5.7.1 we do not talk to you", SERVER),
    ("banner", CUT, SERVER),
    ("banner", SILENT, SERVER),
    ("MAIL", "421 4.3.2 going down", SERVER),
    ("MAIL", "451 4.3.0 queue full", SERVER),
    ("MAIL", "452 4.3.1 no space", SERVER),
    ("MAIL", "530 5.7.0 authentication required", LOGIN),
    ("MAIL", "550 5.7.1 you may not send", SENDER),
    ("MAIL", "553 5.1.8 no such domain", SENDER),
    ("MAIL", "552 5.3.4 message too large", REFUSED),
    ("MAIL", CUT, SERVER),
    ("MAIL", SILENT, SERVER),
    ("RCPT", "251 will forward", SENT),
    ("RCPT", "421 4.7.0 try another day", SERVER),
    ("RCPT", "450 4.2.0 greylisted", BUSY),
    ("RCPT", "451 4.7.1 greylisted, come back in 300 seconds", BUSY),
    ("RCPT", "452 4.5.3 too many recipients", BUSY),
    ("RCPT", "530 5.7.0 authentication required", LOGIN),
    ("RCPT", "535 5.7.8 credentials invalid", LOGIN),
    ("RCPT", "550 5.1.1 no such mailbox", REFUSED),
    ("RCPT", "552 5.2.2 mailbox full", REFUSED),
    ("RCPT", "553 5.6.7 needs SMTPUTF8", REFUSED),
    ("RCPT", "556 5.1.10 takes no mail", REFUSED),
    ("RCPT", CUT, SERVER),
    ("RCPT", SILENT, SERVER),
    ("DATA", "421 4.3.0 closing", SERVER),
    ("DATA", "451 4.3.0 not now", BUSY),
    ("DATA", "530 5.7.0 authentication required", LOGIN),
    ("DATA", "554 5.5.1 no valid recipients", REFUSED),
    ("DATA", "250 what?", SERVER),
    ("DATA", CUT, SERVER),
    ("DATA", SILENT, SERVER),
    ("content", "250 2.0.0 queued", SENT),
    ("content", "421 4.3.0 closing", SERVER),
    ("content", "451 4.3.0 not now", BUSY),
    ("content", "452 4.3.1 no space", BUSY),
    ("content", "535 5.7.8 credentials expired", LOGIN),
    ("content", "552 5.3.4 message too large", REFUSED),
    ("content", "554 5.7.1 not wanted", REFUSED),
    ("content", "354 more?", UNKNOWN),
    ("content", "gibberish", UNKNOWN),
    ("content", CUT, UNKNOWN),
    ("content", SILENT, UNKNOWN),
]
MESSAGE = Message(
    id="<1@a.example>",
    sender="us@a.example",
    recipient="ana@b.example",
    content=b"a: b\r\n\r\nc\r\n",
)


class Scripted:
    """A mail server that answers one step otherwise than a good one."""

    def __init__(self, step: str, answer: str, *, pipelining: bool) -> None:
        self.connections = 0
        self.commands: list[str] = []
        self.on_first_connection: dict[str, str] = {}
        self._answers = {**GOOD, step: answer}
        self.pause = 0.0
        """Seconds after each 64 KiB of a content."""
        if pipelining:
            self._answers["EHLO"] = "250-ok\r\n250 PIPELINING"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server("smtp", "127.0.0.1", int(self._listener.getsockname()[1]))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                others = self.on_first_connection if self.connections == 1 else {}
                threading.Thread(target=self._talk, args=(client, others), daemon=True).start()

    def _talk(self, client: socket.socket, others: dict[str, str]) -> None:
        with suppress(OSError), client, client.makefile("rwb") as stream:
            step: str | None = "banner"
            while step:
                answer = others.get(step) or self._answers.get(step, "502 unknown")
                if answer == CUT:
                    return
                if answer != SILENT:
                    stream.write(f"{answer}\r\n".encode())
                    stream.flush()
                if answer.startswith("354") and step == "DATA":
                    self._read_content(stream)
                    step = "content"
                    continue
                step = stream.readline().decode().strip()[:4].upper()
                self.commands.append(step)

    def _read_content(self, stream: BinaryIO) -> None:
        read = 0
        while (line := stream.readline()) not in (b".\r\n", b""):
            read += len(line)
            if self.pause and read >= 65_536:
                read = 0
                threading.Event().wait(self.pause)


@pytest.fixture(params=[True, False], ids=["pipelining", "one-by-one"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(autouse=True)
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is given up on soon; a slow machine is no silence."""
    if getattr(request.node, "callspec", None) and SILENT in request.node.callspec.params.values():
        for name in ("CONNECT_TIMEOUT", "REPLY_TIMEOUT", "TAKING_TIMEOUT"):
            monkeypatch.setattr(smtp, name, 0.2)


def outcome_of(connection: Connection) -> str:
    try:
        connection.send(MESSAGE)
    except RecipientRefused:
        return REFUSED
    except RecipientBusy:
        return BUSY
    except OutcomeUnknown:
        return UNKNOWN
    except ServerUnavailable as error:
        return LOGIN if error.reason == "SMTP_AUTHENTICATION" else SERVER
    except PermanentError as error:
        return SENDER if error.reason == "SENDER_REFUSED" else error.reason
    return SENT


@pytest.mark.parametrize(("step", "answer", "expected"), TABLE)
def test_what_a_reply_means(step: str, answer: str, expected: str, *, pipelining: bool) -> None:
    """The recipient, the sender, the login, the server, or nobody knows."""
    scripted = Scripted(step, answer, pipelining=pipelining)
    connection = Connection(scripted.server)

    found = outcome_of(connection)

    connection.drop()
    scripted.close()
    assert found == expected


@pytest.mark.parametrize(
    ("step", "answer"), [(step, answer) for step, answer, word in TABLE if word in (REFUSED, BUSY)]
)
def test_a_refusal_leaves_the_connection_usable(
    step: str, answer: str, *, pipelining: bool
) -> None:
    """The next mail goes over the same one, from the beginning, and is answered as the first."""
    scripted = Scripted(step, answer, pipelining=pipelining)
    connection = Connection(scripted.server)

    found = [outcome_of(connection), outcome_of(connection)]

    connection.drop()
    scripted.close()
    assert found[0] == found[1]
    waits_for_content = step != "content" and pipelining and "DATA" in scripted.commands
    assert scripted.connections == (2 if waits_for_content and step != "DATA" else 1)


def test_a_server_that_leaves_between_two_mails_costs_nothing(*, pipelining: bool) -> None:
    """421 to the second mail on a kept connection: a fresh one takes it."""
    scripted = Scripted("MAIL", "250 ok", pipelining=pipelining)
    connection = Connection(scripted.server)
    connection.send(MESSAGE)
    scripted.on_first_connection["MAIL"] = "421 4.4.2 idle for too long"

    found = outcome_of(connection)

    connection.drop()
    scripted.close()
    assert (found, scripted.connections) == (SENT, 2)


def test_a_connection_that_was_idle_for_long_is_left_without_a_word(
    monkeypatch: pytest.MonkeyPatch, *, pipelining: bool
) -> None:
    """A firewall may have dropped it: nobody waits for an answer to a farewell."""
    monkeypatch.setattr(smtp, "MAX_IDLE", -1.0)
    scripted = Scripted("QUIT", SILENT, pipelining=pipelining)
    connection = Connection(scripted.server)

    found = [outcome_of(connection), outcome_of(connection)]
    connection.close()

    scripted.close()
    assert (found, scripted.connections) == ([SENT, SENT], 2)
    assert "QUIT" not in scripted.commands


def test_a_slow_line_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large mail may take longer than a reply may: 16 MiB at 6 MiB a second."""
    monkeypatch.setattr(smtp, "REPLY_TIMEOUT", 1.0)
    monkeypatch.setattr(smtp, "TAKING_TIMEOUT", 10.0)
    scripted = Scripted("content", "250 taken", pipelining=True)
    scripted.pause = 0.01
    connection = Connection(scripted.server)
    large = replace(MESSAGE, content=b"a: b\r\n\r\n" + (b"x" * 1022 + b"\r\n") * 16_384)

    began = time.monotonic()
    connection.send(large)
    took = time.monotonic() - began

    connection.drop()
    scripted.close()
    assert took > smtp.REPLY_TIMEOUT
