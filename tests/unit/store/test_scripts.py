"""The scripts as they are sent."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import pytest

from portaria.store import keys
from portaria.store.scripts import BETWEEN, NAMES, script

LUA = files("portaria.store").joinpath("lua")
SOURCES = sorted(each.name for each in LUA.iterdir() if each.name.endswith(".lua"))


def test_every_file_is_a_script() -> None:
    """Beside the prelude, which is a part of each, and what some share."""
    parts = {part for parts in BETWEEN.values() for part in parts}
    assert sorted(f"{name}.lua" for name in (*NAMES, "prelude", *parts)) == SOURCES


@pytest.mark.parametrize("name", NAMES)
def test_redis_knows_a_script_by_the_digest_of_its_text(name: str) -> None:
    """The text is whole: prelude first, no comment, no shebang (6.2 refuses one)."""
    found = script(name)

    assert found.sha == hashlib.sha1(found.text.encode()).hexdigest()
    assert found.text.startswith("local call = redis.call\n")
    assert not re.search(r"^\s*--", found.text, re.MULTILINE)
    assert not found.text.startswith("#!")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_opens_with_the_keys_that_it_touches(name: str) -> None:
    """And with what it answers: the way in for a reader."""
    text = LUA.joinpath(f"{name}.lua").read_text()

    assert text.startswith(f"-- {name}.lua: ")
    assert re.search(r"^-- KEYS(\[[1…]\]| +none) ", text, re.MULTILINE)
    assert re.search(r"^-- ARGV ", text, re.MULTILINE)
    assert re.search(r"^-- returns ", text, re.MULTILINE)


@pytest.mark.parametrize("name", SOURCES)
def test_lines_are_at_most_a_hundred_characters(name: str) -> None:
    """As everywhere."""
    assert not [line for line in LUA.joinpath(name).read_text().splitlines() if len(line) > 100]


def test_keys_in_lua_are_those_of_the_keys_module() -> None:
    """One place names them; what the scripts build themselves is spelled the same."""
    text = "".join(LUA.joinpath(name).read_text() for name in SOURCES)
    code = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    built = set(re.findall(r"'(portaria:[a-z:]+)'", code)) - {"portaria:nothing"}

    known = {value for value in vars(keys).values() if isinstance(value, str)}
    known |= {
        keys.effects(""),
        keys.rate(""),
        keys.wake(""),
        keys.index(""),
        keys.parked("", "")[:-1],
    }
    known |= {keys.batch(""), keys.workflows(""), keys.ended(""), keys.kids(""), keys.todo("")}
    assert built <= known
