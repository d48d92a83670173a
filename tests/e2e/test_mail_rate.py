"""A mail server gets so many mails a second, however many workers there are."""

from __future__ import annotations

from datetime import datetime, timedelta

from portaria_workers.mail.pacing import BURST_SECONDS
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail
from stack import Stack

RATE = 10.0
RECIPIENTS = 15
BURST = RATE * BURST_SECONDS


def test_all_workers_together_keep_the_rate(stack: Stack) -> None:
    """Two workers, bulk mail and single ones: never more than the rate, and nearly all of it."""
    stack.door()
    for _ in range(2):
        stack.worker("mail", concurrency=2, PORTARIA_SMTP_RATE=str(RATE))
    jobs: list[SendBulkEmail | SendEmail] = []
    for number in range(2):
        mail = SendBulkEmail(template="newsletter", variables={"title": "Olá", "body": "Bom dia."})
        for each in range(RECIPIENTS):
            mail.recipients.add(address=f"p{each}.{number}@example.com")
        jobs.append(mail)
    jobs += [
        SendEmail(to=f"s{each}@example.com", template="welcome", variables={"name": "Ana"})
        for each in range(10)
    ]

    handles = [stack.client.submit(job) for job in jobs]
    for handle in handles:
        handle.result(timeout=timedelta(seconds=30))

    # The moment at which the sandbox kept each is in its file's name.
    moments = [
        datetime.strptime(f"{path.name[:22]}Z", "%Y%m%dT%H%M%S.%f%z").timestamp()
        for path in stack.smtp.files()
    ]
    seconds = moments[-1] - moments[0]
    assert len(moments) == 2 * RECIPIENTS + 10
    most = max(sum(each <= other < each + 1 for other in moments) for each in moments)
    assert most <= RATE + BURST + 1
    assert 0.9 * RATE <= (len(moments) - 1) / seconds <= RATE * 1.05 + BURST / seconds
