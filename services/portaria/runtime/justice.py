"""What becomes of the job that a child ran when the child did not end well."""

from __future__ import annotations

import math
from random import Random

from google.protobuf.message import DecodeError

from portaria.core.ids import new_token
from portaria.core.seal import KeyRing, SealBroken
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.jobs import JobError, PermanentError, SoftTimeout
from portaria.logs import logger
from portaria.runtime import outcome
from portaria.runtime.family import ChildProcess, Sentence
from portaria.runtime.outcome import Run
from portaria.runtime.slot import Running
from portaria.store import Finished, Store, calls
from portaria.v1.job_type_pb2 import EFFECT_AT_MOST_ONCE

HARD_AFTER = 5.0
"""Seconds from the soft timeout to SIGKILL."""
_FAR_OVER = 1.5
"""Times its cap of memory, from which on a child is killed though it runs a job."""
_MIB = 1024 * 1024
_ENDED_HERE = (Sentence.TIMEOUT, Sentence.STOPPED, Sentence.MEMORY, Sentence.CANCELLED)


class Justice:
    """Judges for one parent; writes with the children's own holds, so it can only be too late."""

    def __init__(self, store: Store, ring: KeyRing, rng: Random) -> None:
        self._store = store
        self._ring = ring
        self._rng = rng
        self._log = logger()

    def take_over(self, worker: str, following: str) -> None:
        """Frees what an earlier worker of this name held."""
        self._recover(worker, "*", following, begun="", crashed=False)

    def settle(self, child: ChildProcess, following: str, *, crashed: bool) -> None:
        """After a child's death: its job is finished, charged or given back; the rest is freed."""
        running = child.running()
        if running is not None and child.sentence in _ENDED_HERE:
            self._finish(child, running)
        begun = running.job_id if running is not None else ""
        self._recover(
            child.worker,
            child.incarnation,
            following,
            begun=begun,
            crashed=crashed,
            how=child.death(),
        )

    def enforce_timeout(self, child: ChildProcess, now: float) -> None:
        """Kills a child whose handler did not heed its soft timeout."""
        running = child.running()
        if running is None or not running.began or child.sentence is not None:
            return
        if now - running.began < running.timeout + HARD_AFTER:
            return
        frozen = child.freeze()
        if frozen is not None and frozen.job_id == running.job_id:
            child.kill(Sentence.TIMEOUT)
            self._log.error("job killed at its hard timeout", job_id=running.job_id)
        else:
            child.thaw()

    def enforce_memory(self, child: ChildProcess, most_mb: int) -> None:
        """Replaces a child that grew beyond its cap: after its job, or, far beyond it, at once."""
        used_mb = child.vitals.own_bytes // _MIB if child.vitals is not None else 0
        if used_mb <= most_mb or child.sentence is not None:
            return
        if not child.is_retiring:
            child.ask_to_retire()
            self._log.warning(
                "child replaced for its memory",
                worker=child.worker,
                used_mb=used_mb,
                most_mb=most_mb,
            )
        running = child.running()
        if used_mb <= most_mb * _FAR_OVER or running is None:
            return
        frozen = child.freeze()
        # Not while it reports: the job is over, and its end would be lost.
        if frozen is not None and frozen.timeout != math.inf:
            child.kill(Sentence.MEMORY)
            self._log.error("job killed for its memory", job_id=frozen.job_id, used_mb=used_mb)
        else:
            child.thaw()

    def stop_job(self, child: ChildProcess, job_id: str) -> None:
        """RQ's stop-job: kills the child if, frozen, it runs that very job."""
        frozen = child.freeze()
        if frozen is not None and frozen.job_id == job_id and frozen.timeout != math.inf:
            child.kill(Sentence.STOPPED)
        else:
            child.thaw()

    def kill_hold(self, child: ChildProcess, job_id: str, token: str) -> None:
        """Kills the child if, frozen, it runs under that very hold."""
        frozen = child.freeze()
        if (
            frozen is not None
            and (frozen.job_id, frozen.token) == (job_id, token)
            and frozen.timeout != math.inf
        ):
            child.kill(Sentence.CANCELLED)
        else:
            child.thaw()

    def _finish(self, child: ChildProcess, running: Running) -> None:
        """Ends the attempt in the dead child's name, as its own code would have."""
        record = self._store.get(running.job_id)
        if record is None:
            return
        try:
            body = self._ring.unseal(
                f"domain/{record.tag.queue.partition(':')[0]}", record.envelope
            )
            envelope = Envelope.FromString(body)
        except (SealBroken, DecodeError):
            return
        if child.sentence is Sentence.CANCELLED and envelope.effect == EFFECT_AT_MOST_ONCE:
            return  # whether it had its effect is not known, and that is told
        run = Run(
            namespace=envelope.namespace,
            job_id=running.job_id,
            token=running.token,
            failures=record.failures,
            retry=envelope.spec.options.retry,
        )
        error: BaseException = SoftTimeout("killed: it did not end within 5 s of its timeout")
        if child.sentence is Sentence.STOPPED:
            error = PermanentError("STOPPED", "stopped by an operator")
        elif child.sentence is Sentence.CANCELLED:
            error = PermanentError("CANCELLED", "killed: it was cancelled with force")
        elif child.sentence is Sentence.MEMORY:
            error = JobError("MEMORY", "killed: it took far more memory than a child may")
        finished = outcome.failed(run, error, rng=self._rng, progress=record.progress)
        self._take_turn(child, finished)

    def _take_turn(self, child: ChildProcess, finished: Finished) -> None:
        self._store.run(
            calls.turn(
                worker=child.worker,
                incarnation=child.incarnation,
                token=new_token(),
                queues=(),
                want=0,
                finished=[finished],
            )
        )

    def _recover(
        self,
        worker: str,
        incarnation: str,
        following: str,
        *,
        begun: str,
        crashed: bool,
        how: str = "",
    ) -> None:
        self._store.run(
            calls.recover(
                worker=worker,
                incarnation=incarnation,
                following=following,
                begun=begun,
                crashed=crashed,
                crash_failure=outcome.crash_failure(how),
                doubt_failure=outcome.doubt_failure(),
                lost_failure=outcome.loss_failure(),
            )
        )
