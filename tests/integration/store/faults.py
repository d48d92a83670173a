"""A script that breaks at its n-th command, as Redis would break it: nothing is rolled back."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from conformance.kernel import Kernel, Setup
from portaria.store import Store
from portaria.store.calls import Call
from portaria.store.scripts import Script

Reply = TypeVar("Reply")

_PLAIN = "local call = redis.call\n"
_COUNTED = """local portaria_calls = 0
local function call(...)
  portaria_calls = portaria_calls + 1
  if portaria_calls > {most} then error('INJECTED') end
  return redis.call(...)
end
"""


def breaking_after(call: Call[Reply], most: int) -> Call[Reply]:
    """The call, whose script breaks after so many commands."""
    text = call.script.text
    assert text.count(_PLAIN) == 1, "the prelude names redis.call in another way"
    assert text.count("redis.call") == 1, "a command would escape the count"
    broken = text.replace(_PLAIN, _COUNTED.format(most=most))
    sha = hashlib.sha1(broken.encode(), usedforsecurity=False).hexdigest()
    return dataclasses.replace(call, script=Script(call.script.name, broken, sha))


def break_at(store: Store, call: Call[Reply], most: int) -> bool:
    """Runs a call that breaks after so many commands; false where it needed no more."""
    try:
        store.run(breaking_after(call, most))
    except ResponseError as error:
        if "INJECTED" not in str(error):
            raise
        return True
    return False


def every_fault(limit: int = 120) -> Iterator[int]:
    """1, 2, 3… commands that succeed; the caller stops where the script did."""
    yield from range(1, limit)
    raise AssertionError(f"the script makes more than {limit} commands")


def broken(kernel: Kernel, scene: Setup) -> Iterator[tuple[int, Call[Any]]]:
    """The scene anew for each command at which its call can break, broken there."""
    assert isinstance(kernel.store, Store)
    for most in every_fault():
        kernel.redis.flushall()
        call = scene(kernel)
        if not break_at(kernel.store, call, most):
            return
        yield most, call
