"""A mail server that takes its time is the worker's affair, not the caller's."""

from __future__ import annotations

import time

from portaria.v1.job_pb2 import JOB_STATE_PENDING, JOB_STATE_RUNNING
from portaria_workers.mail.v1.mail_pb2 import SendActivationEmail
from stack import Stack
from stack.eventually import eventually

SERVER_SECONDS = 5.0
MAILS = 20


def test_a_submit_does_not_wait_for_the_mail_server(stack: Stack) -> None:
    """All are acknowledged, and one of them runs, before the server has taken the first."""
    stack.sandbox("--delay", str(SERVER_SECONDS))
    stack.door()
    stack.worker("mail")
    mails = [
        SendActivationEmail(to=f"ana.{number}@example.com", name="Ana", code="4711", user_id="7")
        for number in range(MAILS)
    ]
    first = stack.client.submit(mails[0])
    eventually(lambda: first.get().state == JOB_STATE_RUNNING)
    running_since = time.monotonic()

    handles = [stack.client.submit(mail) for mail in mails[1:]]
    took = time.monotonic() - running_since

    states = [handle.get().state for handle in [first, *handles]]
    assert states == [JOB_STATE_RUNNING, *[JOB_STATE_PENDING] * (MAILS - 1)]
    assert took < SERVER_SECONDS / 2
