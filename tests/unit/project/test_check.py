"""`make check` says little when all is well, and everything when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import check


def _breaks() -> str:
    raise OSError("no such tool")


def test_all_well_is_one_line_a_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name, its seconds, ok."""
    _have(monkeypatch, one=lambda: "", two=lambda: "")

    code = check.main()

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [(line[0], line[-1]) for line in lines] == [("one", "ok"), ("two", "ok")]


def test_a_fault_is_shown_whole_and_the_other_steps_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a tool said, what kept a step from running, and an exit code that CI sees."""
    _have(monkeypatch, bad=lambda: "a.py:1: wrong\nb.py:2: wrong", broken=_breaks, good=lambda: "")

    code = check.main()

    said = capsys.readouterr().out
    assert code == 1
    assert "--- bad\na.py:1: wrong\nb.py:2: wrong" in said
    assert "--- broken\nOSError: no such tool" in said
    assert said.splitlines()[2].startswith("good ")
    assert said.splitlines()[2].endswith("ok")


def test_a_tool_that_fails_silently_is_still_a_fault() -> None:
    """An exit code without words is not taken for success."""
    assert check.tool("python", "-c", "raise SystemExit(3)") == "exit 3"
    assert check.tool("python", "-c", "print('noise')") == ""


def _have(monkeypatch: pytest.MonkeyPatch, **steps: Callable[[], str]) -> None:
    monkeypatch.setattr(check, "STEPS", steps)
