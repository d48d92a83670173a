"""Violations in our words."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from portaria.admission.names import CORE, FACADE, below
from portaria.admission.rules import Rules, reason_of_rule
from portaria.v1.job_pb2 import RetryPolicy, SubmitOptions
from portaria.v1.jobs_service_pb2 import GetJobRequest, JobSelector, SubmitJobRequest
from portaria_workers.documents.v1.content_pb2 import Party
from portaria_workers.documents.v1.documents_pb2 import GenerateDocument, GenerateReport
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendBulkEmail,
    SendDocument,
    SendEmail,
    SendNotification,
)
from stack import papers

NEWS = {"title": "t", "body": "b"}


@pytest.fixture(scope="module")
def rules() -> Rules:
    """One validator: it keeps what it compiled."""
    return Rules()


def test_nothing_wrong_is_nothing(rules: Rules) -> None:
    """An empty list."""
    assert rules.check(SendEmail(to="a@b.cd", template="welcome", variables={"name": "Ana"})) == []


def test_paths_have_indexes_and_quoted_keys(rules: Rules) -> None:
    """As a programmer would write them."""
    recipients = [
        SendBulkEmail.Recipient(address="a@b.cd"),
        SendBulkEmail.Recipient(address="a@b.cd", variables={'a"b': "x"}),
    ]

    mail = SendBulkEmail(template="welcome", recipients=recipients, variables={"name": "Ana"})
    (_, violation) = rules.check(mail)

    assert violation.field == 'recipients[1].variables["a\\"b"]'
    assert violation.description.startswith("its key ")


def test_long_keys_are_cut(rules: Rules) -> None:
    """A path is no place for a megabyte."""
    mail = SendEmail(to="a@b.cd", template="welcome", variables={"K" * 5_000: "", "name": "Ana"})

    violations = rules.check(mail)

    assert {each.reason for each in violations} == {"UNKNOWN", "FORMAT"}
    assert all(len(each.field) < 100 for each in violations)


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
            SendEmail(to="a@b.cd", template="newsletter", locale="x", variables=NEWS),
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
        (
            SendNotification(
                recipients=["a@b.cd"] * 2, title="t", link_path="//x", facts=[{"name": "n"}] * 21
            ),
            {
                "recipients": "has duplicates",
                "facts": "has more than 20 items",
                "link_path": "is no path below the link base, e.g. incidents/17?tab=log",
            },
        ),
        (SendNotification(title="t"), {"recipients": "is empty"}),
        (
            SendActivationEmail(to="a@b.cd", name="x", code="ã", user_id="1"),
            {"code": "must be ASCII without blanks"},
        ),
        (
            SendDocument(to="a@b.cd", document_ids=["x"]),
            {"document_ids[0]": "is no id: expected 32 hex digits"},
        ),
        (
            SendBulkEmail.Recipient(
                address="a@b.cd", variables={f"k{number}": "" for number in range(65)}
            ),
            {"variables": "has more than 64 entries"},
        ),
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


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        (GenerateReport(kind="storage"), "user_id", "REQUIRED"),
        (SendBulkEmail(template="newsletter", variables=NEWS), "recipients", "REQUIRED"),
        (
            SendEmail(to="a@b.cd", template="newsletter", variables={"title": "t"}),
            'variables["body"]',
            "REQUIRED",
        ),
        (
            SendEmail(to="a@b.cd", template="newsletter", variables={**NEWS, "x": "hunter2"}),
            'variables["x"]',
            "UNKNOWN",
        ),
        # Of a message within another: "max_backoff" is no field of retry_policy, its own id.
        (
            SubmitOptions(retry={"initial_backoff": {"seconds": 9}, "max_backoff": {"seconds": 1}}),
            "retry",
            "MAX_BACKOFF",
        ),
    ],
)
def test_a_messages_own_rule_is_about_the_field_that_its_id_begins_with(
    message: Message, field: str, reason: str, rules: Rules
) -> None:
    """A key of a map as well; an id that begins with no field is about the message as a whole."""
    (violation,) = rules.check(message)

    assert (violation.field, violation.reason) == (field, reason)
    assert "hunter2" not in violation.description


@pytest.mark.parametrize("name", ["   ", "\u200b", "\u00a0\u2060", "\u3164", "\u0301", "\t\r\n"])
def test_a_party_has_a_name_that_is_seen(name: str, rules: Rules) -> None:
    """Nobody gets an invoice of nobody: neither blanks nor what shows nothing is a name."""
    invoice = papers.invoice(seller=Party(name="Zé"), buyer=Party(name="张伟"))
    seen = GenerateDocument(invoice=invoice)
    invoice.buyer.name = name

    (violation,) = rules.check(GenerateDocument(invoice=invoice))

    assert not rules.check(seen)
    assert (violation.field, violation.reason) == ("invoice.buyer.name", "FORMAT")


def test_callers_read_their_own_names(rules: Rules) -> None:
    """A façade has `job` and `options` where the core has a spec."""
    violations = rules.check(SendEmail(to="x", template="newsletter", variables=NEWS))

    inside = [below("spec.payload", each) for each in violations]

    assert [CORE.translate(each).field for each in inside] == ["spec.payload.to"]
    assert [FACADE.translate(each).field for each in inside] == ["job.to"]
