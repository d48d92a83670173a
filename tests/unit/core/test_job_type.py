"""Job types: what the option says, what it may not say, and how people name them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration

from portaria.core.errors import ConfigurationError
from portaria.core.job_type import JobTypes, is_job_type, job_type_from
from portaria.core.retry import RetryPolicy
from portaria.v1 import job_pb2, job_type_pb2
from portaria.v1.job_type_pb2 import JobTypeOptions, Limit
from unit.core.descriptors import IDEMPOTENT, file, job_type, message

AT_MOST_ONCE = job_type_pb2.EFFECT_AT_MOST_ONCE


def stock(**given: object) -> JobTypeOptions:
    """Options with which nothing is wrong, and `given`."""
    return JobTypeOptions(**{"domain": "stock", "effect": IDEMPOTENT, **given})  # type: ignore[arg-type]


def test_defaults_are_filled_in() -> None:
    """Domain and effect are all that a type must say."""
    found = job_type_from(job_type(stock()))

    assert (found.name, found.short_name, found.bare_name) == (
        "acme.stock.v1.Count", "stock.Count", "Count",
    )  # fmt: skip
    assert (found.domain, found.priority, found.result_type) == ("stock", "default", "")
    assert (found.timeout, found.result_ttl) == (timedelta(minutes=30), timedelta(hours=24))
    assert (found.max_payload_bytes, found.at_most_once) == (256 * 1024, False)
    assert found.retry == RetryPolicy()


def test_what_the_option_says_is_taken() -> None:
    """Every field."""
    options = stock(
        default_priority=job_pb2.PRIORITY_CRITICAL,
        default_retry=job_pb2.RetryPolicy(max_attempts=7),
        timeout=Duration(seconds=5),
        result_ttl=Duration(seconds=60),
        result_type="acme.stock.v1.CountResult",
        description="Counts.",
        max_payload_bytes=4 * 1024 * 1024,
    )

    found = job_type_from(job_type(options))

    assert (found.priority, found.retry.max_attempts) == ("critical", 7)
    assert (found.timeout, found.result_ttl) == (timedelta(seconds=5), timedelta(minutes=1))
    assert found.result_type == "acme.stock.v1.CountResult"
    assert (found.description, found.max_payload_bytes) == ("Counts.", 4 * 1024 * 1024)


def test_at_most_once_has_one_attempt() -> None:
    """Whatever the default policy would be."""
    found = job_type_from(job_type(stock(effect=AT_MOST_ONCE)))

    assert (found.at_most_once, found.retry.max_attempts) == (True, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (JobTypeOptions(effect=IDEMPOTENT), "domain is required"),
        (stock(domain="Mail"), "domain is required: lower case"),
        (stock(domain="a:b"), "domain is required"),
        (stock(domain="a-b"), "domain is required"),
        (stock(domain="mail\n"), "domain is required"),
        (stock(domain="m" * 64), "domain is required"),
        (JobTypeOptions(domain="stock"), "effect is required"),
        (stock(effect=77), "effect is required"),
        (stock(limits=[Limit(max_running=1)]), "limits are not implemented"),
        (stock(max_payload_bytes=4 * 1024 * 1024 + 1), "max_payload_bytes is at most 4194304"),
        (
            stock(effect=AT_MOST_ONCE, default_retry=job_pb2.RetryPolicy(max_attempts=2)),
            "AT_MOST_ONCE excludes retries",
        ),
        (stock(result_type="acme.stock.v1.Nothing"), "acme.stock.v1.Nothing does not exist"),
        (stock(default_priority=9), "default_priority is no priority"),
        (stock(timeout=Duration()), "timeout is 1 s to 24 h"),
        (stock(timeout=Duration(seconds=86_401)), "timeout is 1 s to 24 h"),
        (stock(result_ttl=Duration(seconds=-1)), "result_ttl is 1 min to 366 days"),
        (stock(default_retry=job_pb2.RetryPolicy(max_attempts=0)), "max_attempts is 1 to 100"),
        (stock(default_retry=job_pb2.RetryPolicy(jitter=2)), "jitter is 0 to 1"),
        (stock(default_retry=job_pb2.RetryPolicy(jitter=float("nan"))), "jitter is 0 to 1"),
        (stock(default_retry=job_pb2.RetryPolicy(backoff_multiplier=0)), "is 1 to 100"),
        (
            stock(default_retry=job_pb2.RetryPolicy(fixed_backoffs=[Duration(seconds=-1)])),
            "a wait is 0 to 7 days",
        ),
    ],
)
def test_each_fault_of_an_option_is_said(options: JobTypeOptions, words: str) -> None:
    """With the type's full name."""
    with pytest.raises(ConfigurationError) as refusal:
        job_type_from(job_type(options))

    assert words in refusal.value.message
    assert refusal.value.message.startswith("job type acme.stock.v1.Count: ")


def test_all_faults_are_said_together() -> None:
    """One start, one list."""
    with pytest.raises(ConfigurationError) as refusal:
        job_type_from(job_type(JobTypeOptions(limits=[Limit()], result_type="no.Such")))

    for words in ("domain is", "effect is", "limits are", "no.Such does not exist"):
        assert words in refusal.value.message


def test_a_plain_message_is_no_job_type() -> None:
    """Only the option makes one."""
    found = file([message("Plain"), message("Count", stock())]).message_types_by_name

    assert not is_job_type(found["Plain"])
    assert is_job_type(found["Count"])


@pytest.fixture
def types() -> JobTypes:
    """SendEmail in two versions of mail and in sms; Count in stock."""
    known = JobTypes()
    for package, domain, name in [
        ("acme.mail.v1", "mail", "SendEmail"),
        ("acme.sms.v1", "sms", "SendText"),
        ("other.sms.v1", "voice", "SendText"),
        ("acme.stock.v1", "stock", "Count"),
    ]:
        known.add(job_type_from(_descriptor(package, domain, name)))
    return known


@pytest.mark.parametrize("name", ["acme.mail.v1.SendEmail", "mail.SendEmail", "SendEmail"])
def test_a_type_is_found_by_full_short_and_bare_name(types: JobTypes, name: str) -> None:
    """As people say it where it is clear."""
    assert types.find(name).name == "acme.mail.v1.SendEmail"


def test_a_short_name_is_clear_where_a_bare_one_is_not(types: JobTypes) -> None:
    """The domain tells them apart."""
    assert types.find("voice.SendText").name == "other.sms.v1.SendText"


def test_an_ambiguous_name_lists_all_that_fit(types: JobTypes) -> None:
    """By their full names, which can be used instead."""
    with pytest.raises(LookupError) as refusal:
        types.find("SendText")

    assert str(refusal.value) == (
        '"SendText" may be any of acme.sms.v1.SendText, other.sms.v1.SendText'
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [("SendEmial", "SendEmail"), ("mail.SendMail", "mail.SendEmail"), ("Cuont", "Count")],
)
def test_a_near_miss_is_put_right(types: JobTypes, name: str, near: str) -> None:
    """And all known types are named."""
    with pytest.raises(LookupError) as refusal:
        types.find(name)

    assert f'no job type "{name}"; did you mean "{near}"?' in str(refusal.value)
    assert "(known: mail.SendEmail, sms.SendText, stock.Count, voice.SendText)" in str(
        refusal.value
    )


def test_far_off_names_get_no_guess() -> None:
    """Also where nothing is known at all."""
    with pytest.raises(LookupError) as refusal:
        JobTypes().find("Anything")

    assert str(refusal.value) == 'no job type "Anything" (known: none)'


def test_the_same_type_may_be_added_twice(types: JobTypes) -> None:
    """Two packages may import the same module."""
    types.add(job_type_from(_descriptor("acme.stock.v1", "stock", "Count")))

    assert len(types) == 4
    assert types.names() == sorted(types.names())
    assert types.domains() == ["mail", "sms", "stock", "voice"]
    assert types.get("acme.stock.v1.Count") is not None
    assert types.get("Count") is None


def _descriptor(package: str, domain: str, name: str) -> Descriptor:
    options = JobTypeOptions(domain=domain, effect=IDEMPOTENT)
    found = file([message(name, options)], package, f"{package.replace('.', '/')}/x.proto")
    return found.message_types_by_name[name]
