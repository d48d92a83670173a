"""A payload from JSON: all faults at once, with their paths, and no values."""

import json

import pytest

from portaria.cli.payload import message_from_json
from portaria.core.errors import InvalidRequest
from portaria.v1.job_pb2 import SubmitOptions
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail


def faults(kind, text) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        message_from_json(kind, text)
    return [(each.field, each.description) for each in caught.value.violations]


def test_a_good_payload_is_the_message():
    """Names as in the .proto or in camel case; null is as good as absent."""
    text = '{"to": "ana@example.com", "variables": {"a": "b"}, "locale": null}'

    message = message_from_json(SendEmail, text)

    assert message == SendEmail(to="ana@example.com", variables={"a": "b"})


def test_every_fault_is_told_with_its_path():
    """Unknown names and wrong kinds, at any depth, in one answer."""
    payload = {
        "temlate": "welcome",
        "subject": 3,
        "recipients": [{"address": ["x"]}, "y", {"adress": "z", "variables": {"a": {}}}],
    }

    assert faults(SendBulkEmail, json.dumps(payload)) == [
        ("spec.payload.temlate", 'no such field; did you mean "template"?'),
        ("spec.payload.subject", "expected text, got a number"),
        ("spec.payload.recipients[0].address", "expected text, got a list"),
        ("spec.payload.recipients[1]", "expected an object, got text"),
        ("spec.payload.recipients[2].adress", 'no such field; did you mean "address"?'),
        ('spec.payload.recipients[2].variables["a"]', "expected text, got an object"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("{\n", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        (
            "{\n{}\n",
            "not JSON: Expecting property name enclosed in double quotes at line 2, column 1",
        ),
        ('{"to": "a",}', "not JSON: "),
        ("[]", "expected an object, got a list"),
        ("null", "expected an object, got null"),
        ("7", "expected an object, got a number"),
        ("[" * 100_000, "not JSON: nested too deeply"),
    ],
    ids=lambda each: each[:12],
)
def test_what_is_no_object_is_told_as_the_payload_s_fault(text, words):
    """No exception of the JSON parser escapes."""
    [(field, description)] = faults(SendEmail, text)

    assert field == "spec.payload"
    assert description.startswith(words)


def test_a_name_that_is_given_twice_is_a_fault():
    """JSON parsers keep the last one silently; somebody meant the first."""
    assert faults(SendEmail, '{"to": "a", "to": "b"}') == [("spec.payload.to", "is given twice")]


def test_values_are_never_repeated():
    """A wrong value may be a secret in the wrong place."""
    told = faults(SendEmail, '{"variables": ["hunter2"], "to": {"hunter2": 1}, "locale": false}')

    assert "hunter2" not in str(told)
    assert [field for field, _ in told] == [
        "spec.payload.variables",
        "spec.payload.to",
        "spec.payload.locale",
    ]


def test_half_a_surrogate_pair_is_a_fault():
    """JSON can spell what UTF-8 cannot carry."""
    assert faults(SendEmail, '{"to": "\\ud800"}') == [
        ("spec.payload.to", "holds half a surrogate pair")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"priority": "PRIORITY_HIHG"}', 'did you mean "PRIORITY_HIGH"?'),
        ('{"delay": "soon"}', "is not a Duration in JSON"),
        ('{"run_time": 5}', "is not a Timestamp in JSON"),
        ('{"retry": {"max_attempts": -1}}', "expected a whole number of 32 bits, not negative"),
        ('{"retry": {"jitter": "much"}}', "expected a number, got text"),
    ],
)
def test_each_kind_of_field_says_what_it_wants(text, expected):
    """Enums, well-known types and numbers of every kind."""
    [(_, description)] = faults(SubmitOptions, text)

    assert expected in description
