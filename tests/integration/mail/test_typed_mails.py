"""Mails of accounts and alerts, over a real connection."""

from __future__ import annotations

import pytest

from portaria.jobs import PermanentError, RetryLater
from portaria.jobs.eager import EagerJob
from portaria_workers.mail.deferrals import DEFERRALS
from portaria_workers.mail.handlers import (
    send_activation_email,
    send_notification,
    send_password_reset_email,
)
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendNotification,
    SendPasswordResetEmail,
)

from .conftest import RunningSandbox


def bodies(sandbox: RunningSandbox) -> tuple[str, str]:
    """Text and HTML of the one mail."""
    [mail] = sandbox.mails()
    found = []
    for kind in ("plain", "html"):
        part = mail.get_body(preferencelist=(kind,))
        assert part is not None
        found.append(str(part.get_content()).replace("\r\n", "\n"))
    return found[0], found[1]


def test_an_activation_has_code_link_and_time(sandbox: RunningSandbox, job: EagerJob) -> None:
    """The link begins with the setting, whatever the payload says."""
    mail = SendActivationEmail(
        to="ana@example.com",
        name="{{7*7}} <b>",
        code="48 29".replace(" ", "&"),
        user_id="//evil.example/?x=1",
        valid_for={"seconds": 1800},  # type: ignore[arg-type]
    )

    result = send_activation_email(mail, job.context())

    text, html = bodies(sandbox)
    link = "https://portaria.example/activate?code=48%2629&user=//evil.example/%3Fx%3D1\n"
    assert link in text
    assert "Só falta um passo, {{7*7}} <b>" in text
    assert "{{7*7}} &lt;b&gt;" in html
    assert "30 minutos" in text
    assert html.count('href="https://portaria.example/activate?') == 2
    assert 'href="//' not in html
    assert sandbox.mails()[0]["Message-ID"] == result.message_id


def test_row_53_a_new_password_is_chosen_where_the_settings_say(
    sandbox: RunningSandbox, job: EagerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each language; a second run sends nothing."""
    monkeypatch.setenv("PORTARIA_LINK_BASE", "https://conta.example/pt/")
    mail = SendPasswordResetEmail(
        to="ana@example.com", name="Ana", token="a/b+c", user_id="17", locale="pt-AO"
    )

    first = send_password_reset_email(mail, job.context())
    second = send_password_reset_email(mail, job.context())

    text, _ = bodies(sandbox)
    assert "https://conta.example/pt/reset-password?token=a/b%2Bc&user=17\n" in text
    assert "palavra-passe" in text
    assert first == second


def test_an_alert_goes_to_each_once(sandbox: RunningSandbox, job: EagerJob) -> None:
    """One mail each, so that nobody sees the others; who is refused is reported."""
    alert = SendNotification(
        recipients=["ana@example.com", "refuse+550@a.example", "cut@a.example", "ana@EXAMPLE.com"],
        severity=SendNotification.SEVERITY_CRITICAL,
        title="ERP parado",
        text="Desde as 13:40.",
        facts=[SendNotification.Fact(name="Erro", value="{{7*7}}")],
        link_path="/incidentes/17?aba=log",
    )

    first = send_notification(alert, job.context())
    second = send_notification(alert, job.context())

    assert first == second
    assert (first.sent, list(first.maybe_sent)) == (1, ["cut@a.example"])
    [refused] = first.refused
    assert refused.address == "refuse+550@a.example"
    assert refused.reason.startswith("550 ")
    assert sandbox.delivered_to() == ["ana@example.com", "cut@a.example"]
    mail = sandbox.mails()[0]
    assert (mail["To"], mail["Subject"]) == ("ana@example.com", "[Crítico] ERP parado")
    assert mail["Importance"] == "high"
    part = mail.get_body(preferencelist=("plain",))
    assert part is not None
    assert "Erro: {{7*7}}" in part.get_content()
    assert "https://portaria.example/incidentes/17?aba=log" in part.get_content()


def test_who_is_busy_is_told_later_and_at_last_reported(
    sandbox: RunningSandbox, job: EagerJob
) -> None:
    """The others are not told again; waiting burns no attempt."""
    alert = SendNotification(recipients=["busy+450x9@a.example", "ana@example.com"], title="t")

    for delay in DEFERRALS:
        with pytest.raises(RetryLater) as later:
            send_notification(alert, job.context())
        assert later.value.delay == delay
    result = send_notification(alert, job.context())

    assert (result.sent, len(result.refused)) == (1, 1)
    assert sandbox.delivered_to() == ["ana@example.com"]


def test_an_alert_that_reaches_nobody_is_a_failure(sandbox: RunningSandbox, job: EagerJob) -> None:
    """Somebody should know."""
    alert = SendNotification(recipients=["refuse+550@a.example"], title="t")

    with pytest.raises(PermanentError) as caught:
        send_notification(alert, job.context())

    assert caught.value.reason == "RECIPIENT_REFUSED"
    assert "550" in str(caught.value)
