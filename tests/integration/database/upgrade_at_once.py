"""Upgrades one database by several processes at once; says what each ran.

python upgrade_at_once.py PROCESSES
"""

from __future__ import annotations

import os
import sys

from portaria.database import open_database
from portaria.database.upgrading import upgrade


def main(number: int) -> int:
    """How many failed."""
    gate, opened = os.pipe()
    children = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            os.close(opened)
            os.read(gate, 1)  # until all may begin
            failed = 1
            try:
                for name in upgrade(open_database(), ["portaria"]):
                    print(name, flush=True)
                failed = 0
            finally:
                os._exit(failed)
        children.append(child)
    os.close(opened)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
