"""The plugin as pytest finds it: by the entry point that the project declares."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from project import TOP

Run = Callable[..., str]

_CONFTEST = """
import sys

def pytest_sessionfinish():
    platform = ("portaria.testing.plugin", "portaria.testing.platform", "google.protobuf", "redis")
    for name in (*platform, "pydantic", "rq", "structlog"):
        print(name, "imported" if name in sys.modules else "absent")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs pytest over a test's text, with this project installed as its metadata says."""
    entry_points = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = tmp_path / "site/portaria-0.dist-info"
    installed.mkdir(parents=True)
    installed.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: portaria\nVersion: 0\n")
    lines = [
        "[pytest11]",
        *(f"{name} = {place}" for name, place in entry_points["pytest11"].items()),
    ]
    installed.joinpath("entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "conftest.py").write_text(_CONFTEST)

    def run(text: str, *arguments: str) -> str:
        (tmp_path / "test_user.py").write_text(text)
        command = (
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            "-W",
            "error",
            *arguments,
        )
        path = os.pathsep.join([str(tmp_path / "site"), str(TOP / "tests/fixtures")])
        env = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
        done = subprocess.run(
            [*command, str(tmp_path)], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    return run


def test_a_test_asks_for_the_fixture_by_name(run: Run) -> None:
    """Each test has a platform of its own; the extra "testing" is all that it needs."""
    said = run(
        "from acme_jobs.lab.v1.lab_pb2 import Noop\n"
        "def test_first(portaria):\n"
        "    assert portaria.submit(Noop()).wait().done\n"
        "def test_second(portaria):\n"
        "    portaria.assert_not_submitted()\n",
        "-s",
    )

    assert "2 passed" in said
    assert "portaria.testing.platform imported" in said
    for name in ("pydantic", "rq", "structlog"):
        assert f"{name} absent" in said


def test_a_failing_test_shows_its_jobs(run: Run) -> None:
    """With why they failed; a test without jobs shows nothing more."""
    said = run(
        "from acme_jobs.lab.v1.lab_pb2 import Fail\n"
        "def test_jobs(portaria):\n"
        "    job = portaria.submit(Fail(times=9))\n"
        "    portaria.run_all()\n"
        "    assert job.state == 'SUCCEEDED'\n"
        "def test_none():\n"
        "    assert False\n"
    )

    assert said.count("portaria jobs") == 1
    assert "Fail(times: 9)  FAILED, default, attempt 3, LAB_FAILURE: asked to fail" in said
    assert "2 failed" in said


def test_it_costs_nothing_where_no_test_asks(run: Run) -> None:
    """The plugin is loaded, and of the platform nothing is."""
    said = run("def test_other():\n    pass\n", "-s")

    assert "portaria.testing.plugin imported" in said
    for name in ("portaria.testing.platform", "google.protobuf", "redis"):
        assert f"{name} absent" in said


def test_a_fixture_of_that_name_of_the_users_own_wins(run: Run) -> None:
    """As pytest has it; the plugin is in nobody's way."""
    said = run(
        "import pytest\n"
        "@pytest.fixture\n"
        "def portaria():\n"
        "    return 7\n"
        "def test_own(portaria):\n"
        "    assert portaria == 7\n"
    )

    assert "1 passed" in said
