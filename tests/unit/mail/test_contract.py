"""What the door refuses of mails; the numbers are those of the table of bad inputs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from portaria.admission.rules import Rules
from portaria.v1 import job_type_pb2
from portaria_workers.documents.v1 import documents_pb2
from portaria_workers.mail.sources import FALLBACK
from portaria_workers.mail.template import load_template
from portaria_workers.mail.v1 import mail_pb2
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendBulkEmail,
    SendDocument,
    SendEmail,
    SendNotification,
    SuppressAddress,
)

RULES = Rules()
TEMPLATES = list(
    getattr(
        SendEmail.DESCRIPTOR.fields_by_name["template"]
        .GetOptions()
        .Extensions[validate_pb2.field]
        .string,
        "in",
    )
)
# Any name that any template asks for, and one that none does.
EVERY_NAME = ["body", "code", "message", "name", "nobody_asks", "subject", "title", "token",
              "user_id", "valid_for"]  # fmt: skip
DOCUMENT = "0" * 32


def found(message: object) -> dict[str, str]:
    """Reasons by field."""
    return {each.field: each.reason for each in RULES.check(message)}  # type: ignore[arg-type]


def email(template: str, names: set[str], **more: str) -> SendEmail:
    more = {"to": "ana@example.com", **more}
    return SendEmail(template=template, variables=dict.fromkeys(names, "x"), **more)


@pytest.mark.parametrize("subject", ["", "Olá"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_row_50_the_door_asks_for_what_the_templates_ask_for(template: str, subject: str) -> None:
    """The rules of the contract are written by hand: in every language they equal the files."""
    for locale in FALLBACK:
        of_files = load_template(template, locale)
        required = of_files.required(own_subject=not subject)
        known = of_files.required() | of_files.optional()
        assert known <= set(EVERY_NAME)

        assert found(email(template, required, subject=subject)) == {}
        assert found(email(template, known, subject=subject)) == {}
        assert found(email(template, set(), subject=subject)) == {
            f'variables["{name}"]': "REQUIRED" for name in required
        }
        for name in set(EVERY_NAME) - known:
            wrong = found(email(template, {*required, name}, subject=subject))
            assert wrong == {f'variables["{name}"]': "UNKNOWN"}


@pytest.mark.parametrize("template", TEMPLATES)
def test_row_50_for_bulk_mail_a_variable_may_be_shared_or_each_ones_own(template: str) -> None:
    """What one recipient lacks is missing; what one has too much is unknown."""
    required = load_template(template).required()
    values = dict.fromkeys(required, "x")
    people = [{"address": "ana@example.com"}, {"address": "rui@example.com"}]
    each = [{**person, "variables": values} for person in people]

    def bulk(*, shared: object = None, recipients: object = None, **more: str) -> dict[str, str]:
        mail = SendBulkEmail(template=template, variables=shared, recipients=recipients, **more)  # type: ignore[arg-type]
        return found(mail)

    missing = {f'variables["{name}"]': "REQUIRED" for name in required}
    assert bulk(shared=values, recipients=people) == {}
    assert bulk(recipients=each) == {}
    assert bulk(recipients=[each[0], people[1]]) == missing
    assert bulk(shared={**values, "x": ""}, recipients=people) == {'variables["x"]': "UNKNOWN"}
    assert bulk(recipients=[{**each[0], "variables": {**values, "x": ""}}]) == {
        "recipients": "UNKNOWN"
    }
    # The columns of a stored list are looked at by the job.
    assert bulk(recipients_document=DOCUMENT) == {}


@pytest.mark.parametrize(
    "address",
    ["a@b\r\nBcc:x", "a@b, c@d", "a@", "a" * 243 + "@example.com", "аna@example.com",
     "a@exаmple.com", "a b@example.com", "<a@example.com>", "a@example.com\x00",
     ".a@example.com", "a.@example.com", "a..b@example.com"],
)  # fmt: skip
def test_row_46_every_address_is_one_address(address: str) -> None:
    """In every mail; letters of other alphabets that look alike are none of ours."""
    assert found(email("welcome", {"name"}, to=address)).keys() == {"to"}
    assert "to" in found(SendActivationEmail(to=address, name="a", code="1", user_id="1"))
    assert "to" in found(SendDocument(to=address, document_ids=[DOCUMENT]))
    assert "address" in found(SendBulkEmail.Recipient(address=address))
    assert "recipients[0]" in found(SendNotification(recipients=[address], title="t"))
    assert "address" in found(SuppressAddress(address=address))
    violations = RULES.check(email("welcome", {"name"}, to=address))
    assert [each.description for each in violations if each.reason == "EMAIL_FORMAT"] in (
        [], ["is not one e-mail address"],
    )  # fmt: skip


def test_row_46_a_domain_may_be_in_punycode() -> None:
    """That is how other letters are written in addresses."""
    assert found(SendNotification(recipients=["ana@xn--exmple-cua.com"], title="t")) == {}


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x00", "\x7f"])
def test_row_46_subjects_are_one_line(break_: str) -> None:
    """All that becomes one."""
    text = f"Olá{break_}Bcc: eve@example.com"

    assert found(email("welcome", {"name"}, subject=text)) == {"subject": "FORMAT"}
    assert found(SendNotification(recipients=["a@b.cd"], title=text)) == {"title": "FORMAT"}
    mail = SendDocument(to="a@b.cd", document_ids=[DOCUMENT], subject=text)
    assert found(mail) == {"subject": "FORMAT"}


def test_row_48_recipients_are_counted() -> None:
    """None, too many, and both ways at once."""
    person = {"address": "ana@example.com"}

    def bulk(count: int, document: str = "") -> dict[str, str]:
        return found(
            SendBulkEmail(
                template="welcome",
                variables={"name": "x"},
                recipients=[person] * count,  # type: ignore[list-item]
                recipients_document=document,
            )
        )

    assert bulk(0) == {"recipients": "REQUIRED"}
    assert bulk(1000) == {}
    assert bulk(1001) == {"recipients": "TOO_MANY"}
    assert bulk(1, DOCUMENT) == {"recipients_document": "EXCLUSIVE"}
    many = [f"a{number}@b.cd" for number in range(51)]
    assert found(SendNotification(recipients=many, title="t")) == {"recipients": "TOO_MANY"}
    assert found(SendNotification(recipients=["a@b.cd"] * 2, title="t")) == {
        "recipients": "DUPLICATE"
    }


@pytest.mark.parametrize("template", ["../../etc/passwd", "unknown", "_layout", "alert"])
def test_row_49_a_template_is_one_of_the_list(template: str) -> None:
    """Never a path."""
    assert found(email(template, set())) == {"template": "UNKNOWN"}


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "a//b",
     "..", "../x", "a/../b", "a/./b", "/", "a\\b", "%2e%2e/x", "a%2fb", "a%5cb", "a%00", "a b",
     "a\r\nb", "a\n", "é", "user@evil.example/x", "evil.example:80/x", "a?u=//evil.example",
     "%c0%ae", "?x", "x" * 501],
)  # fmt: skip
def test_rows_53_and_59_a_link_path_stays_below_the_base(path: str) -> None:
    """No scheme, no host, no way up."""
    alert = SendNotification(recipients=["a@b.cd"], title="t", link_path=path)

    assert found(alert).keys() == {"link_path"}
    assert all("[" not in each.description for each in RULES.check(alert))


@pytest.mark.parametrize(
    "path", ["", "a", "/a", "a/b/", "a.b/c-d_e~f", "a/b?tab=log&x=1%202+3", "a#b", "a..b"]
)
def test_rows_53_and_59_a_link_path_below_the_base_is_taken(path: str) -> None:
    """With or without the slash before it."""
    assert found(SendNotification(recipients=["a@b.cd"], title="t", link_path=path)) == {}


@pytest.mark.parametrize("reason", SuppressAddress.Reason.values())
def test_a_token_only_unsubscribes(reason: SuppressAddress.Reason.ValueType) -> None:
    """Everybody who got a mail has one: it must not keep the mails of an account away."""
    allowed = {SuppressAddress.REASON_UNSPECIFIED, SuppressAddress.REASON_UNSUBSCRIBED}

    by_token = found(SuppressAddress(token="x", reason=reason))

    assert by_token == ({} if reason in allowed else {"reason": "EXCLUSIVE"})
    assert found(SuppressAddress(address="ana@example.com", reason=reason)) == {}


def _fields(kind: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    if kind.full_name in seen:
        return
    seen.add(kind.full_name)
    for field in kind.fields:
        yield field
        if field.message_type is not None:
            yield from _fields(field.message_type, seen)


def test_row_59_no_payload_takes_a_url() -> None:
    """Nothing that a caller says can make a worker call somewhere, or a mail link elsewhere."""
    looked_at = 0
    for file in (mail_pb2.DESCRIPTOR, documents_pb2.DESCRIPTOR):
        for kind in file.message_types_by_name.values():
            if not kind.GetOptions().HasExtension(job_type_pb2.job_type):
                continue
            for field in _fields(kind, set()):
                looked_at += 1
                rules = field.GetOptions().Extensions[validate_pb2.field].string
                assert rules.WhichOneof("well_known") not in {"uri", "uri_ref", "hostname"}
                words = set(field.name.split("_"))
                assert not words & {"url", "uri", "href", "logo", "image", "host", "endpoint"}
    assert looked_at > 60


def test_codes_tokens_and_bodies_are_marked_sensitive() -> None:
    """They are shown nowhere but in the mail."""
    sensitive = {
        f"{kind.name}.{field.name}"
        for kind in mail_pb2.DESCRIPTOR.message_types_by_name.values()
        for field in kind.fields
        if field.GetOptions().Extensions[job_type_pb2.sensitive]
    }

    assert sensitive == {
        "SendEmail.variables", "SendBulkEmail.variables", "SendActivationEmail.code",
        "SendPasswordResetEmail.token", "SendNotification.text", "SendNotification.facts",
        "SendDocument.message", "SuppressAddress.token",
    }  # fmt: skip
