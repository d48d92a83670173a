"""Parts start in the order of their needs, come back when they die, and stop in reverse order."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portaria.up.part import Part, PartFailed
from portaria.up.process import OwnedProcess
from portaria.up.supervisor import Supervisor, pause_after
from stack import eventually

# Says when it begins and when it ends, in a file that all parts share.
SCRIPT = """
import signal, sys, time
from pathlib import Path
name, book = sys.argv[1], Path(sys.argv[2])
def note(word):
    with book.open("a") as file:
        file.write(f"{name} {word}\\n")
signal.signal(signal.SIGTERM, lambda *_: (note("ends"), sys.exit(0)))
note("begins")
time.sleep(600)
"""
FAILING = "import sys; sys.exit('cannot read the key')"
HANGING = "import time; time.sleep(600)"
DEAF = SCRIPT.replace('lambda *_: (note("ends"), sys.exit(0))', "signal.SIG_IGN")


class Troupe:
    """Parts that write into one book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book = folder / "book"
        self.said: list[str] = []
        self.processes: list[OwnedProcess] = []

    def part(self, name: str, *needs: str, code: str = SCRIPT, within: float = 10) -> Part:
        command = [sys.executable, "-c", code, name, str(self.book)]
        process = OwnedProcess(name, command, log=self.folder / f"{name}.log")
        self.processes.append(process)
        return Part(
            name=name,
            process=process,
            ready=lambda: f"{name} begins" in self.lines(),
            needs=needs,
            within=within,
        )

    def supervisor(self, *parts: Part) -> Supervisor:
        return Supervisor(parts, tell=self.said.append)

    def lines(self) -> list[str]:
        return self.book.read_text().splitlines() if self.book.exists() else []


@pytest.fixture
def troupe(tmp_path: Path) -> Iterator[Troupe]:
    made = Troupe(tmp_path)
    yield made
    for process in made.processes:
        process.stop(grace=0)


def test_parts_start_after_what_they_need_and_stop_before_it(troupe: Troupe) -> None:
    """Redis first and last, the workers in between."""
    parts = [troupe.part("redis"), troupe.part("door", "redis"), troupe.part("worker", "door")]
    supervisor = troupe.supervisor(*parts)

    supervisor.start()
    supervisor.stop(grace=5)

    starts = ["redis begins", "door begins", "worker begins"]
    assert troupe.lines() == [*starts, "worker ends", "door ends", "redis ends"]
    assert not any(process.running for process in troupe.processes)


def test_a_part_that_dies_is_started_again(troupe: Troupe) -> None:
    """With a line that says what happened, and another when it works again."""
    supervisor = troupe.supervisor(troupe.part("redis"), troupe.part("door", "redis"))
    supervisor.start()

    troupe.processes[1].kill()
    eventually(lambda: _ticked(supervisor) and troupe.said[1:])

    assert "door ended (killed by SIGKILL); starting it again in 0.5 s" in troupe.said[0]
    assert troupe.said[1] == "door works again"
    assert troupe.processes[1].running
    assert supervisor.settled


def test_a_part_that_cannot_start_ends_the_start_with_its_words(troupe: Troupe) -> None:
    """Who starts a system sees at once why it does not come up."""
    supervisor = troupe.supervisor(troupe.part("redis"), troupe.part("door", code=FAILING))

    with pytest.raises(
        PartFailed, match=r"door did not start \(exit code 1\); it wrote:\ncannot read"
    ):
        supervisor.start()

    supervisor.stop(grace=5)
    assert not any(process.running for process in troupe.processes)


def test_a_part_that_never_becomes_ready_ends_the_start(troupe: Troupe) -> None:
    """A process that hangs at its start is not waited for for ever."""
    supervisor = troupe.supervisor(troupe.part("door", code=HANGING, within=0.3))

    with pytest.raises(PartFailed, match=r"door was not ready within 0\.3 s"):
        supervisor.start()


def test_a_deaf_part_is_killed_after_the_grace(troupe: Troupe) -> None:
    """Nothing that ignores SIGTERM is left."""
    deaf = troupe.part("door", code=DEAF)
    supervisor = troupe.supervisor(deaf)
    supervisor.start()

    supervisor.stop(grace=0.2)

    assert troupe.said == ["door did not stop within 0.2 s and is killed"]
    assert not deaf.process.running


def test_a_hurried_stop_kills_at_once(troupe: Troupe) -> None:
    """The second Ctrl-C does not wait, whatever the grace."""
    deaf = troupe.part("door", code=DEAF)
    supervisor = troupe.supervisor(deaf)
    supervisor.start()
    begun = time.monotonic()

    supervisor.stop(grace=600, hurry=lambda: True)

    assert time.monotonic() - begun < 5
    assert not deaf.process.running


def test_a_start_can_be_given_up(troupe: Troupe) -> None:
    """Ctrl-C in the middle of the start leaves nothing behind."""
    supervisor = troupe.supervisor(troupe.part("redis", code=HANGING))

    supervisor.start(given_up=lambda: troupe.processes[0].running)
    supervisor.stop(grace=0.1)

    assert not troupe.processes[0].running


def test_a_need_that_is_not_in_the_table_is_refused(troupe: Troupe) -> None:
    """The table names a part before the parts that need it."""
    with pytest.raises(ValueError, match="door needs redis before it"):
        troupe.supervisor(troupe.part("door", "redis"), troupe.part("redis"))


def test_pauses_between_restarts_grow_to_half_a_minute() -> None:
    """A part that cannot live does not eat the machine."""
    pauses = [pause_after(failures) for failures in (1, 2, 3, 4, 8, 50, 5000)]

    assert pauses == [0.5, 1, 2, 4, 30, 30, 30]


def _ticked(supervisor: Supervisor) -> bool:
    supervisor.tick()
    return True
