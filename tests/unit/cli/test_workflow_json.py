"""A workflow from JSON: any name of a type, and all faults at once with their paths."""

from __future__ import annotations

import json

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from portaria.cli.violations import table
from portaria.cli.workflow_json import step_from_json
from portaria.client import InvalidRequest, chain, group, step
from portaria.core.errors import Violation
from portaria.core.job_type import JobTypes, descriptor_of, job_type_from
from portaria.v1.workflows_pb2 import Step
from portaria_workers.mail.v1.mail_pb2 import SendEmail


@pytest.fixture
def types() -> JobTypes:
    found = JobTypes()
    for each in (Echo, Noop, SendEmail):
        found.add(job_type_from(descriptor_of(each)))
    return found


def job(name: str, **fields: object) -> dict[str, object]:
    return {"job": {"payload": {"@type": name, **fields}, "options": {}}}


def faults(said: object, types: JobTypes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        step_from_json(said if isinstance(said, str) else json.dumps(said), types)
    return [(each.field, each.description) for each in caught.value.violations]


@pytest.mark.parametrize(
    "name",
    [
        "Echo",
        "lab.Echo",
        "acme_jobs.lab.v1.Echo",
        "type.googleapis.com/acme_jobs.lab.v1.Echo",
    ],
)
def test_a_type_goes_by_any_of_its_names(types: JobTypes, name: str) -> None:
    """As with `portaria submit`, and as protobuf writes it."""
    assert step_from_json(json.dumps(job(name, text="a")), types) == step(Echo(text="a"))


def test_steps_are_those_of_the_contract(types: JobTypes) -> None:
    """Nested, with names, policies, bindings and hooks."""
    said = {
        "chain": {
            "steps": [
                {**job("Echo", text="a"), "nodeId": "first"},
                {
                    "group": {"steps": [job("Noop"), job("mail.SendEmail", to="a@b.example")]},
                    "on_failure": "FAILURE_POLICY_ALLOW",
                },
                {
                    **job("Echo"),
                    "bindings": [{"from_node": "first", "from_field": "x", "to_field": "text"}],
                },
            ]
        }
    }

    assert step_from_json(json.dumps(said), types) == chain(
        step(Echo(text="a"), node="first"),
        group(Noop(), SendEmail(to="a@b.example"), on_failure="allow"),
        step(Echo(), bind={"text": "first.x"}),
    )


def test_hooks_are_resolved_too(types: JobTypes) -> None:
    """Wherever a payload stands."""
    said = job("Noop")
    said["job"]["options"] = {"on_failure": {"payload": {"@type": "Echo", "text": "bad"}}}  # type: ignore[index]

    hook = step_from_json(json.dumps(said), types).job.options.on_failure

    assert hook.payload.Is(Echo.DESCRIPTOR)


def test_every_fault_is_told_with_its_path(types: JobTypes) -> None:
    """Of steps and of payloads, each once."""
    said = {
        "chain": {
            "steps": [
                job("Ecko", text=3),
                job("Echo", text=3, txt="a"),
                {"grup": {}},
                {"job": {"payload": {"text": "a"}}},
                {"job": {"payload": "Echo"}},
                {**job("Noop"), "group": {}},
                {**job("Noop"), "on_failure": "allow"},
            ]
        }
    }

    at = "root.chain.steps"
    assert [field for field, _ in faults(said, types)] == [
        f"{at}[0].job.payload.@type",
        f"{at}[1].job.payload.text",
        f"{at}[1].job.payload.txt",
        f"{at}[2].grup",
        f"{at}[3].job.payload.@type",
        f"{at}[4].job.payload",
        f"{at}[5].group",
        f"{at}[6].on_failure",
    ]
    words = dict(faults(said, types))
    assert 'no job type "Ecko"; did you mean "Echo"?' in words[f"{at}[0].job.payload.@type"]
    assert words[f"{at}[1].job.payload.text"] == "expected text, got a number"
    assert words[f"{at}[2].grup"] == 'no such field; did you mean "group"?'
    assert words[f"{at}[3].job.payload.@type"] == "is required: the name of its type"
    assert words[f"{at}[5].group"] == "excludes job"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[]", "expected an object, got a list"),
        ('{"job": {}, "job": {}}', "is given twice"),
        ('{"job": ', "not JSON: "),
    ],
)
def test_what_is_no_json_is_said(types: JobTypes, text: str, words: str) -> None:
    """Under the name of the whole."""
    ((field, said),) = faults(text, types)

    assert said.startswith(words)
    assert field in ("root", "root.job")


def test_what_the_door_refuses_is_shown_with_its_value() -> None:
    """By its path in the file; the value is the person's own."""
    root: Step = chain(Noop(), step(SendEmail(to="ana@", template="wellcome")))
    at = "root.chain.steps[1].job.payload"
    wrong = [
        Violation(f"{at}.to", "ANY", "is not one e-mail address"),
        Violation(f"{at}.template", "ANY", "is not one of these"),
        Violation("root.chain.steps[1].bindings[0].from_node", "ANY", "is no node"),
    ]

    to, template, binding = table(wrong, root).splitlines()

    assert to.split(maxsplit=1) == [
        "chain.steps[1].job.payload.to",
        '"ana@" is not one e-mail address',
    ]
    assert template.endswith('no template "wellcome"; did you mean "welcome"?')
    assert binding.split(maxsplit=1) == ["chain.steps[1].bindings[0].from_node", "is no node"]
