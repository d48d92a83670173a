"""Outlets: descriptors that take everything."""

from __future__ import annotations

import os
from pathlib import Path

from portaria.runtime.streams import Outlet


def test_what_is_written_arrives_whole(tmp_path: Path) -> None:
    """Though it is written in pieces that a pipe takes."""
    number = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    data = os.urandom(100_000)

    written = Outlet(number).write(data)
    os.close(number)

    assert written == len(data)
    assert (tmp_path / "out").read_bytes() == data


def test_a_pipe_without_a_reader_takes_everything_too() -> None:
    """Nobody is told, since nobody is there."""
    reader, writer = os.pipe()
    os.close(reader)

    written = Outlet(writer).write(b"lost")
    os.close(writer)

    assert written == 4


def test_a_closed_descriptor_takes_everything_too() -> None:
    """As where a handler closed stdout."""
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    os.close(reader)
    os.close(writer)

    assert outlet.write(b"lost") == 4


def test_closing_an_outlet_leaves_its_descriptor_open() -> None:
    """It is the process's."""
    reader, writer = os.pipe()

    Outlet(writer).close()

    assert os.write(writer, b"x") == 1
    for number in (reader, writer):
        os.close(number)
