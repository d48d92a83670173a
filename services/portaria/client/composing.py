"""Steps of workflows: what follows what.

    chain(
        step(FetchOrder(id=7), node="order"),
        group(RenderPdf(), step(RenderExcel(), on_failure="allow")),
        step(SendEmail(template="order"), bind={"to": "order.customer.email"}),
    )

Plain payloads stand for steps that say nothing more. Each builder answers a Step of the contract,
which takes its parts over as they are then. Raises InvalidRequest for what the wire could not
carry, TypeError for what is no message; the door says what else is wrong, all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from google.protobuf.message import Message

from portaria.client.requests import PriorityName, options_of, spec_of
from portaria.core.errors import InvalidRequest, Violation
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.workflows_pb2 import Binding, Chain, Chord, FailurePolicy, Group, Step

PolicyName = Literal["fail", "allow", "continue"]
"""What a failure of a step means: what follows is cancelled, goes on as if the step were not
there, or goes on and has the failure among its inputs."""

# A node without a name is called by its place: "0.2.1".
_SOURCE = re.compile(r"(.+?)\.([A-Za-z_].*)", re.DOTALL)


def step(
    message: Message,
    *,
    node: str = "",
    on_failure: PolicyName | None = None,
    bind: Mapping[str, str | Sequence[str]] | None = None,
    options: SubmitOptions | None = None,
    priority: PriorityName | None = None,
    delay: timedelta | None = None,
    run_time: datetime | None = None,
    labels: Mapping[str, str] | None = None,
) -> Step:
    """One job of a workflow, with the options that `Client.submit` takes.

    `node` is its name there; by default it is called by its place. `bind` fills fields of the
    payload from results of jobs before it: {"attachment.key": "store.document.key"}; a list may
    be filled from several: {"document_ids": ["pdf.document_id", "table.document_id"]}. Hooks of
    this job alone go into `options`.
    """
    if isinstance(message, Step):
        raise TypeError("expected the message of a job type; got a Step, which is one already")
    merged = options_of(
        options,
        priority=priority,
        delay=delay,
        run_time=run_time,
        labels=labels,
        path="job.options",
    )
    bindings = [
        _binding(field, source)
        for field, sources in (bind or {}).items()
        for source in ([sources] if isinstance(sources, str) else sources)
    ]
    made = Step(job=spec_of(message, merged), bindings=bindings)
    return _named(made, node, on_failure)


def chain(
    *steps: Message | Iterable[Message], node: str = "", on_failure: PolicyName | None = None
) -> Step:
    """Steps one after the other; the first one that fails ends it."""
    return _named(Step(chain=Chain(steps=_steps(steps))), node, on_failure)


def group(
    *steps: Message | Iterable[Message], node: str = "", on_failure: PolicyName | None = None
) -> Step:
    """Steps side by side: group(a, b), or group(Render(page=each) for each in range(9)).

    All of them come to their end, whichever fail.
    """
    return _named(Step(group=Group(steps=_steps(steps))), node, on_failure)


def chord(
    header: Message | Iterable[Message],
    body: Message,
    *,
    node: str = "",
    on_failure: PolicyName | None = None,
) -> Step:
    """Steps side by side, then one that has all their results, in order.

    `header` is a group, or what makes one. It has no name and no policy of its own: where it needs
    them, chain(group(...), body) is the same.
    """
    made = Step(chord=Chord(header=_header(header), body=as_step(body)))
    return _named(made, node, on_failure)


def as_step(message: Message) -> Step:
    """A step as it is; a payload as a step."""
    return message if isinstance(message, Step) else step(message)


def _header(given: Message | Iterable[Message]) -> Group:
    if not (isinstance(given, Step) and given.HasField("group")):
        return Group(steps=_steps([given]))
    if given.node_id or given.on_failure:
        text = "has no name and no policy of its own: use chain(group(...), body)"
        raise InvalidRequest([Violation("chord.header", "NOT_SUPPORTED", text)])
    return given.group


def _steps(given: Iterable[Message | Iterable[Message]]) -> Iterator[Step]:
    for each in given:
        # Some well-known messages are iterable, too.
        if isinstance(each, Message) or not isinstance(each, Iterable):
            yield as_step(each)
        else:
            yield from map(as_step, each)


def _named(made: Step, node: str, on_failure: PolicyName | None) -> Step:
    made.node_id = node
    if on_failure is not None:
        made.on_failure = _policy(on_failure)
    return made


def _policy(name: object) -> FailurePolicy.ValueType:
    if not isinstance(name, str):
        raise TypeError("expected fail, allow or continue; hooks of a job go into its options")
    try:
        return FailurePolicy.Value(f"FAILURE_POLICY_{name.upper()}")
    except ValueError:
        text = "is one of fail, allow, continue"
        raise InvalidRequest([Violation("on_failure", "UNKNOWN", text)]) from None


def _binding(field: str, source: str) -> Binding:
    found = _SOURCE.fullmatch(source)
    node, path = found.groups() if found else (source, "")
    return Binding(from_node=node, from_field=path, to_field=field)
