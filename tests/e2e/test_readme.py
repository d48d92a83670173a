"""README to the letter: its files, its commands."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from stack import Processes, Stack

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()

_FILE = re.compile(
    r"^`(?P<path>[\w/]+\.(?:proto|py))`[^\n]*\n\n```\w+\n(?P<text>.*?)^```", re.M | re.S
)


def _files() -> dict[str, str]:
    """Path -> text of the files that the section on job types tells a reader to make."""
    section = README.partition("## Add a job type")[2].partition("\n## ")[0]
    return {found["path"]: found["text"] for found in _FILE.finditer(section)}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_new_job_type_takes_three_files() -> None:
    """Message, handler, test."""
    assert sorted(_files()) == [
        "shop_jobs/stock/handlers.py",
        "shop_jobs/stock/v1/stock.proto",
        "tests/test_stock.py",
    ]


def _blocks() -> tuple[str, str]:
    """The commands of the first and of the second terminal."""
    section = README.partition("Then stubs, and everything up")[2].partition("\n## ")[0]
    first, second = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)
    return first, second


@pytest.mark.timeout(90)
def test_another_teams_package_runs_as_the_readme_says(
    processes: Processes, tmp_path: Path
) -> None:
    """The three files, then the commands to the letter, in two terminals."""
    folder = tmp_path / "shop"
    _write(folder, _files())
    up, submit = _blocks()

    first = processes.start("first", "bash", "-ec", f"cd {folder}\n{up}", PYTHONPATH="")
    first.wait_for("Portaria is up", within=40)
    second = processes.start("second", "bash", "-ec", f"cd {folder}\n{submit}", PYTHONPATH="")
    test = f"cd {folder} && python -m pytest -q --rootdir . tests"
    tested = processes.start("tests", "bash", "-ec", test, PYTHONPATH=str(folder))

    assert second.wait(30) == 0, second.output()
    assert re.search(r'"count":\s*2', second.output())
    assert tested.wait(30) == 0, tested.output()
    first.terminate()
    assert first.wait(20) is not None


@pytest.mark.timeout(90)
def test_a_job_type_inside_workers_takes_the_same_files(stack: Stack, tmp_path: Path) -> None:
    """The message under proto/, the handler under workers/; `make proto` makes the rest."""
    project = tmp_path / "project"
    for part in ("proto", "workers"):
        shutil.copytree(TOP / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    _write(project, {_inside(path): _renamed(text) for path, text in _files().items()})

    out = ("--out", str(project / "workers"), "--under", "portaria_workers")
    generate = stack.processes.portaria("generate", "generate", str(project / "proto"), *out)
    assert generate.wait(30) == 0, generate.output()
    env: dict[str, Any] = {
        "PORTARIA_JOBS": "portaria_workers",
        "PYTHONPATH": str(project / "workers"),
    }
    stack.door(**env)
    stack.worker("stock", **env)
    payload = '{"articles": ["pen", "ink", "cap"]}'
    submit = stack.processes.portaria(
        "submit", "submit", "stock.CountShelf", "--json", payload, "--watch", **env
    )

    assert submit.wait(30) == 0
    assert re.search(r'"count":\s*3', submit.output())


def _renamed(text: str) -> str:
    return text.replace("shop_jobs", "portaria_workers")


def _inside(path: str) -> str:
    root = "proto" if path.endswith(".proto") else "workers"
    return _renamed(path if path.startswith("tests/") else f"{root}/{path}")


def test_the_python_block_runs(stack: Stack) -> None:
    """The client's example, against a door and a mail worker."""
    stack.door()
    stack.worker("mail")
    block = re.search(r"```python\n(from portaria.client.*?)```", README, re.S)
    assert block is not None
    script = block[1].replace("127.0.0.1:50051", stack.address)

    ran = stack.processes.start("readme", sys.executable, "-c", script)

    assert ran.wait(30) == 0
    assert "@" in ran.output().splitlines()[-1]
    # One mail by itself, three as a workflow.
    assert stack.smtp.addresses() == ["ana@example.com"] * 4


@pytest.mark.timeout(90)
def test_the_buf_commands_work(stack: Stack) -> None:
    """A client that nobody here wrote: lists, submits through the façade and `Any`, watches."""
    stack.door()
    stack.worker("mail")
    section = README.partition("## Call it from anywhere")[2]
    block = section.partition("```\n")[2].partition("```")[0]
    lines = block.replace("http://127.0.0.1:50051", f"http://{stack.address}").splitlines()
    setup, commands = lines[0], lines[1:]

    def run(command: str) -> str:
        ran = stack.processes.start("buf", "bash", "-ec", f"{setup}\n{command}")
        assert ran.wait(30) == 0, ran.output()
        return ran.output()

    listed, facade, typed, _ = (run(each) if "JOB_ID" not in each else "" for each in commands)
    job_id = re.search(r'"jobId":\s*"([0-9a-f-]{36})"', facade)
    assert job_id is not None
    watched = run(commands[3].replace("JOB_ID", job_id[1]))

    assert "portaria.v1.JobsService" in listed
    assert "portaria_workers.mail.v1.MailService" in listed
    assert '"portaria_workers.mail.v1.SendEmail"' in typed
    assert "JOB_STATE_SUCCEEDED" in watched
