"""The Lua scripts, each with what it needs before it, ready to be called by their digest."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """One script. Redis knows it by `sha`; `text` teaches it to a Redis that does not."""

    name: str
    text: str
    sha: str


_ENDING = ("turn", "recover", "reap", "promote", "expire", "cancel", "clear", "settle")
BETWEEN = {
    "submit": ("handing_in",),
    "tick": ("handing_in",),
    **{name: ("hooks", "flow") for name in _ENDING},
}
"""What only some scripts need, between the prelude and their own lines: those that end jobs have
what follows the end of one with hooks, and of a job of a workflow."""


@cache
def script(name: str) -> Script:
    """The script of lua/{name}.lua."""
    folder = files("portaria.store").joinpath("lua")
    names = ("prelude", *BETWEEN.get(name, ()), name)
    text = "".join(_without_comments(folder.joinpath(f"{each}.lua").read_text()) for each in names)
    # Redis names a script by the SHA-1 of its text; nothing secret depends on it.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _without_comments(text: str) -> str:
    """Drops whole-line comments: a change of words need not load a script anew."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(line for line in kept if line.strip()) + "\n"


NAMES = (
    "submit",
    "batch",
    "turn",
    "renew",
    "recover",
    "reap",
    "promote",
    "expire",
    "cancel",
    "delete",
    "update",
    "pause",
    "clear",
    "unpark",
    "audit",
    "progress",
    "effect",
    "throttle",
    "purge",
    "settle",
    "tidy",
    "register",
    "schedule",
    "release",
    "tick",
)
