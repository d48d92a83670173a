"""How an attempt ends that its handler did not end: what callers are told of it."""

from portaria.v1.job_pb2 import Failure

CRASHED = Failure(
    kind=Failure.KIND_CRASHED, reason="CRASHED", message="the process that ran it died"
)
WORKER_LOST = Failure(
    kind=Failure.KIND_WORKER_LOST, reason="WORKER_LOST", message="its worker was lost"
)
