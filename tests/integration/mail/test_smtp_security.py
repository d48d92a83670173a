"""TLS and logins: verified, or not used."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from portaria.jobs import JobError
from portaria.jobs.eager import EagerJob
from portaria_workers.mail import smtp
from portaria_workers.mail.handlers import send_email
from portaria_workers.mail.v1.mail_pb2 import SendEmail

from .conftest import RunningSandbox

PASSWORD = "p@ss/w:rd é"
MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana"})


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1, of an authority that nobody knows."""

    path: Path
    """The authority, for who is to trust it."""
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("certificate") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Certificate(path, context)


@pytest.fixture(params=["smtp+starttls", "smtps"])
def secure(
    request: pytest.FixtureRequest,
    certificate: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningSandbox]:
    """A sandbox that speaks TLS and knows one user, to whom PORTARIA_SMTP_URL belongs."""
    running = RunningSandbox(
        tmp_path / "mails",
        tls=certificate.context,
        implicit_tls=request.param == "smtps",
        users={"portaria": PASSWORD},
    )
    running.start()
    user = f"portaria:{quote(PASSWORD, safe='')}"
    monkeypatch.setenv("PORTARIA_SMTP_URL", f"{request.param}://{user}@127.0.0.1:{running.port}")
    yield running
    smtp.close_idle()
    running.stop()
    running.close()


def failure() -> JobError:
    with pytest.raises(JobError) as caught:
        send_email(MAIL, EagerJob().context())
    return caught.value


def test_a_trusted_server_gets_login_and_mail(
    secure: RunningSandbox, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over STARTTLS and over TLS from the start, with a password that needs quoting in a URL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))

    send_email(MAIL, EagerJob().context())
    send_email(MAIL, EagerJob().context())

    assert secure.delivered_to() == ["ana@example.com"] * 2
    assert secure.server.connections == 1


def test_a_server_that_nobody_vouches_for_gets_nothing(secure: RunningSandbox) -> None:
    """An unknown certificate ends the dialogue before user, password or mail."""
    error = failure()

    assert error.reason == "SMTP_UNAVAILABLE"
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert secure.mails() == []


@pytest.mark.parametrize("wrong", ["hunter2", "segrédo"])
def test_a_wrong_password_is_named_as_the_cause_and_not_shown(
    secure: RunningSandbox, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """To be tried again: somebody will mend the setting."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    scheme = os.environ["PORTARIA_SMTP_URL"].partition(":")[0]
    monkeypatch.setenv("PORTARIA_SMTP_URL", f"{scheme}://portaria:{wrong}@127.0.0.1:{secure.port}")

    error = failure()

    assert error.reason == "SMTP_AUTHENTICATION"
    assert wrong not in str(error)
    assert secure.mails() == []


def test_a_server_without_starttls_gets_nothing(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where TLS was asked for, plain text is no substitute."""
    monkeypatch.setenv("PORTARIA_SMTP_URL", f"smtp+starttls://127.0.0.1:{sandbox.port}")

    assert failure().reason == "SMTP_UNAVAILABLE"
    assert sandbox.mails() == []
