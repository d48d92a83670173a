"""The files of job types in Redis: sealed descriptors, and a revision that changes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from portaria.store import keys
from portaria.store.calls import Argument, Call, Read
from portaria.store.faults import translated
from portaria.store.scripts import script


def register(seen: str, token: str, files: Mapping[str, bytes]) -> Call[bool]:
    """Writes files, and takes out those that are empty, where the revision is still `seen`.

    `token` is the revision that follows. False where somebody was faster: read and try again.
    """
    arguments: list[Argument] = [seen, token]
    for name, sealed in files.items():
        arguments += [name, sealed]
    return Call(script("register"), (keys.TYPES, keys.TYPES_REVISION), arguments, bool)


def read_files() -> Read[dict[str, bytes]]:
    """Every file that is registered."""
    return Read([("HGETALL", keys.TYPES)], lambda replies: _pairs(replies[0]))


def read_revision(redis: Redis) -> str:
    """ "" where nothing was ever registered, or Redis was emptied since."""
    with translated():
        return _text(redis.get(keys.TYPES_REVISION))


def read_types(redis: Redis) -> tuple[str, dict[str, bytes]]:
    """The revision, and every file that belongs to it at least: a later one is another look's."""
    with translated():
        # The revision first: files that are newer than it are read again, or refused by `register`.
        pipeline: Any = redis.pipeline(transaction=False)
        pipeline.get(keys.TYPES_REVISION)
        pipeline.hgetall(keys.TYPES)
        revision, files = pipeline.execute()
    return _text(revision), _names(files)


async def aread_revision(redis: AsyncRedis) -> str:
    """As read_revision."""
    with translated():
        return _text(await redis.get(keys.TYPES_REVISION))


async def aread_types(redis: AsyncRedis) -> tuple[str, dict[str, bytes]]:
    """As read_types."""
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        pipeline.get(keys.TYPES_REVISION)
        pipeline.hgetall(keys.TYPES)
        revision, files = await pipeline.execute()
    return _text(revision), _names(files)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if value else ""


def _names(files: Mapping[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(errors="replace"): sealed for name, sealed in files.items()}


def _pairs(words: Sequence[bytes]) -> dict[str, bytes]:
    return _names(dict(zip(words[::2], words[1::2], strict=True)))
