"""Each change of a job as one call of a script: its keys, its arguments, the sense of its reply.

Pure: the sync and the async store, and the worker child's own connection, all send these. Every
call may be sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from portaria.store import keys
from portaria.store.events import encode_labels
from portaria.store.scripts import Script, script

Reply = TypeVar("Reply")
Argument = str | bytes | int

LEASE_MS = 6_000
RENEW_EVERY = 2.0
REAP_EVERY = 1.0
CRASH_BUDGET = 3
LOSS_BUDGET = 10
AUDIT_EVERY_MS = 60_000
AUDIT_GAP_MS = 100
MOST_AT_ONCE = 200
"""Jobs that one call may touch, so that no script holds up the others."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Reply]):
    """A script with keys, arguments and the parser of its reply."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]
    parse: Callable[[Any], Reply]


@dataclass(frozen=True, slots=True)
class Read(Generic[Reply]):
    """Commands that only read, sent together, and the parser of their replies."""

    commands: Sequence[Sequence[Argument]]
    parse: Callable[[Sequence[Any]], Reply]


# --- submit -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that the door accepted."""

    namespace: str
    request_id: str
    content_hash: str
    """Hex; the same for the same content."""
    job_id: str
    queue: str
    type: str
    envelope: bytes
    timeout_s: int
    delay_ms: int = 0
    run_at_ms: int = 0
    """Wins over the delay where it is not 0."""
    ttl_ms: int
    max_attempts: int
    at_most_once: bool = False
    before_ms: int = 0
    """Not begun by then: expired. 0 means no limit, here and below."""
    deadline_ms: int = 0
    """No attempt starts or runs past it."""
    unique_key: str = ""
    """At most one open job of its type has it."""
    use_existing: bool = False
    """Where another one has it, answer that one instead of `held`."""
    labels: Sequence[tuple[str, str]] = ()
    """The indexed ones."""
    workflow_id: str = "-"
    retried_from: str = ""
    """The job that this one repeats."""
    schedule_id: str = ""
    """The schedule whose tick this is."""
    parent_job_id: str = ""
    """The running job that submits this one."""
    link: str = ""
    """What waits for this one in the workflow of its parent; see lua/flow.lua."""
    hooks: Sequence[tuple[str, Submission]] = ()
    """By name (on_success, on_failure, on_retry); without request_id, unique key and hooks. The id
    of on_retry is a family's: see core/ids.py."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission."""

    job_id: str
    deduplicated: bool
    reused: bool
    """The request_id stands for other content; nothing was written."""
    held: bool = False
    """Another open job, this one, holds the unique key; nothing was written."""
    created_ms: int = 0
    """By the clock of Redis; this and the next two only of a new job."""
    entry_id: str = ""
    """The stream's entry that tells of it."""
    generation: str = ""
    retried: bool = False
    """This other job repeats the same one already; nothing was written."""
    orphan: bool = False
    """What submits it does not run; nothing was written."""


def submit(job: Submission) -> Call[Submitted]:
    """Writes one job and places it; idempotent by request_id."""
    return Call(
        script("submit"),
        (
            keys.request(job.namespace, job.request_id),
            keys.job(job.job_id),
            keys.queue(job.queue),
            keys.unique(job.namespace, job.type, job.unique_key) if job.unique_key else "",
        ),
        (
            job.content_hash,
            job.job_id,
            job.queue,
            job.type,
            job.envelope,
            job.timeout_s,
            job.delay_ms,
            job.run_at_ms,
            job.ttl_ms,
            job.max_attempts,
            int(job.at_most_once),
            tag(job),
            job.namespace,
            job.before_ms,
            job.deadline_ms,
            "existing" if job.use_existing else "fail",
            job.retried_from,
            job.parent_job_id,
            job.link,
            *hook_fields(job),
        ),
        _submitted,
    )


def tag(job: Submission) -> str:
    """What never changes of a job, as each of its events carries it."""
    words = f"{job.queue} {job.type} {job.namespace} {job.workflow_id} {encode_labels(job.labels)}"
    return f"{words} @{job.schedule_id}" if job.schedule_id else words


HOOK_FIELDS = {"on_success": "hook_s", "on_failure": "hook_f", "on_retry": "hook_r"}
"""Of a hash, by the names of hooks; see lua/hooks.lua."""


def hook_fields(job: Submission) -> Sequence[Argument]:
    """Fields of the job's hash, each with its value, as lua/hooks.lua has them."""
    if not job.hooks:
        return ()
    fields: list[Argument] = ["hooks", "".join(HOOK_FIELDS[name][-1] for name, _ in job.hooks)]
    for name, hook in job.hooks:
        fields += (HOOK_FIELDS[name], packed(hook))
    return fields


def packed(hook: Submission) -> bytes:
    """A job that a script submits later; see lua/hooks.lua."""
    times = (hook.delay_ms, hook.run_at_ms, hook.before_ms, hook.deadline_ms)
    once = int(hook.at_most_once)
    head = (hook.job_id, hook.timeout_s, hook.ttl_ms, hook.max_attempts, once, *times, tag(hook))
    return b"%b\n%b" % (" ".join(map(str, head)).encode(), hook.envelope)


def _submitted(reply: Any) -> Submitted:
    word, job_id = reply[0], reply[1].decode()
    if word != b"new":
        return Submitted(
            job_id,
            word == b"same",
            word == b"reused",
            word == b"held",
            retried=word == b"retried",
            orphan=word == b"orphan",
        )
    created, entry_id, generation = (each.decode() for each in reply[2:])
    return Submitted(job_id, False, False, False, int(created), entry_id, generation)


# --- turn ---------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    """Failed, and runs again after a wait."""
    LATER = "later"
    """Did not fail, and runs again after a wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that ended."""

    job_id: str
    token: str
    verdict: Verdict
    wait_ms: int = 0
    output: bytes = b""
    """Sealed portaria.internal.v1.Outcome."""
    failure: bytes = b""
    """portaria.v1.Failure."""
    progress: bytes = b""
    """portaria.v1.Progress, the last one."""
    warnings: bytes = b""
    """JSON list of strings."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker now holds."""

    job_id: str
    queue: str
    envelope: bytes
    token: str
    attempt: int
    """The number of the start that this claim is for."""
    failures: int
    left_ms: int = -1
    """Until its deadline, at the moment of the claim; -1 where it has none."""
    at_most_once: bool = False
    begun: bool = True
    """Where not, it goes back free of charge until its worker says that it began."""


class Began(StrEnum):
    """What became of a job whose begin was told."""

    YES = "b"
    CANCELLED = "c"
    """It must not run twice, was cancelled before it began, and so may not begin."""
    LOST = "f"


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to a turn."""

    word: str
    """ok, again (it had been answered before), full (ask again), gone (this child was closed)."""
    taken: Sequence[bool] = ()
    """Of each finished job; false where the hold had been lost."""
    claims: Sequence[Claim] = ()
    refused: Sequence[str] = ()
    """Ids in the queue that are no jobs of ours; kept among RQ's failed jobs."""
    began: Began | None = None
    """Of the job that was told to have begun."""
    wide: bool = False
    """What follows in a workflow is more than a turn may do: settle() goes on with it."""


Hold = tuple[str, str]
"""Id and token."""


def turn(
    *,
    worker: str,
    incarnation: str,
    token: str,
    queues: Sequence[str],
    want: int,
    finished: Sequence[Finished] = (),
    served: str = "",
    begun: Hold | None = None,
    returned: Sequence[Hold] = (),
    lease_ms: int = LEASE_MS,
) -> Call[Turn]:
    """Finishes jobs in hand and claims up to `want` more, from the first queue that has any.

    `served` has the names of the types that may be claimed, each between blanks; "" means all, and
    others are parked. `begun` is one that runs by now, `returned` those that go back free, in the
    order in which they were claimed.
    """
    arguments: list[Argument] = [worker, incarnation, token, lease_ms, want, served]
    arguments += begun or ("", "")
    arguments.append(len(returned))
    for hold in reversed(returned):
        arguments += hold
    arguments.append(len(finished))
    for each in finished:
        arguments += (
            each.job_id,
            each.token,
            each.verdict.value,
            each.wait_ms,
            each.output,
            each.failure,
            each.progress,
            each.warnings,
        )
    names = (keys.HOLDS, keys.DUE, *(keys.queue(name) for name in queues))
    return Call(script("turn"), names, arguments, _turn if begun is None else _turn_with_begin)


def _turn(reply: Any) -> Turn:
    word = reply[0].decode()
    if word == "gone":
        return Turn(word)
    flags = reply[1].decode().replace("-", "")
    claims = [_claim(job) for job in reply[3:]]
    wide, taken = flags.startswith("w"), [flag == "t" for flag in flags.removeprefix("w")]
    return Turn(word, taken, claims, _ids(reply[2]), wide=wide)


def _turn_with_begin(reply: Any) -> Turn:
    if reply[0] == b"gone":
        return Turn("gone", began=Began.LOST)
    flags = reply[1]
    turn = _turn([reply[0], flags[:-1], *reply[2:]])
    return replace(turn, began=Began(flags[-1:].decode()))


def _claim(job: Any) -> Claim:
    return Claim(
        job[0].decode(),
        job[1].decode(),
        job[2],
        job[3].decode(),
        int(job[4]),
        int(job[5]),
        int(job[6]),
        job[7] == b"1",
        job[8] == 1,
    )


# --- leases -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of the holds of one worker."""

    gone: bool = False
    lost: Sequence[str] = ()
    cancelled: Sequence[str] = ()
    """Those that are to be killed included."""
    killed: Sequence[str] = ()
    held: Sequence[str] = field(default=())
    """All that are still held, the cancelled ones included."""
    tokens: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of each hold: a job that is lost and claimed again is another hold."""


def renew(workers: Sequence[tuple[str, str, str]], lease_ms: int = LEASE_MS) -> Call[list[Renewal]]:
    """Prolongs all leases of each (worker, incarnation, id of the job that it runs or "").

    One Renewal each, in order.
    """
    arguments: list[Argument] = [lease_ms]
    for each in workers:
        arguments += each
    return Call(script("renew"), (keys.HOLDS,), arguments, _renewals)


def _renewals(reply: Any) -> list[Renewal]:
    return [_renewal(one) for one in reply]


def _renewal(reply: Any) -> Renewal:
    if reply[0] == b"gone":
        return Renewal(gone=True)
    words = [each.decode() for each in reply[1:]]
    holds = list(zip(words[::3], words[1::3], words[2::3], strict=True))
    return Renewal(
        lost=[job_id for job_id, _, word in holds if word == "lost"],
        cancelled=[job_id for job_id, _, word in holds if word in ("cancel", "kill")],
        killed=[job_id for job_id, _, word in holds if word == "kill"],
        held=[job_id for job_id, _, word in holds if word != "lost"],
        tokens={job_id: token for job_id, token, _ in holds},
    )


def recover(
    *,
    worker: str,
    incarnation: str,
    following: str,
    begun: str = "",
    crashed: bool = False,
    crash_failure: bytes,
    doubt_failure: bytes,
    lost_failure: bytes,
    budget: int = CRASH_BUDGET,
    loss_budget: int = LOSS_BUDGET,
) -> Call[list[str]]:
    """Takes back what a child held; charges the begun job a crash where `crashed`.

    `incarnation` "*" means whichever, and charges all that it held as lost; `following` ""
    forgets the worker.
    """
    arguments: list[Argument] = [
        worker,
        incarnation,
        following,
        begun,
        "crash" if crashed else "free",
        budget,
        crash_failure,
        doubt_failure,
        loss_budget,
        lost_failure,
    ]
    return Call(script("recover"), (keys.HOLDS,), arguments, _ids)


def reap(
    *,
    run_id: str,
    lost_failure: bytes,
    doubt_failure: bytes,
    lease_ms: int = LEASE_MS,
    budget: int = LOSS_BUDGET,
) -> Call[tuple[str, list[str]]]:
    """Gives the jobs of silent workers to others. Answers a word and the ids."""
    return Call(
        script("reap"),
        (keys.REAPER,),
        (lease_ms, budget, lost_failure, doubt_failure, run_id),
        lambda reply: (reply[0].decode(), _ids(reply[1:])),
    )


@dataclass(frozen=True, slots=True)
class Promotion:
    """What `promote` did."""

    moved: int
    next_ms: int
    """Until the next one is due; -1 where none waits."""


def promote(most: int = 100) -> Call[Promotion]:
    """Queues the jobs whose moment has come."""
    return Call(script("promote"), (keys.DUE,), (most,), lambda reply: Promotion(*map(int, reply)))


def expire(most: int = 100) -> Call[int]:
    """Ends jobs whose limit passed while they waited. Answers how many it looked at."""
    return Call(script("expire"), (keys.EXPIRY,), (most,), int)


def purge(most: int = 50, *, early: bool = False) -> Call[int]:
    """Forgets finished jobs whose time is over; with `early`, the oldest successes before it is.

    Answers how many it looked at.
    """
    return Call(script("purge"), (keys.PURGE, keys.EVENTS), (most, int(early)), int)


def unpark(types: Sequence[tuple[str, str]], most: int = 100) -> Call[int]:
    """Queues what waited for a worker that serves one of these (domain, type)."""
    return Call(script("unpark"), [keys.parked(*each) for each in types], (most,), int)


@dataclass(frozen=True, slots=True)
class Audited:
    """A slice of a round over all open jobs."""

    looked: int
    goes_on: bool
    mended: Sequence[str]


def audit(
    most: int = 200,
    pause_ms: int = AUDIT_EVERY_MS,
    lease_ms: int = LEASE_MS,
    gap_ms: int = AUDIT_GAP_MS,
) -> Call[Audited]:
    """Looks at the next open jobs, and puts back what other tools removed."""
    return Call(
        script("audit"),
        (keys.AUDIT,),
        (most, pause_ms, lease_ms, gap_ms),
        lambda reply: Audited(int(reply[0]), bool(reply[1]), _ids(reply[2:])),
    )


def tidy() -> Call[int]:
    """Forgets workers that are gone and hold nothing. Answers how many."""
    return Call(script("tidy"), (keys.HOLDS,), (), int)


# --- at somebody's request ------------------------------------------------------------------------


class Cancelled(StrEnum):
    """What became of a job that was to be cancelled."""

    NOW = "cancelled"
    """It waited, and has ended."""
    ASKED = "cancelling"
    """Its worker will end it."""
    ENDED = "ended"
    """It had reached a terminal state; nothing changed."""
    MISSING = "missing"


def cancel(
    namespace: str, job_ids: Sequence[str], *, reason: str = "", force: bool = False
) -> Call[list[Cancelled]]:
    """Cancels at most 200 jobs; with `force` those that run are killed. One word each, in order."""
    if len(job_ids) > MOST_AT_ONCE:
        raise ValueError(f"{len(job_ids)} jobs at once: at most {MOST_AT_ONCE}")
    return Call(
        script("cancel"),
        (),
        (namespace, reason, int(force), *job_ids),
        lambda reply: [Cancelled(word.decode()) for _, word in reply],
    )


class Deleted(StrEnum):
    """What became of a job that was to be forgotten."""

    NOW = "deleted"
    OPEN = "open"
    """It is not done; nothing changed."""
    MISSING = "missing"


def delete(namespace: str, job_ids: Sequence[str]) -> Call[list[Deleted]]:
    """Forgets at most 200 jobs that are done. One word each, in order."""
    if len(job_ids) > MOST_AT_ONCE:
        raise ValueError(f"{len(job_ids)} jobs at once: at most {MOST_AT_ONCE}")
    return Call(
        script("delete"),
        (keys.PURGE,),
        (namespace, *job_ids),
        lambda reply: [Deleted(word.decode()) for _, word in reply],
    )


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of a job that was to be moved."""

    word: str
    """ok, missing, "not waiting", or late: it may not begin at that moment."""
    state: str = ""
    """Where it was not waiting."""


def update(namespace: str, job_id: str, *, queue: str = "", run_at_ms: int = -1) -> Call[Updated]:
    """Moves a job that waits to another queue of its domain, to another moment, or both."""
    return Call(
        script("update"),
        (keys.job(job_id), keys.DUE),
        (namespace, job_id, queue, run_at_ms),
        lambda reply: Updated(*(each.decode() for each in reply)),
    )


def pause(queue: str, *, reason: str = "", by: str = "") -> Call[bool]:
    """Lets no worker claim from a queue. True where it was not paused before."""
    return Call(script("pause"), (keys.PAUSED,), (queue, "pause", reason, by), bool)


def resume(queue: str) -> Call[bool]:
    """Undoes a pause, and wakes idle workers. True where there was one."""
    return Call(script("pause"), (keys.PAUSED,), (queue, "resume", "", ""), bool)


@dataclass(frozen=True, slots=True)
class Cleared:
    """A slice of what waited in a queue."""

    cancelled: int
    place: int
    """Where the next slice begins; -1 at the end of the queue."""
    before: str = ""
    """The id in front of that place: by it the place is found again where it has moved."""


def clear(
    namespace: str,
    queue: str,
    *,
    reason: str = "",
    older_ms: int = 0,
    place: int = 0,
    before: str = "",
    most: int = MOST_AT_ONCE,
) -> Call[Cleared]:
    """Cancels what waits in a queue and was created longer ago than that (0: whenever)."""
    return Call(
        script("clear"),
        (keys.queue(queue),),
        (namespace, queue, reason, older_ms, place, before, most),
        lambda reply: Cleared(int(reply[0]), int(reply[1]), reply[2].decode(errors="replace")),
    )


# --- of a running job ---------------------------------------------------------------------------


def progress(job_id: str, token: str, report: bytes) -> Call[str]:
    """Keeps and tells the latest progress: "held", "cancel" or "lost"."""
    return Call(
        script("progress"),
        (keys.job(job_id),),
        (job_id, token, report),
        lambda reply: str(reply.decode()),
    )


def effect(
    job_id: str, token: str, operation: str, key: str, value: str = ""
) -> Call[tuple[str, str]]:
    """One step in the ledger; operations are begin, again, done, clear, doubt, check."""
    return Call(
        script("effect"),
        (keys.effects(job_id),),
        (job_id, token, operation, key, value),
        lambda reply: (reply[0].decode(), reply[1].decode() if len(reply) > 1 else ""),
    )


def look_at_effects(job_id: str, token: str, names: Sequence[str]) -> Call[list[str] | None]:
    """What is known to have happened under at most 200 keys: its value each, "" for nothing.

    None where the hold is lost.
    """
    if len(names) > MOST_AT_ONCE:
        raise ValueError(f"{len(names)} keys at once: at most {MOST_AT_ONCE}")
    return Call(
        script("effect"),
        (keys.effects(job_id),),
        (job_id, token, "look", *names),
        lambda reply: _ids(reply[1:]) if reply[0] == b"ok" else None,
    )


def throttle(key: str, *, every_ms: float, burst: float, ahead_ms: float) -> Call[float]:
    """Takes the next moment of a rate: milliseconds to wait for it. Negative where it lies more
    than `ahead_ms` away: then none was taken, and one may ask again after so long."""
    return Call(
        script("throttle"),
        (keys.rate(key),),
        (f"{every_ms:.6f}", f"{burst:.6f}", f"{ahead_ms:.3f}"),
        float,
    )


def _ids(reply: Any) -> list[str]:
    return [each.decode() for each in reply]
