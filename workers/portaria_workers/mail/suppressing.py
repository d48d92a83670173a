"""Who wants no mail any more, or cannot get it."""

from __future__ import annotations

from portaria.core.clock import SystemClock
from portaria.jobs import JobContext, PermanentError, job
from portaria.settings import load_settings
from portaria_workers.mail.addresses import address_digest, normalize_address
from portaria_workers.mail.suppression import allow, suppress
from portaria_workers.mail.unsubscribing import read_token
from portaria_workers.mail.v1.mail_pb2 import (
    AllowAddress,
    AllowAddressResult,
    SuppressAddress,
    SuppressAddressResult,
)

_CLOCK = SystemClock()


@job
def suppress_address(request: SuppressAddress, ctx: JobContext) -> SuppressAddressResult:
    """Puts an address on the suppression list; again, it changes nothing.

    Fails for good with EMAIL_FORMAT or TOKEN, and for now with DATABASE_UNAVAILABLE.
    """
    by_token = request.WhichOneof("target") == "token"
    if by_token:
        digest = read_token(request.token, load_settings(), ctx.namespace)
    else:
        digest = _digest(request.address)
    default = SuppressAddress.REASON_UNSUBSCRIBED if by_token else SuppressAddress.REASON_MANUAL
    reason = SuppressAddress.Reason.Name(request.reason or default).removeprefix("REASON_")
    added = suppress(digest, reason, namespace=ctx.namespace, now=_CLOCK.now())
    return SuppressAddressResult(added=added)


@job
def allow_address(request: AllowAddress, ctx: JobContext) -> AllowAddressResult:
    """Takes an address off the suppression list, whatever the reason was; fails as above."""
    return AllowAddressResult(removed=allow(_digest(request.address), namespace=ctx.namespace))


def _digest(address: str) -> str:
    try:
        return address_digest(normalize_address(address))
    except ValueError as error:
        raise PermanentError("EMAIL_FORMAT", f"address: {error}") from None
