"""A worker that claims as stock RQ does over several queues: BLPOP, then the job, then a record.

    python blpop_worker.py --redis URL --receiver HOST:PORT --name NAME

Between the pop and the record the job is nowhere but in this process: what the oracle must find.
It can open no envelope, so that a job is what its type says, and 30 ms long.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

PRIORITIES = ("critical", "high", "default", "low")
WORK = 0.03


class BlpopWorker:
    """Pops, runs, records, for ever."""

    def __init__(self, redis: Redis, receiver: str, name: str) -> None:
        self._redis = redis
        self._receiver = receiver
        self._name = name

    def work(self) -> None:
        """Runs until it is killed."""
        queues = [f"rq:queue:lab:{priority}" for priority in PRIORITIES]
        print("ready", flush=True)
        while True:
            try:
                popped: Any = self._redis.blpop(queues, timeout=1)
                if popped is not None:
                    self._run(popped[1])
            except (RedisError, OSError):
                time.sleep(0.1)

    def _run(self, job_id: str) -> None:
        found: Any = self._redis.hmget(f"rq:job:{job_id}", "type", "tag")
        job_type, tag = found
        self._tell(self._redis, job_id, tag, "RUNNING", "PENDING")
        time.sleep(WORK / 2)
        if job_type.endswith(".Deliver"):
            self._deliver(job_id)
        time.sleep(WORK / 2)
        done = self._redis.pipeline(transaction=True)
        done.hset(f"rq:job:{job_id}", mapping={"state": "SUCCEEDED", "attempt": 1})
        done.hset(f"rq:job:{job_id}", mapping={"status": "finished"})
        self._tell(done, job_id, tag, "SUCCEEDED", "RUNNING")
        done.execute()

    def _tell(self, redis: Redis, job_id: str, tag: str, state: str, previous: str) -> None:
        words = (job_id, state, "1", previous, self._name, "0", tag)
        redis.xadd("portaria:events", {"e": " ".join(words)})

    def _deliver(self, job_id: str) -> None:
        key = hashlib.sha256(f"{job_id}/delivery".encode()).hexdigest()[:32]
        host, _, port = self._receiver.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            line = json.dumps({"key": key, "job": job_id, "attempt": 1})
            connection.sendall(line.encode() + b"\n")
            connection.recv(64)


def main() -> None:
    """Reads the command line and works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--receiver", required=True)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()
    redis = Redis.from_url(options.redis, decode_responses=True)
    BlpopWorker(redis, options.receiver, options.name).work()


if __name__ == "__main__":
    main()
