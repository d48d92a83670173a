"""What `portaria watch` takes."""

import pytest
from click.testing import CliRunner

from portaria.cli.watch import watch

SOME_ID = "0190c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize("words", [[], [SOME_ID, "--workflow", "w"], [SOME_ID, "--label", "a=b"]])
def test_jobs_are_named_or_described(words, monkeypatch):
    """Neither, or both, is a mistake; nobody is asked."""
    monkeypatch.setenv("PORTARIA_ADDRESS", "127.0.0.1:1")

    done = CliRunner().invoke(watch, words)

    assert done.exit_code == 2
    assert "name jobs by ID, or say what they have in common" in done.output
