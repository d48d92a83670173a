"""The parts of the system as real processes, for tests."""

from stack.eventually import eventually
from stack.processes import Process, Processes
from stack.stack import Stack

__all__ = ["Process", "Processes", "Stack", "eventually"]
