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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from portaria.jobs import OutcomeUnknown, PermanentError
from portaria_workers.mail.message import Message
from portaria_workers.mail.replies import RecipientBusy, RecipientRefused, Reply, ServerUnavailable

CONNECT_TIMEOUT = 10.0
REPLY_TIMEOUT = 30.0
MAX_IDLE = 60.0
"""Seconds after which a kept connection is not trusted any more."""

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
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._used_at = 0.0

    def send(self, message: Message) -> None:
        """Hands one message over; returns when the server has taken it.

        Raises RecipientRefused or RecipientBusy with the server's reply, ServerUnavailable where
        nothing was handed over, and OutcomeUnknown where the reply was lost.
        """
        if self._smtp is not None and time.monotonic() - self._used_at > MAX_IDLE:
            self.close()
        if self._smtp is not None:
            # A server may drop a quiet connection at any time; whether it is up shows a fresh one.
            with suppress(ServerUnavailable):
                return self._deliver(self._smtp, message)
        self._smtp = _connect(self._server)
        return self._deliver(self._smtp, message)

    def close(self) -> None:
        """Leaves politely."""
        if self._smtp is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
        self.drop()

    def drop(self) -> None:
        """Forgets the connection without a word."""
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None

    def _deliver(self, smtp: smtplib.SMTP, message: Message) -> None:
        try:
            self._hand_over(smtp, message)
            reply = self._last_reply(smtp)
            if not reply.is_success:
                raise _of_recipient(reply)
        except (RecipientRefused, RecipientBusy):
            self._reset(smtp)
            raise
        except BaseException:
            # Whatever interrupted the dialogue, its next line would answer something else.
            self.drop()
            raise
        self._used_at = time.monotonic()

    def _hand_over(self, smtp: smtplib.SMTP, message: Message) -> None:
        """Up to and including the end mark. A failure in here means: not sent."""
        try:
            reply = Reply(*smtp.mail(message.sender))
            if not reply.is_success:
                raise _of_sender(reply)
            reply = Reply(*smtp.rcpt(message.recipient))
            if not reply.is_success:
                raise _of_recipient(reply)
            reply = Reply(*smtp.docmd("DATA"))
            if reply.code != 354:
                raise _of_recipient(reply)
            # The end mark is the last of these bytes: where sending fails, it was not sent.
            smtp.send(message.content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except (smtplib.SMTPException, OSError) as error:
            raise ServerUnavailable(
                f"lost the SMTP server {self._server}: {_words(error)}"
            ) from None

    def _last_reply(self, smtp: smtplib.SMTP) -> Reply:
        lost = "the SMTP server's reply was lost after the message was handed over"
        try:
            reply = Reply(*smtp.getreply())
        except (smtplib.SMTPException, OSError):
            raise OutcomeUnknown(lost) from None
        if not (reply.is_success or reply.is_refusal):
            raise OutcomeUnknown(lost)
        return reply

    def _reset(self, smtp: smtplib.SMTP) -> None:
        self._used_at = time.monotonic()
        try:
            smtp.rset()
        except (smtplib.SMTPException, OSError):
            self.drop()


_idle: dict[tuple[int, Server], list[Connection]] = {}


@contextmanager
def connection(server: Server) -> Iterator[Connection]:
    """A connection for the use of one job: one that an earlier job left open, or a new one.

    Nothing is opened before the first message. Connections are kept per process: those that a
    forked child inherited stay its parent's.
    """
    kept = _idle.setdefault((os.getpid(), server), [])
    try:
        used = kept.pop()
    except IndexError:
        used = Connection(server)
    try:
        yield used
    finally:
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
    smtp.sock.settimeout(REPLY_TIMEOUT)
    smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return smtp


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    if (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
        return
    # smtplib knows only ASCII; PLAIN is UTF-8 (RFC 4616).
    token = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    code, text = smtp.docmd("AUTH", f"PLAIN {token}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _of_sender(reply: Reply) -> Exception:
    if reply.is_permanent:
        return PermanentError("SENDER_REFUSED", f"the SMTP server refused the sender: {reply}")
    return _of_server(reply)


def _of_recipient(reply: Reply) -> Exception:
    if reply.is_permanent:
        return RecipientRefused(reply)
    return RecipientBusy(reply) if reply.is_temporary else _of_server(reply)


def _of_server(reply: Reply) -> Exception:
    return ServerUnavailable(f"the SMTP server said: {reply}", "SMTP_TEMPORARY")


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return str(Reply(error.smtp_code, text if isinstance(text, bytes) else text.encode()))
    return str(error) or type(error).__name__
