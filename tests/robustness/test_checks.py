"""Each check finds the fault that it is there for, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from robustness.effects import effect_id
from robustness.evidence import Check, Evidence
from robustness.journal import Said
from robustness.look import Look
from robustness.nemesis import Strike
from robustness.receiver import Delivery
from robustness.report import judge
from robustness.schedule import Blow
from robustness.stream import Change

KEY_OF_RETRY = "portaria:request:default:retry w1"
JOB, REQUEST, QUEUE = "j1", "portaria:request:default:r1", "lab:high"
LIFE = (
    Change(1_000, "PENDING", 0, "-", "-"),
    Change(1_010, "RUNNING", 1, "PENDING", "w1"),
    Change(1_050, "PENDING", 1, "RUNNING", "-"),
    Change(1_060, "RUNNING", 2, "PENDING", "w2"),
    Change(1_090, "SUCCEEDED", 2, "RUNNING", "w2"),
)
HASH = {
    "state": "SUCCEEDED", "status": "finished", "origin": QUEUE, "request": REQUEST, "hold": "",
    "type": "Deliver", "attempt": "2", "failures": "0", "crashes": "1", "losts": "0",
    "max_attempts": "3",
}  # fmt: skip


INDEXES = {"portaria:index:default": [JOB], "portaria:index:default:type:Deliver": [JOB]}


def _sound() -> Evidence:
    """One delivering job that ran twice, because a child was killed."""
    look = Look(
        keys={f"rq:job:{JOB}": "hash", REQUEST: "string", f"rq:finished:{QUEUE}": "zset"},
        jobs={JOB: dict(HASH)},
        requests={REQUEST: (f"0 {JOB}", 3_600_000)},
        registries={f"rq:finished:{QUEUE}": [JOB], "portaria:purge": [JOB], **INDEXES},
        holds={"w2": "i t - "},
        workers={"rq:workers": ["w2"]},
    )
    return Evidence(
        said=Said(intents={"r1": "deliver"}, acks={"r1": JOB}),
        lives={JOB: list(LIFE)},
        look=look,
        applied={effect_id(JOB): JOB},
        deliveries=[Delivery(effect_id(JOB), JOB, 1), Delivery(effect_id(JOB), JOB, 2)],
        living=frozenset({"w2"}),
        strikes=[Strike(Blow.CHILD, 1_040, "w", ["w1"])],
        told={JOB: "SUCCEEDED"},
    )


def _faults(evidence: Evidence) -> list[str]:
    return [check.name for check in judge(0, [], evidence).violations]


def _life(*changes: Change) -> Callable[[Evidence], Evidence]:
    return lambda sound: replace(sound, lives={JOB: list(changes)})


def _hash(**fields: str) -> Callable[[Evidence], Evidence]:
    return _look(jobs={JOB: {**HASH, **fields}})


def _look(**parts: Any) -> Callable[[Evidence], Evidence]:
    return lambda sound: replace(sound, look=replace(sound.look, **parts))


def _said(**parts: Any) -> Callable[[Evidence], Evidence]:
    return lambda sound: replace(sound, said=replace(sound.said, **parts))


def _spark(*changes: Change) -> Callable[[Evidence], Evidence]:
    """Another, tiny job."""
    return lambda sound: replace(
        _said(intents={"r1": "deliver", "r2": "spark"}, acks={"r1": JOB, "r2": "j2"})(sound),
        lives={**sound.lives, "j2": list(changes)},
    )


def _once(*changes: Change, reason: str = "", **fields: str) -> Callable[[Evidence], Evidence]:
    """The job is one that must not run twice."""
    return lambda sound: replace(
        _said(intents={"r1": "strike"})(_hash(**fields)(sound)),
        lives={JOB: list(changes)},
        reasons={JOB: reason},
        deliveries=sound.deliveries[:1],
    )


def _workflows(**parts: Any) -> Callable[[Evidence], Evidence]:
    return lambda sound: replace(sound, workflows=replace(sound.workflows, **parts))


def _key(key: str) -> Callable[[Evidence], Evidence]:
    return lambda sound: replace(
        sound, look=replace(sound.look, keys={**sound.look.keys, key: "string"})
    )


# Of one that must not run twice, when its worker was killed.
FAILED = Change(1_050, "FAILED", 1, "RUNNING", "-")
DOUBTED = {"state": "FAILED", "attempt": "1", "crashes": "1"}

FORGED: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "no record": (_look(jobs={}), "lost"),
    "open and nowhere": (_hash(state="RUNNING", hold="t"), "lost"),
    "open and queued": (
        lambda sound: _hash(state="PENDING")(_look(queued={f"rq:queue:{QUEUE}": [JOB]})(sound)),
        "stuck",
    ),
    "open and waiting": (
        lambda sound: replace(
            sound,
            look=replace(
                sound.look,
                jobs={JOB: {**HASH, "state": "RETRYING"}},
                registries={**sound.look.registries, "portaria:due": [JOB]},
            ),
        ),
        "stuck",
    ),
    "two ends": (
        _life(*LIFE, Change(1_100, "FAILED", 2, "RUNNING", "w2")),
        "more or less than one terminal",
    ),
    "no end": (_life(*LIFE[:-1]), "more or less than one terminal"),
    "a step that may not be": (_life(LIFE[0], *LIFE[2:]), "changes that the automaton"),
    "an attempt left out": (
        _life(*LIFE[:3], replace(LIFE[3], attempt=3), LIFE[4]),
        "changes that the automaton",
    ),
    "a wrong counter": (_hash(attempt="3"), "counters that contradict"),
    "over the budget": (_hash(crashes="4"), "counters that contradict"),
    "done and held": (_hash(hold="t"), "counters that contradict"),
    "a wrong end": (_hash(state="FAILED"), "ended otherwise"),
    "another state told": (lambda sound: replace(sound, told={JOB: "RUNNING"}), "the door tells"),
    "no effect": (lambda sound: replace(sound, applied={}), "effects of a succeeded job"),
    "a foreign effect": (
        lambda sound: replace(sound, applied={**sound.applied, "k": JOB}),
        "effects under a key",
    ),
    "delivered though recorded": (
        lambda sound: replace(
            sound, deliveries=[*sound.deliveries, Delivery(effect_id(JOB), JOB, 3)]
        ),
        "deliveries after their run",
    ),
    "delivered twice by one run": (
        lambda sound: replace(sound, deliveries=[*sound.deliveries, sound.deliveries[0]]),
        "deliveries beyond one",
    ),
    "a tiny job that was held with no other": (
        _spark(LIFE[0], LIFE[1], Change(1_011, "SUCCEEDED", 1, "RUNNING", "w1")),
        "tiny jobs claimed one by one",
    ),
    "nobody killed with several in hand": (
        _spark(LIFE[0], Change(1_011, "SUCCEEDED", 1, "PENDING", "w1")),
        "no worker killed with several",
    ),
    "started twice, and must not": (_once(*LIFE), "ran twice"),
    "delivered twice, and must not": (
        lambda sound: replace(_once(*LIFE[:2])(sound), deliveries=sound.deliveries),
        "ran twice",
    ),
    "failed for another reason than doubt": (
        _once(*LIFE[:2], FAILED, reason="CRASHED", **DOUBTED),
        "ended otherwise",
    ),
    "a job nobody wanted": (_said(intents={}, acks={}), "jobs without an intent"),
    "another job than acknowledged": (_said(acks={"r1": "j2"}), "jobs without an intent"),
    "two jobs of a request": (_look(jobs={JOB: HASH, "j2": HASH}), "requests with several"),
    "refused, and a job": (_said(failed={"r1": "INVALID_REQUEST"}), "refused, and a job"),
    "refused without reason": (_said(failed={"r1": "INVALID_REQUEST"}), "refused for another"),
    "an answer that is no outage": (_said(unknown={"INTERNAL": 1}), "answers that are no outage"),
    "two answers": (_said(faults=["r1: a second answer"]), "answers that contradict"),
    "a strange key": (_key("portaria:nothing"), "orphans: keys"),
    "a ledger of no job": (_key("portaria:effects:j9"), "orphans: keys"),
    "a lease left": (_key(f"rq:wip:{QUEUE}"), "orphans: what should be empty"),
    "a depth left": (_look(depth={QUEUE: "1"}), "orphans: what should be empty"),
    "a hold left": (_look(holds={"w2": "i t - j1|lab:high|t"}), "orphans: what should be empty"),
    "a parked job left": (_key("portaria:parked:lab:Deliver"), "orphans: what should be empty"),
    "an index of nobody": (
        _look(registries={**INDEXES, "portaria:index:default:label:a=1": ["j9"]}),
        "orphans: jobs and indexes",
    ),
    "a job in no index": (_look(registries={}), "orphans: jobs and indexes"),
    "a dead worker's hold": (_look(holds={"w1": "i t - "}), "orphans: holds of dead"),
    "a dead worker listed": (_look(workers={"rq:workers": ["w1"]}), "orphans: registrations"),
    "in the wrong registry": (
        _look(registries={f"rq:failed:{QUEUE}": [JOB], "portaria:purge": [JOB]}),
        "jobs in a registry",
    ),
    "never purged": (
        _look(registries={f"rq:finished:{QUEUE}": [JOB]}),
        "jobs that would never be purged",
    ),
    "a request kept for ever": (
        _look(requests={REQUEST: (f"0 {JOB}", -1)}),
        "jobs that would never be purged",
    ),
    "a job of a workflow that is gone": (_workflows(members=frozenset({"j9"})), "lost"),
    "a workflow that ended otherwise": (
        _workflows(checks=[Check("workflows: ended otherwise than the model says", ["oh"])]),
        "workflows: ended otherwise",
    ),
    "a workflow's request kept for ever": (
        lambda sound: _look(requests={REQUEST: (f"0 {JOB}", 1), KEY_OF_RETRY: ("0 w", -1)})(
            _workflows(requests=frozenset({"retry w1"}))(sound)
        ),
        "jobs that would never be purged",
    ),
    "a job that waits for others, and is of no workflow": (
        _life(Change(1_000, "BLOCKED", 0, "-", "-"), *LIFE),
        "changes that the automaton",
    ),
    "a stack trace": (lambda sound: replace(sound, traces=["door-1"]), "processes that wrote"),
    "a slow recovery": (
        lambda sound: replace(
            sound,
            lives={
                JOB: [*LIFE[:3], replace(LIFE[3], at_ms=14_000), replace(LIFE[4], at_ms=15_000)]
            },
        ),
        "recoveries beyond",
    ),
}


def test_a_sound_run_has_no_faults() -> None:
    """A job that ran twice because of a kill, and all that belongs to it, is in order."""
    report = judge(0, [], _sound())

    assert [str(check) for check in report.violations] == []
    assert report.figures["worker kills with a job in hand"] == "100%"
    assert report.figures["deliveries recognised by their key"] == 1


def test_nobody_knows_whether_it_ran() -> None:
    """One that must not run twice and whose worker was killed fails, and that is in order."""
    doubted = _once(*LIFE[:2], FAILED, reason="OUTCOME_UNKNOWN", **DOUBTED)(_sound())

    names = ("ended otherwise than", "counters that", "ran twice", "changes that")
    assert [name for name in _faults(doubted) if name.startswith(names)] == []


def test_a_short_run_is_told_with_its_end() -> None:
    """One start, though no RUNNING was told."""
    life = [LIFE[0], Change(1_020, "SUCCEEDED", 1, "PENDING", "w1")]
    sound = _hash(attempt="1", crashes="0")(_sound())

    assert "changes that the automaton does not allow" not in _faults(_life(*life)(sound))
    assert "counters that contradict the changes" not in _faults(_life(*life)(sound))


@pytest.mark.parametrize("fault", FORGED)
def test_a_forged_fault_is_found(fault: str) -> None:
    """Whatever is forged into a sound run, the check for it speaks."""
    forge, expected = FORGED[fault]

    found = _faults(forge(_sound()))

    assert any(name.startswith(expected) for name in found), found
