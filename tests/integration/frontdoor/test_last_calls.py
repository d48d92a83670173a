"""What callers without our client see of a door that stops: nothing that they may not repeat."""

from __future__ import annotations

import signal
import threading
from collections import Counter

import grpc

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.frontdoor.playing import submission
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Stack, eventually

CALLERS, STOPS, CALLS = 6, 5, 200


class Caller(threading.Thread):
    """Submits without a pause, through the bare stub, and counts what it is answered."""

    def __init__(self, address: str, codes: Counter[grpc.StatusCode]) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._codes = codes
        self.ending = threading.Event()

    def run(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            stub = JobsServiceStub(channel)
            while not self.ending.is_set():
                try:
                    stub.SubmitJob(submission(Noop()), timeout=5)
                    self._codes[grpc.StatusCode.OK] += 1
                except grpc.RpcError as error:
                    self._codes[error.code()] += 1


def test_a_call_that_comes_too_late_is_unavailable(stack: Stack) -> None:
    """Never CANCELLED, which tells a caller nothing."""
    codes: Counter[grpc.StatusCode] = Counter()

    for _ in range(STOPS):
        _stop_under_load(stack, stack.door(), codes)

    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def _stop_under_load(stack: Stack, door: Process, codes: Counter[grpc.StatusCode]) -> None:
    callers = [Caller(door.address, codes) for _ in range(CALLERS)]
    enough = codes[grpc.StatusCode.OK] + CALLS
    for each in callers:
        each.start()
    eventually(lambda: codes[grpc.StatusCode.OK] >= enough, 20)
    door.send(signal.SIGTERM)
    door.wait(10)
    for each in callers:
        each.ending.set()
    for each in callers:
        each.join()
