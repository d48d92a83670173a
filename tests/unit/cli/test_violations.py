"""An invalid request in a person's words."""

from portaria.cli.violations import label, table, words
from portaria.core.errors import Violation
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail


def violation(field, description) -> Violation:
    return Violation(f"spec.payload.{field}", "ANY", description)


def test_the_answer_reads_as_designed():
    """Field, own value, nearest right value: in two columns."""
    mail = SendEmail(to="ana@", template="wellcome")
    wrong = [
        violation("to", "is not one e-mail address"),
        violation("template", "is not one of activation, message, newsletter, welcome"),
    ]

    assert table(wrong, mail) == (
        '  to         "ana@" is not one e-mail address\n'
        '  template   no template "wellcome"; did you mean "welcome"?'
    )


def test_without_a_near_one_all_right_values_are_named():
    """Nothing like it: the whole list, which the .proto has."""
    mail = SendEmail(template="zzz")

    said = words(violation("template", "is not one of …"), mail)

    assert said == (
        'no template "zzz" (there are activation, message, newsletter, password_reset, welcome)'
    )


def test_sensitive_values_stay_hidden():
    """Marked in the .proto, at any depth."""
    bulk = SendBulkEmail()
    bulk.recipients.add(address="a@b.example", variables={"code": "hunter2"})
    at = 'recipients[0].variables["code"]'

    assert words(violation(at, "is too long"), bulk) == "is too long"


def test_an_empty_value_is_not_quoted():
    """'"" is required' helps nobody."""
    assert words(violation("to", "is required"), SendEmail()) == "is required"


def test_values_are_escaped_and_cut():
    """A line break cannot forge a line, and a novel does not fill the screen."""
    odd = SendEmail(subject="a\nb\x1b[31m")
    long = SendEmail(subject="x" * 500)

    assert words(violation("subject", "must be one line"), odd) == (
        '"a\\nb\\u001b[31m" must be one line'
    )
    assert len(words(violation("subject", "is too long"), long)) < 80


def test_a_path_that_leads_nowhere_shows_the_words_alone():
    """A newer door may know fields that we do not."""
    for path in ("nope", "to.deeper", "recipients[0]", 'variables["gone"]', "to[0]"):
        assert words(violation(path, "is odd"), SendEmail(to="a")) == "is odd"


def test_options_are_called_as_on_the_command_line():
    """Paths of the wire mean nothing to who typed --delay."""
    assert label("spec.payload.to") == "to"
    assert label("spec.payload") == "payload"
    assert label("spec.options.delay") == "--delay"
    assert label('spec.options.labels["a"]') == "--label"
    assert label("request_id") == "--request-id"
    assert label("job_id") == "job_id"
