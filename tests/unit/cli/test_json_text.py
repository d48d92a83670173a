"""Messages as JSON, whatever is inside."""

from google.protobuf.any_pb2 import Any

from portaria.cli.json_text import message_dict, shown_dict, unpacked
from portaria.v1.job_pb2 import Attempt, Failure, Job, JobSpec
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail, SendEmailResult

FOREIGN = Any(type_url="type.googleapis.com/acme.v9.Report", value=b"\x01\x02")
FOREIGN_JSON = {"unknown_type": "acme.v9.Report", "base64": "AQI="}


def test_a_known_result_is_spelled_out(packed):
    """Fields by their names in the .proto."""
    job = Job(job_id="j1", result=packed(SendEmailResult(message_id="<1@x>")))

    result = message_dict(job)["result"]

    assert result["message_id"] == "<1@x>"
    assert result["@type"].endswith("SendEmailResult")


def test_an_unknown_type_is_shown_as_bytes_wherever_it_is():
    """A job of another team can still be looked at; the message itself is left as it was."""
    failed = Failure(details=[FOREIGN])
    job = Job(result=FOREIGN, spec=JobSpec(payload=FOREIGN), attempts=[Attempt(failure=failed)])
    before = Job.FromString(job.SerializeToString())

    found = message_dict(job)

    assert found["result"]["value"] == FOREIGN_JSON
    assert found["spec"]["payload"]["value"] == FOREIGN_JSON
    assert found["attempts"][0]["failure"]["details"][0]["value"] == FOREIGN_JSON
    assert job == before


def test_broken_bytes_of_a_known_type_are_shown_as_bytes(packed):
    """No exception for what a store may hold."""
    broken = packed(SendEmail(to="x"))
    broken.value = b"\xff\xff"

    assert message_dict(Job(result=broken))["result"]["value"]["base64"] == "//8="
    assert unpacked(broken) is broken


def test_sensitive_fields_are_hidden_on_a_screen():
    """At any depth; what is not marked is shown."""
    bulk = SendBulkEmail(template="welcome", variables={"a": "hunter2"})
    bulk.recipients.add(address="ana@example.com", variables={"b": "hunter2"})

    shown = shown_dict(bulk)

    assert "hunter2" not in str(shown)
    assert shown["template"] == "welcome"
    assert shown["recipients"][0]["address"] == "ana@example.com"
