"""The server: aiosmtpd, with a mailbox behind it and faults in between."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from portaria.core.clock import SystemClock
from portaria_workers.mail.sandbox.faults import Fault, FaultKind, Faults
from portaria_workers.mail.sandbox.mailbox import Mailbox

HOSTNAME = "sandbox.portaria.example"

_CLOCK = SystemClock()
_LOG = logging.getLogger(__name__)


class Sandbox:
    """An SMTP server on one address.

    It takes several commands at once (RFC 2920), and says so with `pipelining`. With `tls` it
    offers STARTTLS, or with `implicit_tls` speaks nothing else; with `users` it takes mail only
    after a login.
    """

    def __init__(
        self,
        folder: Path,
        *,
        faults: Faults | None = None,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: Mapping[str, str] | None = None,
        pipelining: bool = True,
    ) -> None:
        self.mailbox = Mailbox(folder)
        self.faults = faults or Faults()
        self.connections = 0
        """How many connections were opened so far."""
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._users = dict(users or {})
        self._pipelining = pipelining
        self._open: set[_Protocol] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begins to listen and answers the port; 0 takes a free one. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, host, port, ssl=self._tls if self._implicit_tls else None
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and cuts the connections that are open."""
        assert self._server is not None
        self._server.close()
        for protocol in list(self._open):
            protocol.cut()
        await self._server.wait_closed()
        while self._open:
            await asyncio.sleep(0)

    def _protocol(self) -> _Protocol:
        self.connections += 1
        return _Protocol(
            _Handler(
                self.mailbox,
                self.faults,
                login_needed=bool(self._users),
                pipelining=self._pipelining,
            ),
            self._open,
            hostname=HOSTNAME,
            ident="Portaria mail sandbox",
            loop=asyncio.get_running_loop(),
            tls_context=None if self._implicit_tls else self._tls,
            auth_require_tls=self._tls is not None and not self._implicit_tls,
            authenticator=self._authenticate,
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object
    ) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        expected = self._users.get(given.login.decode("utf-8", "replace"), "").encode()
        right = bool(expected) and secrets.compare_digest(expected, given.password)
        return AuthResult(success=right, handled=False)


class _Protocol(SMTP):
    """One connection, which can be cut from outside."""

    def __init__(self, handler: _Handler, opened: set[_Protocol], **options: Any) -> None:
        super().__init__(handler, **options)
        self._opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opened.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """Ends the connection in mid-sentence."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class _Handler:
    """What the server does with commands. The names of the methods are aiosmtpd's."""

    def __init__(
        self, mailbox: Mailbox, faults: Faults, *, login_needed: bool, pipelining: bool
    ) -> None:
        self._pipelining = pipelining
        self._mailbox = mailbox
        self._faults = faults
        self._login_needed = login_needed
        self._met: list[Fault] = []

    async def handle_exception(self, error: Exception) -> str:
        _LOG.error("cannot keep a mail: %s", error)
        return "451 4.3.0 local error, try again later"

    async def handle_EHLO(
        self, _server: _Protocol, session: Session, _envelope: Envelope, name: str, lines: list[str]
    ) -> list[str]:
        session.host_name = name
        return [lines[0], "250-PIPELINING", *lines[1:]] if self._pipelining else lines

    async def handle_MAIL(
        self, _server: _Protocol, session: Session, envelope: Envelope, sender: str, options: Any
    ) -> str:
        self._met = []
        if self._login_needed and not session.authenticated:
            return "530 5.7.0 authentication required"
        if self._faults.unavailable:
            return self._faults.unavailable
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(
        self,
        server: _Protocol,
        _session: Session,
        envelope: Envelope,
        recipient: str,
        _options: Any,
    ) -> str:
        fault = self._faults.meet(recipient)
        if fault is not None and fault.kind is FaultKind.REFUSE:
            return fault.reply
        if fault is not None and fault.kind is FaultKind.CUT_BEFORE:
            server.cut()
        elif fault is not None:
            self._met.append(fault)
        envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: _Protocol, _session: Session, envelope: Envelope) -> str:
        rejected = [fault for fault in self._met if fault.kind is FaultKind.REJECT]
        if rejected:
            return rejected[0].reply
        cut = any(fault.kind is FaultKind.CUT for fault in self._met)
        for recipient in envelope.rcpt_tos:
            content = envelope.original_content or b""
            self._mailbox.keep(envelope.mail_from or "", recipient, content, _CLOCK.now())
            cut = cut or self._faults.loses_reply(self._mailbox.kept)
        late = self._faults.delay + sum(fault.seconds for fault in self._met)
        if late:
            await asyncio.sleep(late)
        if cut:
            server.cut()
        return f"250 2.0.0 kept as number {self._mailbox.kept}"
