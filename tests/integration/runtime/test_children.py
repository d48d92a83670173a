"""Jobs that a running job submits, through a real door."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo
from acme_jobs.relay.v1.relay_pb2 import Make, Spread, Words
from integration.redis.certificates import Certificates
from portaria.core.states import State
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.store import JobRecord, keys
from portaria.v1.job_pb2 import Failure
from stack import Stack, eventually
from stack.lab import Lab
from stack.processes import Process


@pytest.fixture
def worker(stack: Stack) -> Process:
    """A stock `rq worker`, beside a door."""
    stack.door()
    return stack.rq_worker("relay:default")


def spread(lab: Lab, payload: Spread) -> tuple[JobRecord, int, list[str]]:
    """The record of a job that submits others, how many were there before, and their ids."""
    done = lab.wait(lab.submit(payload))
    assert done.state is State.SUCCEEDED, lab.failure(done)
    there, *job_ids = lab.result(done, Words).words
    return done, int(there), job_ids


def texts(lab: Lab, job_ids: list[str]) -> list[str]:
    """What each was submitted with."""
    stored = [lab.store.get(job_id) for job_id in job_ids]
    return [_payload(lab, each).text for each in stored if each is not None]


def _payload(lab: Lab, record: JobRecord) -> Echo:
    envelope = Envelope.FromString(lab.ring.unseal("domain/lab", record.envelope))
    found = Echo()
    assert envelope.spec.payload.Unpack(found)
    return found


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_a_job_submits_others_once_whatever_becomes_of_it(
    lab: Lab, worker: Process, together: bool
) -> None:
    """Two of the same content are two; its second run finds those of the first, in order."""
    payload = Spread(count=20, together=together, fails_first=True)

    done, there, job_ids = spread(lab, payload)

    assert (done.attempt, there, len(set(job_ids))) == (2, 20, 20)
    assert texts(lab, job_ids) == [str(number // 2) for number in range(20)]
    assert lab.redis.llen(keys.queue("lab:high" if together else "lab:default")) == 20


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_children_with_a_key_are_the_same_whatever_they_hold(
    lab: Lab, worker: Process, together: bool
) -> None:
    """Their contents differ from run to run: those of the first run count."""
    payload = Spread(count=4, key="part", together=together, fails_first=True)

    done, there, job_ids = spread(lab, payload)

    assert (done.attempt, there, len(set(job_ids))) == (2, 4, 4)
    assert {text.split()[1] for text in texts(lab, job_ids)} == {"1"}


def test_two_jobs_have_children_of_their_own(lab: Lab, worker: Process) -> None:
    """Also under the same keys."""
    _, _, one = spread(lab, Spread(count=2, key="part"))
    _, there, other = spread(lab, Spread(count=2, key="part"))

    assert there == 0
    assert not set(one) & set(other)


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_a_child_that_the_door_refuses_fails_the_job(
    lab: Lab, worker: Process, together: bool
) -> None:
    """With what is wrong, as any caller is told."""
    done = lab.wait(lab.submit(Spread(count=2, together=together, bad=True)))

    failure = lab.failure(done)
    assert (done.state, failure.reason) == (State.FAILED, "INVALID_REQUEST")
    assert failure.message.startswith("spec.payload: is larger than")


def test_a_door_that_is_away_is_waited_for(stack: Stack, lab: Lab) -> None:
    """For some seconds; a restart of the door fails no job."""
    stack.rq_worker("relay:default")
    job_id = lab.submit(Spread(count=1))
    lab.wait(job_id, State.RUNNING)
    stack.door()

    done = lab.wait(job_id)

    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)


def test_a_job_that_was_claimed_with_others_is_begun_before_it_submits(
    stack: Stack, lab: Lab
) -> None:
    """Tiny jobs begin with their end, and the door takes children of running jobs only."""
    stack.door()
    spreading = [lab.submit(Spread(count=1))]  # imports gRPC, which takes its time
    for number in range(150):
        lab.submit(Make(key=str(number)))
    for _ in range(10):
        lab.submit(Make())
        spreading.append(lab.submit(Spread(count=1)))
    stack.rq_worker("relay:default")

    done = lab.wait_all(spreading)

    assert {(each.state, each.attempt) for each in done} == {(State.SUCCEEDED, 1)}


def test_a_run_that_lost_its_job_submits_nothing(stack: Stack, lab: Lab, worker: Process) -> None:
    """The door takes children of running jobs only; whoever has the job next submits them."""
    gate = stack.folder / "gate"
    job_id = lab.submit(Spread(count=3, gate=str(gate)))
    lab.wait(job_id, State.RUNNING)
    lab.redis.hset(keys.job(job_id), mapping={"state": "PENDING", "hold": ""})
    gate.touch()

    worker.wait_for("job lost to another worker")

    assert "job failed" not in worker.output()
    assert lab.redis.llen(keys.queue("lab:default")) == 0


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_the_timeout_of_a_job_strikes_while_it_submits(
    stack: Stack, lab: Lab, together: bool
) -> None:
    """A door that stands still costs the job an attempt, and its process nothing."""
    door = stack.door()
    worker = stack.rq_worker("relay:default")
    spread(lab, Spread(count=1))
    child = worker.descendants()[0].pid
    door.pause()

    payload = Spread(count=20, together=together)
    late = lab.wait(lab.submit(payload, timeout=timedelta(seconds=0.5)), State.RETRYING)
    door.resume()
    _, _, job_ids = spread(lab, Spread(count=2))

    assert lab.failure(late).kind == Failure.KIND_TIMEOUT
    assert lab.wait(late.job_id).state is State.SUCCEEDED
    assert len(job_ids) == 2
    assert [each.pid for each in worker.descendants()] == [child]


def test_a_fork_of_a_handler_submits_nothing_and_disturbs_nobody(lab: Lab, worker: Process) -> None:
    """gRPC's threads do not follow into it; the job goes on, and so does the next one."""
    _, _, job_ids = spread(lab, Spread(count=4, forks=True))
    _, _, others = spread(lab, Spread(count=2))

    assert len(job_ids) == 4
    assert lab.redis.llen(keys.queue("lab:default")) == len({*job_ids, *others}) == 6


def test_only_the_child_process_has_grpc(lab: Lab, worker: Process) -> None:
    """Its parent forks; a channel there would be the children's death."""
    spread(lab, Spread(count=1))

    has_grpc = {pid: _has_grpc(pid) for pid in _family(worker)}

    assert has_grpc.pop(worker.pid) is False
    assert list(has_grpc.values()) == [True]


def test_a_child_that_follows_another_opens_a_channel_of_its_own(stack: Stack, lab: Lab) -> None:
    """Nothing of a channel outlives the process that opened it."""
    stack.door()
    stack.rq_worker("relay:default", PORTARIA_MAX_JOBS_PER_CHILD="1")

    made = [spread(lab, Spread(count=2))[2] for _ in range(3)]

    assert len({job_id for each in made for job_id in each}) == 6


def test_children_are_handed_in_over_tls(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """With the settings of any client."""
    certificates = Certificates(tmp_path)
    door = stack.processes.portaria(
        "door",
        "serve",
        PORTARIA_TLS_CERT_FILE=str(certificates.certificate("server")),
        PORTARIA_TLS_KEY_FILE=str(certificates.key("server")),
    )
    door.wait_for("redis reached")
    stack.rq_worker("relay:default", PORTARIA_TLS_CA_FILE=str(certificates.authority))

    _, _, job_ids = spread(lab, Spread(count=2))

    assert len(job_ids) == 2


def _family(process: Process) -> list[int]:
    eventually(lambda: process.descendants())
    return [process.pid, *(each.pid for each in process.descendants())]


def _has_grpc(pid: int) -> bool:
    return any("cygrpc" in each.path for each in psutil.Process(pid).memory_maps())
