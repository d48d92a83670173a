"""TLS and logins: verified, or not used."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from portaria.jobs import JobError
from portaria.jobs.eager import EagerJob
from portaria_workers.mail import smtp
from portaria_workers.mail.handlers import (
    send_activation_email,
    send_bulk_email,
    send_email,
    send_notification,
    send_password_reset_email,
)
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendBulkEmail,
    SendEmail,
    SendNotification,
    SendPasswordResetEmail,
)

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


ANA = "ana@example.com"
EVERY_MAIL: dict[str, Callable[[], object]] = {
    "SendEmail": lambda: send_email(MAIL, EagerJob().context()),
    "SendActivationEmail": lambda: send_activation_email(
        SendActivationEmail(to=ANA, name="Ana", code="1", user_id="1"), EagerJob().context()
    ),
    "SendPasswordResetEmail": lambda: send_password_reset_email(
        SendPasswordResetEmail(to=ANA, name="Ana", token="1", user_id="1"), EagerJob().context()
    ),
    "SendNotification": lambda: send_notification(
        SendNotification(recipients=[ANA], title="t"), EagerJob().context()
    ),
    "SendBulkEmail": lambda: send_bulk_email(
        SendBulkEmail(
            template="welcome",
            variables={"name": "Ana"},
            recipients=[SendBulkEmail.Recipient(address=ANA)],
        ),
        EagerJob().context(),
    ),
    # Of SendDocument as well, which sends through the same function as SendEmail.
}


def failure(mail: str = "SendEmail") -> JobError:
    with pytest.raises(JobError) as caught:
        EVERY_MAIL[mail]()
    return caught.value


def test_a_trusted_server_gets_login_and_mail(
    secure: RunningSandbox, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over STARTTLS and over TLS from the start, with a password that needs quoting in a URL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))

    for send in EVERY_MAIL.values():
        send()

    assert secure.delivered_to() == [ANA] * len(EVERY_MAIL)
    assert secure.server.connections == 1


@pytest.mark.parametrize("mail", list(EVERY_MAIL))
def test_a_server_that_nobody_vouches_for_gets_nothing(secure: RunningSandbox, mail: str) -> None:
    """An unknown certificate ends the dialogue before user, password or mail."""
    error = failure(mail)

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
