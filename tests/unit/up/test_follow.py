"""What the parts write is shown once, in whole lines, each with its part."""

from __future__ import annotations

from pathlib import Path

import click

from portaria.up.follow import Follower


def test_lines_are_shown_once_with_their_part(tmp_path: Path) -> None:
    """A half-written line waits for its end."""
    said: list[str] = []
    follower = Follower(tmp_path, lambda line: said.append(click.unstyle(line)))
    door = tmp_path / "door.log"

    door.write_text("one\ntwo\nthr")
    follower.show()
    with door.open("a") as file:
        file.write("ee\n")
    follower.show()
    follower.show()

    assert [line.split() for line in said] == [["door", "one"], ["door", "two"], ["door", "three"]]


def test_without_a_folder_nothing_is_shown() -> None:
    """Logs stay in their files unless somebody wants to see them."""
    said: list[str] = []

    Follower(None, said.append).show()

    assert said == []
