"""Processes that we own: their ends, and that nothing outlives us."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from portaria.up.process import OwnedProcess
from stack import Processes, eventually

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
# A child that ignores SIGTERM, and says its pid.
STUBBORN = (
    "import subprocess, sys, time;"
    "c = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
    'signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf", flush=True); time.sleep(600)\']);'
    "print('child', c.pid, flush=True); time.sleep(600)"
)


def test_an_ended_process_says_how_it_ended_and_what_it_wrote(processes: Processes) -> None:
    """Its exit code and its output, standard error included, stay readable."""
    process = processes.python("short", "-c", "import sys; print('one'); sys.exit('two')")

    code = process.wait(10)

    assert code == 1
    assert process.tail() == "one\ntwo"
    assert not process.running


def test_a_killed_process_answers_with_the_signal(processes: Processes) -> None:
    """kill() ends it, and its exit code is the negative signal."""
    process = processes.python("sleeper", "-c", SLEEP)
    process.wait_for("up")

    process.kill()

    assert process.exit_code == -signal.SIGKILL


def test_stop_leaves_nothing_of_the_group(processes: Processes) -> None:
    """A grandchild that ignores SIGTERM does not survive the stop of its parent."""
    process = processes.python("stubborn", "-c", STUBBORN)
    process.wait_for("deaf")
    child = int(process.wait_for("child").split()[1])

    process.stop(grace=5)

    eventually(lambda: not _lives(child))


def test_a_paused_process_stops(processes: Processes) -> None:
    """stop() wakes what was frozen, so that it can end in order."""
    handler = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3));"
    process = processes.python("frozen", "-c", handler + SLEEP)
    process.wait_for("up")
    process.pause()
    eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)

    code = process.stop(grace=5)

    assert code == 3


def test_a_process_starts_again_after_its_end(processes: Processes) -> None:
    """A second start is a new process whose output follows the first one's."""
    process = processes.python("again", "-c", "print('run')")
    process.wait(10)

    process.start()
    process.wait(10)

    assert process.output() == "run\nrun\n"


def test_starting_a_running_process_is_refused(processes: Processes) -> None:
    """Nobody loses track of a process by starting it twice."""
    process = processes.python("sleeper", "-c", SLEEP)

    with pytest.raises(RuntimeError, match="sleeper-1 runs already"):
        process.start()


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    """The reason stands in the output, without a stack trace."""
    process = OwnedProcess("nothing", [tmp_path / "no-such"], log=tmp_path / "log")
    process.start()

    code = process.wait(10)

    assert code == 1
    assert process.tail() == f"cannot run {tmp_path}/no-such: No such file or directory"
    process.stop()


def test_kill_minus_nine_of_the_parent_takes_its_processes_along(
    processes: Processes, tmp_path: Path
) -> None:
    """A process dies with the one that started it, even where that one could not say goodbye."""
    log = tmp_path / "log"
    owner = (
        "import sys, time; from pathlib import Path; from portaria.up.process import OwnedProcess;"
        f"p = OwnedProcess('p', [sys.executable, '-c', {SLEEP!r}], log=Path({str(log)!r}));"
        "p.start(); print('owned', p.pid, flush=True); time.sleep(600)"
    )
    parent = processes.python("parent", "-c", owner)
    child = int(parent.wait_for("owned").split()[1])

    os.kill(parent.pid, signal.SIGKILL)

    eventually(lambda: not _lives(child))


def test_waiting_for_a_line_ends_with_the_process(processes: Processes) -> None:
    """A test does not wait for words of the dead."""
    process = processes.start("mute", sys.executable, "-c", "import sys; sys.exit('no luck')")

    with pytest.raises(RuntimeError, match="no luck"):
        process.wait_for("never said", within=10)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
