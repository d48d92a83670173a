"""The Lua scripts, each with the prelude before it, ready to be called by their digest."""

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


@cache
def script(name: str) -> Script:
    """The script of lua/{name}.lua."""
    folder = files("portaria.store").joinpath("lua")
    prelude = folder.joinpath("prelude.lua").read_text()
    body = folder.joinpath(f"{name}.lua").read_text()
    text = _without_comments(prelude) + _without_comments(body)
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
    "purge",
    "settle",
    "tidy",
    "register",
)
