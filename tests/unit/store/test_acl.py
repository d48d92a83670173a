"""The shipped users of Redis have the rights that their code uses, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import portaria
from portaria.store import keys
from portaria.store.scripts import BETWEEN, NAMES

HOME = Path(portaria.__file__).parent
ACL = HOME / "store" / "acl" / "portaria.acl"
RULES = {line.split()[1]: line.split()[2:] for line in ACL.read_text().splitlines()}

CALLERS = {"door": "frontdoor/*.py", "worker": "runtime/*.py", "scheduler": "scheduler/*.py"}
OF_DOOR = {
    "submit",
    "batch",
    "cancel",
    "delete",
    "update",
    "pause",
    "clear",
    "schedule",
    "release",
    "tick",
}
OF_ALL = {"reap", "promote", "expire", "purge", "tidy", "settle", "audit"}
SCRIPTS = {
    # What a wide step of a workflow left to sweeps, where a caller asks how it ended.
    "door": OF_DOOR | {"settle"},
    "worker": set(NAMES) - OF_DOOR,
    "scheduler": OF_ALL | {"schedule", "release", "tick"},
}
SENDERS = {
    "door": (
        "store/aio.py",
        "store/lane.py",
        "store/readiness.py",
        "store/listing.py",
        "store/queues.py",
        "store/walking.py",
        "store/workflows.py",
        "store/types.py",
        "store/workers.py",
        "store/schedule_records.py",
        "store/releases.py",
        "frontdoor/*.py",
    ),
    "worker": ("store/sync.py", "store/types.py", "runtime/*.py"),
    "scheduler": (
        "store/sync.py",
        "store/types.py",
        "store/schedule_records.py",
        "store/releases.py",
        "store/schedulers.py",
        "store/alarm.py",
        "scheduler/*.py",
    ),
}
"""Who sends commands beside scripts."""

# Sent by libraries, which no look into our files finds; the tests with a real Redis prove them.
HANDSHAKE = {"select", "role", "eval", "evalsha", "multi", "exec", "ping"}
BY_LIBRARIES = {
    "door": HANDSHAKE | {"wait"},
    "worker": HANDSHAKE
    # RQ's registration of workers, and the look of `portaria up` at it.
    | {"client|setname", "client|list", "hexists", "srem", "smembers", "expire"}
    | {"subscribe", "unsubscribe"},
    "scheduler": HANDSHAKE,
}
REFUSED_ON_PURPOSE = {"config_get"}
"""CONFIG GET shows passwords: without it, the durability of Redis is said to be unknown."""
NO_COMMANDS = {"pipeline", "pubsub", "execute", "close", "aclose", "connection_pool"}


def lua(name: str) -> str:
    """A script without its comments."""
    lines = (HOME / "store" / "lua" / f"{name}.lua").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def files_of(names: Iterable[str]) -> set[str]:
    """The files of some scripts, those that they share included."""
    return {"prelude", *names, *(part for name in names for part in BETWEEN.get(name, ()))}


def commands_of_scripts(user: str) -> set[str]:
    """What the scripts of a user send, the prelude included."""
    text = "".join(map(lua, files_of(SCRIPTS[user])))
    words = re.findall(r"\b(?:p?call\(|mend\(\w+, )'([A-Z]+)'", text)
    return {word.lower() for word in words}


def commands_of_code(user: str) -> set[str]:
    """What the code of a user sends beside scripts."""
    files = [path for pattern in SENDERS[user] for path in HOME.glob(pattern)]
    text = "".join(path.read_text() for path in files)
    methods = re.findall(r"(?:\bredis|self\._connection|pipeline)\.(\w+)\(", text)
    raw = re.findall(r'\.send\("([A-Z]+)"', text)
    named = {"del" if method == "delete" else method for method in methods}
    return (named | {word.lower() for word in raw}) - NO_COMMANDS - REFUSED_ON_PURPOSE


@pytest.mark.parametrize("user", CALLERS)
def test_a_user_may_send_what_its_code_sends(user: str) -> None:
    """A command that is new in a script or in the store must be granted here, too."""
    granted = {rule[1:] for rule in RULES[user] if rule.startswith("+")}

    needed = commands_of_scripts(user) | commands_of_code(user) | BY_LIBRARIES[user]

    assert {"missing": needed - granted, "too much": granted - needed} == {
        "missing": set(),
        "too much": set(),
    }


@pytest.mark.parametrize("user", CALLERS)
def test_a_user_calls_its_own_scripts_only(user: str) -> None:
    """Or the sets above would prove nothing."""
    text = "".join(path.read_text() for path in HOME.glob(CALLERS[user]))

    called = set(re.findall(r"\bcalls\.(\w+)\(", text)) & set(NAMES)

    assert called - SCRIPTS[user] == set()


@pytest.mark.parametrize("user", CALLERS)
def test_a_user_reaches_the_keys_that_its_code_uses(user: str) -> None:
    """Those of the keys module, and those that scripts build themselves."""
    patterns = [rule[1:] for rule in RULES[user] if rule.startswith("~")]

    text = "".join(map(lua, files_of(SCRIPTS[user])))
    text = text.replace("'rq:pubsub:'", "")  # a channel
    built = {word + "x" for word in re.findall(r"'((?:rq|portaria):[\w:]+)'", text)}
    ours = {value for name, value in vars(keys).items() if name.isupper()}
    made = {keys.job("x"), keys.queue("x"), keys.request("n", "r"), keys.unique("n", "t", "k"),
            keys.effects("x"), keys.rate("x"), keys.wake("q"), keys.batch("x")}  # fmt: skip
    # Where the word ends in no colon, it is a whole key.
    names = {name if name.endswith(":x") else name[:-1] for name in built} | ours | made

    unreached = {
        name for name in names if not any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    assert unreached == set()


@pytest.mark.parametrize("user", RULES)
def test_a_user_begins_with_nothing(user: str) -> None:
    """No password that everybody knows, no key, no channel, no command: then what is granted."""
    assert RULES[user][:5] == ["on", "resetpass", "resetkeys", "resetchannels", "-@all"]
    assert not [rule for rule in RULES[user] if rule.startswith((">", "#", "+@", "nopass", "all"))]


def test_the_door_takes_no_job() -> None:
    """It looks into queues, and at RQ's register of workers; it removes nothing from a queue."""
    assert not {"+lpop", "+rpop", "+blpop", "+lrem", "+lmove", "+ltrim"} & set(RULES["door"])
