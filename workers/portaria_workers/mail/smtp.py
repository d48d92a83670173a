"""Hands messages to an SMTP server over a connection that stays open between them.

What matters is to know on which side of the line a failure happened. Until the server has the whole
message with its end mark, nothing was sent and it may be tried again. From then until its reply
arrives nobody can know, and it must not be.
"""

from __future__ import annotations

import base64
import os
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote, urlsplit

from portaria.jobs import OutcomeUnknown
from portaria_workers.mail.message import Message
from portaria_workers.mail.replies import (
    LEAVING,
    RecipientBusy,
    RecipientRefused,
    Reply,
    ServerLost,
    ServerUnavailable,
    of_recipient,
    of_sender,
)

CONNECT_TIMEOUT = 10.0
REPLY_TIMEOUT = 30.0
"""Seconds of silence, also while a message is being sent, after which a server counts as gone."""
TAKING_TIMEOUT = 600.0
"""The same for the reply to a whole message, which may be looked through (RFC 5321, 4.5.3.2.6):
who gives up early leaves a doubt. The job's own time may be shorter, and is then what counts."""
MARGIN = 5.0
"""Seconds before the job's time is over at which it stops waiting, to say what happened."""
MAX_IDLE = 60.0
"""Seconds after which a kept connection is not trusted any more."""

_SLICE = 64 * 1024
_SEND_BUFFER = 2 * _SLICE

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails go, as PORTARIA_SMTP_URL says."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Server:
        """From smtp://, smtp+starttls:// or smtps://, with the scheme's usual port by default."""
        parts = urlsplit(url)
        return cls(
            scheme=parts.scheme,
            host=parts.hostname or "localhost",
            port=parts.port or _PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connection:
    """A connection to a server, opened by the first message and again where it was lost."""

    def __init__(self, server: Server) -> None:
        self.deadline: datetime | None = None
        """When the time of the job is over that uses it."""
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._used_at = 0.0
        self._is_waiting = False
        """Whether the server waits for a content."""

    def send(self, message: Message) -> None:
        """Hands one message over; returns when the server has taken it. Raises as the two steps."""
        self.open(message)
        self.hand_over(message)

    def open(self, message: Message) -> None:
        """Names sender and recipient, and asks the server to wait for the content: nothing is sent.

        Raises RecipientRefused or RecipientBusy with the server's reply, PermanentError
        SENDER_REFUSED, and ServerUnavailable.
        """
        if self._is_waiting or self._is_stale:
            # What waits for a content takes no other command.
            self.drop()
        if self._smtp is not None:
            # A server may drop a quiet connection at any time; whether it is up shows a fresh one.
            with suppress(ServerUnavailable):
                return self._open(self._smtp, message)
        self._smtp = _connect(self._server)
        return self._open(self._smtp, message)

    def hand_over(self, message: Message, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Sends the content that the server waits for; returns when it has taken the message.

        `meanwhile` is called while the server is at it. Raises RecipientRefused or RecipientBusy
        with the server's reply, ServerUnavailable where nothing was handed over, and
        OutcomeUnknown where the reply was lost.
        """
        assert self._smtp is not None
        with self._dialogue(self._smtp) as smtp:
            self._is_waiting = False
            with _broken_off(self._server):
                # The end mark is the last of these bytes: where sending fails, it was not sent.
                _send(smtp, message.content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            meanwhile()
            reply = self._last_reply(smtp)
            if not reply.is_success:
                raise of_recipient(reply)

    @property
    def _is_stale(self) -> bool:
        # A firewall may have dropped it without a word: then even a farewell waits for its timeout.
        return time.monotonic() - self._used_at > MAX_IDLE

    def close(self) -> None:
        """Leaves politely, where the server is likely to be there still."""
        if self._smtp is not None and not self._is_stale:
            with suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
        self.drop()

    def drop(self) -> None:
        """Forgets the connection without a word."""
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
        self._is_waiting = False

    def settle(self) -> None:
        """Forgets the connection where the server waits for a content that will not come."""
        if self._is_waiting:
            self.drop()

    def _open(self, smtp: smtplib.SMTP, message: Message) -> None:
        with self._dialogue(smtp), _broken_off(self._server):
            sender, recipient, content = self._envelope(smtp, message)
            for reply, failure in (
                (sender, of_sender),
                (recipient, of_recipient),
            ):
                if not reply.is_success:
                    # Where it waits nevertheless, an end mark would be a message.
                    self._is_waiting = content.code == 354
                    raise failure(reply)
            if content.code != 354:
                raise of_recipient(content)
            self._is_waiting = True

    def _envelope(self, smtp: smtplib.SMTP, message: Message) -> tuple[Reply, Reply, Reply]:
        """The replies to MAIL, RCPT and DATA; that to the first failure for those never sent."""
        size = f" SIZE={len(message.content)}" if smtp.has_extn("size") else ""
        commands = (
            f"MAIL FROM:<{message.sender}>{size}",
            f"RCPT TO:<{message.recipient}>",
            "DATA",
        )
        is_pipelined = smtp.has_extn("pipelining")
        if is_pipelined:
            smtp.send("".join(f"{each}\r\n" for each in commands))
            ask = [smtp.getreply] * 3
        else:
            ask = [partial(smtp.docmd, each) for each in commands]
        replies: list[Reply] = []
        for each in ask:
            is_over = bool(replies) and not replies[-1].is_success
            if is_over and (not is_pipelined or replies[-1].code == LEAVING):
                replies.append(replies[-1])
            else:
                replies.append(Reply(*each()))
        sender, recipient, content = replies
        return sender, recipient, content

    @contextmanager
    def _dialogue(self, smtp: smtplib.SMTP) -> Iterator[smtplib.SMTP]:
        try:
            yield smtp
        except (RecipientRefused, RecipientBusy):
            self._reset(smtp)
            raise
        except BaseException:
            # Whatever interrupted the dialogue, its next line would answer something else.
            self.drop()
            raise
        self._used_at = time.monotonic()

    def _last_reply(self, smtp: smtplib.SMTP) -> Reply:
        lost = "the SMTP server's reply was lost after the message was handed over"
        try:
            _set_timeout(smtp, self._patience())
            reply = Reply(*smtp.getreply())
            _set_timeout(smtp, REPLY_TIMEOUT)
        except (smtplib.SMTPException, OSError):
            raise OutcomeUnknown(lost) from None
        if not (reply.is_success or reply.is_refusal):
            raise OutcomeUnknown(lost)
        return reply

    def _patience(self) -> float:
        if self.deadline is None:
            return TAKING_TIMEOUT
        left = (self.deadline - datetime.now(UTC)).total_seconds() - MARGIN
        return max(min(TAKING_TIMEOUT, left), 1.0)

    def _reset(self, smtp: smtplib.SMTP) -> None:
        self._used_at = time.monotonic()
        if self._is_waiting:
            self.drop()
            return
        try:
            smtp.rset()
        except (smtplib.SMTPException, OSError):
            self.drop()


_idle: dict[tuple[int, Server], list[Connection]] = {}


@contextmanager
def connection(server: Server, deadline: datetime) -> Iterator[Connection]:
    """A connection for the use of one job: one that an earlier job left open, or a new one.

    `deadline` is when the job's time is over. Nothing is opened before the first message.
    Connections are kept per process: those that a forked child inherited stay its parent's.
    """
    kept = _idle.setdefault((os.getpid(), server), [])
    try:
        used = kept.pop()
    except IndexError:
        used = Connection(server)
    used.deadline = deadline
    try:
        yield used
    finally:
        used.settle()
        kept.append(used)


def close_idle() -> None:
    """Closes the connections that this process keeps."""
    for (process, _), kept in _idle.items():
        while process == os.getpid() and kept:
            kept.pop().close()


def _connect(server: Server) -> smtplib.SMTP:
    try:
        smtp = _open(server)
    except (smtplib.SMTPException, OSError) as error:
        raise ServerUnavailable(f"cannot reach the SMTP server {server}: {_words(error)}") from None
    try:
        if server.scheme == "smtp+starttls":
            smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
        if server.user:
            _log_in(smtp, server)
    except BaseException as error:
        smtp.close()
        if isinstance(error, smtplib.SMTPAuthenticationError):
            raise ServerUnavailable(
                f"the SMTP server {server} refused user and password", "SMTP_AUTHENTICATION"
            ) from None
        if isinstance(error, smtplib.SMTPException | OSError):
            raise ServerUnavailable(
                f"cannot use the SMTP server {server}: {_words(error)}"
            ) from None
        raise
    return smtp


@contextmanager
def _broken_off(server: Server) -> Iterator[None]:
    """A failure in here means: not sent."""
    try:
        yield
    except (smtplib.SMTPException, OSError) as error:
        raise ServerLost(f"lost the SMTP server {server}: {_words(error)}") from None


def _open(server: Server) -> smtplib.SMTP:
    # Named, since smtplib would otherwise ask the DNS for it, which may take seconds.
    name = socket.gethostname()
    if server.scheme == "smtps":
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, name, timeout=CONNECT_TIMEOUT, context=context
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, name, timeout=CONNECT_TIMEOUT)
    assert smtp.sock is not None
    _set_timeout(smtp, REPLY_TIMEOUT)
    smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A writer is woken when a third of it is free: of a large one too late, on a slow line.
    smtp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    return smtp


def _set_timeout(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _send(smtp: smtplib.SMTP, content: bytes) -> None:
    # In slices, since a timeout is of a whole call: so it means silence, however slow the line.
    view = memoryview(content)
    for start in range(0, len(view), _SLICE):
        smtp.send(view[start : start + _SLICE])


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    if (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
        return
    # smtplib knows only ASCII; PLAIN is UTF-8 (RFC 4616).
    token = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    code, text = smtp.docmd("AUTH", f"PLAIN {token}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return str(Reply(error.smtp_code, text if isinstance(text, bytes) else text.encode()))
    return str(error) or type(error).__name__
