"""The project's own files: what stands where, and that they agree with each other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import project
from project import TOP

_FOLDERS = {"proto", "services", "workers", "tests"}
_FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "docker-compose.yml",
    "pyproject.toml",
    "requirements.lock",
}


def test_only_the_agreed_names_stand_at_the_top() -> None:
    """Beside dotfiles, which tools need, and what git ignores."""
    ignored = {line.strip("/") for line in (TOP / ".gitignore").read_text().split()}

    found = {path.name for path in TOP.iterdir() if not path.name.startswith(".")} - ignored

    assert found == _FOLDERS | _FILES


def test_make_help_shows_every_target() -> None:
    """And every target is phony, since none makes a file of its name."""
    assert project.hidden_targets() == []


def test_a_hidden_target_is_noticed(tmp_path: Path) -> None:
    """A target without a text, or that is not phony, or only phony."""
    text = (TOP / "Makefile").read_text()
    text = text.replace(".PHONY: help", ".PHONY: help ghost")
    (tmp_path / "Makefile").write_text(f"{text}\ndeploy:\n\t@true\n")

    assert project.hidden_targets(tmp_path) == [
        "Makefile: deploy is not in make help",
        "Makefile: ghost is not in make help",
        "Makefile: deploy is not .PHONY",
        "Makefile: ghost is .PHONY and undefined",
    ]


def test_the_readme_can_be_read_in_one_go() -> None:
    """At most 150 lines."""
    assert project.long_readme() == []


def test_code_stands_in_packages() -> None:
    """The import contracts see packages only."""
    assert project.packages_without_init() == []


def test_a_folder_that_is_no_package_is_noticed(tmp_path: Path) -> None:
    """Only folders with code count."""
    for name in ("services/portaria/lost", "workers/portaria_workers"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "services/portaria/__init__.py").touch()
    (tmp_path / "services/portaria/lost/module.py").touch()

    assert project.packages_without_init(tmp_path) == ["services/portaria/lost: no __init__.py"]


def test_stubs_are_what_make_proto_writes() -> None:
    """Nobody has to generate anything after a clone, and nobody edited what is generated."""
    assert project.stale_stubs() == []


def test_stale_stubs_are_named(tmp_path: Path) -> None:
    """Those that differ, those that are missing, and those that nothing makes."""
    for name in ("proto", "services", "workers", "tests/fixtures"):
        shutil.copytree(TOP / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    v1 = tmp_path / "services/portaria/v1"
    (v1 / "job_pb2.py").write_text("# edited\n")
    (v1 / "errors_pb2.pyi").unlink()
    (v1 / "gone_pb2.py").touch()

    assert project.stale_stubs(tmp_path) == [
        "services/portaria/v1/errors_pb2.pyi: make proto would write it",
        "services/portaria/v1/gone_pb2.py: nothing makes it any more",
        "services/portaria/v1/job_pb2.py: out of date",
    ]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_targets_that_exist(name: str) -> None:
    """Each `make …` that a document tells somebody to type."""
    text = (TOP / name).read_text()
    named = set(re.findall(r"(?:^|`)make ([a-z]+(?: [a-z]+)*)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (TOP / "Makefile").read_text(), re.MULTILINE))

    assert {word for words in named for word in words.split()} <= targets


def test_ci_runs_what_a_laptop_runs() -> None:
    """Setup, check and test, nothing else."""
    assert (TOP / ".ci/run").read_text().splitlines()[-1] == "exec make setup check test"
