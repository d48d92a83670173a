"""huey at its best, as its settings allow: what Portaria's drain is compared with.

Tried on no-op jobs, two workers, medians of some rounds: 12,400 jobs/s with processes that poll
each millisecond, 10,800 where they block (the default), 7,400 with threads. Results are not kept.
Fewer connection retries changed nothing that could be told from noise.

Runs in a venv of its own, which has huey, redis and hiredis.
"""

import os

from huey import RedisHuey  # type: ignore[import-not-found] # see rivals.py

_PENDING = "huey.redis.bench"
_BATCH = 500

huey = RedisHuey("bench", url=os.environ["PORTARIA_REDIS_URL"], results=False, blocking=False)


@huey.task()  # type: ignore[untyped-decorator]
def noop() -> None:
    """The job."""


def fill(count: int) -> None:
    """Queues so many no-op jobs, each as `enqueue` writes it."""
    for start in range(0, count, _BATCH):
        number = min(_BATCH, count - start)
        huey.storage.conn.lpush(_PENDING, *(huey.serialize_task(noop.s()) for _ in range(number)))
