"""One POST to an endpoint: what its answer, or the lack of one, means for the job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from portaria.jobs import JobError, OutcomeUnknown, PermanentError, RetryLater
from portaria_workers.maintenance.endpoints import Endpoint

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 15.0
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=1)
"""Between which a Retry-After is followed."""

_ASKS_TO_WAIT = (429, 503)
_TEMPORARY = (408, 425, 429)


def post(endpoint: Endpoint, message_id: str, body: bytes) -> int:
    """Posts a body; answers the status, which is 2xx. Nothing but the head of the answer is read.

    Raises PermanentError WEBHOOK_REFUSED for any other answer but 408, 425, 429 and 5xx, which are
    WEBHOOK_TEMPORARY, or RetryLater where they ask to wait. WEBHOOK_UNREACHABLE where nothing was
    sent, OutcomeUnknown where it was and no answer came.
    """
    now = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "portaria",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": endpoint.sign(message_id, now, body),
    }
    try:
        status, answer = _send(endpoint.url, headers, body)
    except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
        why = f"{endpoint.name}: {_words(error)}"
        raise JobError("WEBHOOK_UNREACHABLE", why) from None
    except HTTPError as error:
        raise OutcomeUnknown(f"{endpoint.name}: no answer: {_words(error)}") from None
    if 200 <= status < 300:
        return status
    why = f"{endpoint.name} answered {status}"
    if status in _ASKS_TO_WAIT and (wait := _wait(answer.get("Retry-After", ""))):
        raise RetryLater(wait, why)
    if status in _TEMPORARY or status >= 500:
        raise JobError("WEBHOOK_TEMPORARY", why)
    raise PermanentError("WEBHOOK_REFUSED", why)


def _send(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
    """Status and headers. No redirect is followed: it would lead where the settings do not."""
    timeout = Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    with PoolManager(num_pools=1, retries=False, timeout=timeout) as pool:
        response: BaseHTTPResponse = pool.request(
            "POST", url, body=body, headers=headers, redirect=False, preload_content=False
        )
        try:
            return response.status, response.headers
        finally:
            response.close()


def _wait(given: str) -> timedelta | None:
    """What a Retry-After asks for, in seconds or as a date; None where it asks for nothing."""
    try:
        if given.isascii() and given.isdigit():
            asked = timedelta(seconds=min(int(given[:9]), 10**8))
        else:
            asked = parsedate_to_datetime(given).astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(asked, SHORTEST_WAIT), LONGEST_WAIT)


def _words(error: HTTPError) -> str:
    """Without the address, which may hold a token."""
    return type(error).__name__
