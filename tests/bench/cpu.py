"""Processor time of processes: what a noisy neighbour hardly changes."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def cpu_seconds(pids: Iterable[int]) -> float:
    """Seconds that these processes and all their descendants used so far, ended ones included."""
    return sum(_of_tree(psutil.Process(pid)) for pid in pids)


def _of_tree(parent: psutil.Process) -> float:
    total = 0.0
    for process in (parent, *parent.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
