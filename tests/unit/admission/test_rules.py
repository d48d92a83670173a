"""Violations in our words."""

from __future__ import annotations

import pytest

from portaria.admission.names import CORE, FACADE, below
from portaria.admission.rules import Rules, reason_of_rule
from portaria.v1.job_pb2 import RetryPolicy
from portaria.v1.jobs_service_pb2 import GetJobRequest, JobSelector, SubmitJobRequest
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail


@pytest.fixture(scope="module")
def rules() -> Rules:
    """One validator: it keeps what it compiled."""
    return Rules()


def test_nothing_wrong_is_nothing(rules: Rules) -> None:
    """An empty list."""
    assert rules.check(SendEmail(to="a@b.cd", template="welcome")) == []


def test_paths_have_indexes_and_quoted_keys(rules: Rules) -> None:
    """As a programmer would write them."""
    recipients = [
        SendBulkEmail.Recipient(address="a@b.cd"),
        SendBulkEmail.Recipient(address="a@b.cd", variables={'a"b': "x"}),
    ]

    (violation,) = rules.check(SendBulkEmail(template="welcome", recipients=recipients))

    assert violation.field == 'recipients[1].variables["a\\"b"]'
    assert violation.description.startswith("its key ")


def test_long_keys_are_cut(rules: Rules) -> None:
    """A path is no place for a megabyte."""
    mail = SendEmail(to="a@b.cd", template="welcome", variables={"K" * 5_000: ""})

    (violation,) = rules.check(mail)

    assert len(violation.field) < 100


@pytest.mark.parametrize(
    ("rule_id", "reason"),
    [
        ("required", "REQUIRED"),
        ("string.email", "EMAIL_FORMAT"),
        ("string.in", "UNKNOWN"),
        ("string.max_len", "TOO_LONG"),
        ("string.max_bytes", "TOO_LONG"),
        ("string.uuid", "FORMAT"),
        ("string.pattern", "FORMAT"),
        ("string.hostname", "FORMAT"),
        ("int32.gte_lte", "OUT_OF_RANGE"),
        ("double.finite", "NOT_FINITE"),
        ("duration.lte", "OUT_OF_RANGE"),
        ("timestamp.lt_now", "OUT_OF_RANGE"),
        ("run_time.horizon", "OUT_OF_RANGE"),
        ("repeated.max_items", "TOO_MANY"),
        ("repeated.unique", "DUPLICATE"),
        ("map.min_pairs", "TOO_FEW"),
        ("enum.defined_only", "UNKNOWN"),
        ("bool.const", "OUT_OF_RANGE"),
        ("invoice.due_after_issue", "DUE_AFTER_ISSUE"),
    ],
)
def test_rules_become_reasons(rule_id: str, reason: str) -> None:
    """Those of protovalidate by a table, those of a domain by their own name."""
    assert reason_of_rule(rule_id) == reason


@pytest.mark.parametrize(
    ("message", "descriptions"),
    [
        (SubmitJobRequest(spec={"payload": {}}), {"request_id": "is required"}),
        (GetJobRequest(job_id="x"), {"job_id": "is not a UUID"}),
        (
            SendEmail(to="a@b.cd", template="x"),
            {"template": "is not one of activation, message, newsletter, password_reset, welcome"},
        ),
        (
            SendEmail(to="a@b.cd", template="welcome", locale="x"),
            {"locale": "is not one of pt-BR, pt-AO, en"},
        ),
        (
            RetryPolicy(max_attempts=0, jitter=2),
            {
                "max_attempts": "must be at least 1 and at most 100",
                "jitter": "must be at least 0 and at most 1",
            },
        ),
        (JobSelector(queues=["mail"]), None),
    ],
)
def test_descriptions_are_for_people(
    message: object, descriptions: dict[str, str] | None, rules: Rules
) -> None:
    """Lower case, no full stop, what would have been right."""
    found = {each.field: each.description for each in rules.check(message)}  # type: ignore[arg-type]

    if descriptions is not None:
        assert found == descriptions
    assert all(text[0].islower() and not text.endswith(".") for text in found.values())


def test_callers_read_their_own_names(rules: Rules) -> None:
    """A façade has `job` and `options` where the core has a spec."""
    violations = rules.check(SendEmail(to="x", template="welcome"))

    inside = [below("spec.payload", each) for each in violations]

    assert [CORE.translate(each).field for each in inside] == ["spec.payload.to"]
    assert [FACADE.translate(each).field for each in inside] == ["job.to"]
