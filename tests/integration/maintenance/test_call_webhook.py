"""CallWebhook against a real receiver: what it sends, and what each answer means."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from google.protobuf.struct_pb2 import Struct

from integration.maintenance.conftest import SECRET
from integration.maintenance.receiver import RESET, SILENT, Received, Receiver
from portaria.core.states import State
from portaria.jobs import JobError, PermanentError, RetryLater
from portaria.jobs.eager import EagerJob, ended_parent, run_eagerly
from portaria.v1.job_pb2 import Failure
from portaria_workers.maintenance import webhook
from portaria_workers.maintenance.handlers import MOST_WAITS, call_webhook
from portaria_workers.maintenance.v1.maintenance_pb2 import CallWebhook


@pytest.fixture(autouse=True)
def _settings(webhooks: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in webhooks.items():
        monkeypatch.setenv(name, value)


def signed_by_openssl(received: Received) -> str:
    """The signature that its headers and body should have, by another program than ours."""
    head = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}."
    key = base64.b64decode(SECRET.removeprefix("whsec_")).hex()
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"],
        input=head.encode() + received.body, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return f"v1,{base64.b64encode(done.stdout).decode()}"


def body(**fields: object) -> Struct:
    """What callers hand in."""
    made = Struct()
    made.update(fields)
    return made


def test_a_message_is_posted_and_signed(receiver: Receiver) -> None:
    """As Standard Webhooks has it; the path and query are those of the settings."""
    call = CallWebhook(
        event="order.shipped", body=body(order=7, to="João", lines=[1.5, None, True])
    )

    result = run_eagerly(call_webhook, call).result

    (received,) = receiver.received
    assert result.status == 204
    assert received.path == "/hooks?token=canary"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-signature"] == signed_by_openssl(received)
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 10
    data = json.loads(received.body)["data"]
    assert data == {"order": 7, "to": "João", "lines": [1.5, None, True]}
    assert b'"order":7,' in received.body.replace(b"}", b",")
    assert json.loads(received.body)["type"] == "order.shipped"


def test_an_endpoint_with_two_secrets_gets_two_signatures(receiver: Receiver) -> None:
    """Either is good."""
    run_eagerly(call_webhook, CallWebhook(endpoint="billing"))

    (received,) = receiver.received
    signatures = received.headers["webhook-signature"].split(" ")
    assert len(set(signatures)) == 2
    assert hmac.compare_digest(signatures[0], signed_by_openssl(received))


def test_a_hook_says_what_became_of_its_job(receiver: Receiver) -> None:
    """State and reason, and no text of the failure: that may hold anything."""
    failure = Failure(kind=Failure.KIND_PERMANENT, reason="NO_SUCH_CUSTOMER", message="canary")
    for parent in (
        ended_parent(failure, job_id="j1", state=State.FAILED),
        ended_parent(job_id="j2", state=State.SUCCEEDED),
        ended_parent(workflow_id="w1", state=State.SUCCEEDED),
    ):
        run_eagerly(call_webhook, CallWebhook(), parent=parent)

    assert [json.loads(each.body) for each in receiver.received] == [
        {
            "type": "job.failed",
            "data": {
                "job_id": "j1",
                "state": "FAILED",
                "failure": {"kind": "PERMANENT", "reason": "NO_SUCH_CUSTOMER"},
            },
        },
        {"type": "job.succeeded", "data": {"job_id": "j2", "state": "SUCCEEDED"}},
        {"type": "workflow.succeeded", "data": {"workflow_id": "w1", "state": "SUCCEEDED"}},
    ]
    assert b"canary" not in receiver.received[0].body


def test_a_body_that_json_cannot_have_is_refused(receiver: Receiver) -> None:
    """Before anything is sent."""
    with pytest.raises(PermanentError) as raised:
        run_eagerly(call_webhook, CallWebhook(body=body(price=float("nan"))))

    assert (raised.value.reason, receiver.received) == ("WEBHOOK_BODY", [])


def test_a_message_without_anything_is_one(receiver: Receiver) -> None:
    """To try an endpoint."""
    run_eagerly(call_webhook, CallWebhook())

    assert json.loads(receiver.received[0].body) == {"type": "message", "data": {}}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_temporary_answer_fails_the_attempt(receiver: Receiver, status: int) -> None:
    """The next one has the same id, and a signature of its own moment."""
    job = EagerJob()
    receiver.answer(status)

    with pytest.raises(JobError) as raised:
        run_eagerly(call_webhook, CallWebhook(), job=job)
    run_eagerly(call_webhook, CallWebhook(), job=job)

    assert (type(raised.value), raised.value.reason) == (JobError, "WEBHOOK_TEMPORARY")
    assert str(raised.value) == f"default answered {status}"
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["webhook-signature"] == signed_by_openssl(second)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 301, 302, 307, 308])
def test_any_other_answer_is_a_refusal(receiver: Receiver, status: int) -> None:
    """For good; a redirect is not followed, wherever it leads."""
    receiver.answer(status, Location=receiver.url)

    with pytest.raises(PermanentError) as raised:
        run_eagerly(call_webhook, CallWebhook())

    assert raised.value.reason == "WEBHOOK_REFUSED"
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("7", 7), ("0", 1), ("999999999999", 3600), ("date", 120), ("yesterday", 1)],
)
def test_who_asks_to_wait_is_waited_for(
    receiver: Receiver, status: int, asked: str, seconds: int
) -> None:
    """In seconds or until a date, 1 s to 1 h; no attempt is burnt."""
    moments = {"date": timedelta(seconds=120), "yesterday": timedelta(days=-1)}
    if asked in moments:
        asked = format_datetime(datetime.now(UTC) + moments[asked], usegmt=True)
    receiver.answer(status, Retry_After=asked)

    with pytest.raises(RetryLater) as raised:
        run_eagerly(call_webhook, CallWebhook())

    assert seconds - 3 <= raised.value.delay.total_seconds() <= seconds


@pytest.mark.parametrize("asked", ["soon", "-5", "1.5", "²", ""])
def test_a_wait_that_is_none_is_not_one(receiver: Receiver, asked: str) -> None:
    """The policy says when then."""
    receiver.answer(503, Retry_After=asked.encode().decode("latin-1"))

    with pytest.raises(JobError) as raised:
        run_eagerly(call_webhook, CallWebhook())

    assert raised.value.reason == "WEBHOOK_TEMPORARY"


def test_nobody_waits_for_ever(receiver: Receiver) -> None:
    """From the thirtieth start on, being put off is a failure."""
    job = EagerJob(attempts=MOST_WAITS - 2)
    for _ in range(2):
        receiver.answer(429, Retry_After="1")

    with pytest.raises(RetryLater):
        run_eagerly(call_webhook, CallWebhook(), job=job)
    with pytest.raises(JobError) as raised:
        run_eagerly(call_webhook, CallWebhook(), job=job)

    assert (type(raised.value), raised.value.reason) == (JobError, "WEBHOOK_TEMPORARY")


@pytest.mark.parametrize("fault", [SILENT, RESET])
def test_no_answer_is_a_doubt(
    receiver: Receiver, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been taken: the next attempt repeats it under the same id."""
    monkeypatch.setattr(webhook, "READ_TIMEOUT", 0.2)
    receiver.answer(fault)
    job = EagerJob()

    with pytest.raises(JobError) as raised:
        run_eagerly(call_webhook, CallWebhook(), job=job)
    run_eagerly(call_webhook, CallWebhook(), job=job)

    assert raised.value.reason == "EFFECT_IN_DOUBT"
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert len(receiver.received) == 2
    assert "canary" not in str(raised.value)


def test_a_receiver_that_is_not_there_got_nothing(
    webhooks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at that port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/?token=canary"
        monkeypatch.setenv("PORTARIA_WEBHOOKS", f"default={url}")

        with pytest.raises(JobError) as raised:
            run_eagerly(call_webhook, CallWebhook())

    assert raised.value.reason == "WEBHOOK_UNREACHABLE"
    assert "canary" not in str(raised.value)


def test_what_the_receiver_says_is_not_read(receiver: Receiver) -> None:
    """Nor waited for: this body never ends."""
    receiver.answer(200, endless=True)

    assert run_eagerly(call_webhook, CallWebhook()).result.status == 200


def test_what_was_taken_is_not_posted_again(receiver: Receiver) -> None:
    """The ledger knows, whatever made the job run once more."""
    job = EagerJob()

    first = run_eagerly(call_webhook, CallWebhook(), job=job)
    second = run_eagerly(call_webhook, CallWebhook(), job=job)

    assert len(receiver.received) == 1
    assert first.result == second.result


def test_a_payload_names_no_place(receiver: Receiver) -> None:
    """Only what the settings name is called."""
    for name in ("other", "xdefault"):
        with pytest.raises(PermanentError) as raised:
            run_eagerly(call_webhook, CallWebhook(endpoint=name))
        assert raised.value.reason == "WEBHOOK_UNKNOWN"
    assert receiver.received == []


def test_a_receiver_proves_who_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By a certificate of an authority that this machine trusts; else it is sent nothing."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    receiver = Receiver(tls)
    try:
        monkeypatch.setenv("PORTARIA_WEBHOOKS", f"default={receiver.url}")

        with pytest.raises(JobError) as raised:
            run_eagerly(call_webhook, CallWebhook())
        assert (raised.value.reason, receiver.received) == ("WEBHOOK_UNREACHABLE", [])

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert run_eagerly(call_webhook, CallWebhook()).result.status == 204
    finally:
        receiver.close()
