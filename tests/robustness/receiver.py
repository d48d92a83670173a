"""Where effects arrive, outside the system: a real server that honours the key of a delivery.

    python receiver.py DATABASE

Listens on a free port of 127.0.0.1 and says so. A delivery is a line of JSON, {"key", "job",
"attempt"}; the answer is "applied" or "known". The table `effects` holds each key once, `attempts`
every delivery.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE effects (key TEXT PRIMARY KEY, job TEXT NOT NULL);
CREATE TABLE attempts (key TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER, at REAL);
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at an effect, as it arrived."""

    key: str
    job_id: str
    attempt: int


class Receiver:
    """Keeps what arrives in an SQLite file."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)

    async def serve(self) -> None:
        """Serves until it is killed."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line.endswith(b"\n"):
                writer.write(self._note(json.loads(line)).encode() + b"\n")
                await writer.drain()
        except OSError:
            return  # whoever delivered was killed
        finally:
            writer.close()

    def _note(self, said: dict[str, str]) -> str:
        row = (said["key"], said["job"], said["attempt"], time.time())
        self._database.execute("INSERT INTO attempts VALUES (?, ?, ?, ?)", row)
        known = self._database.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", row[:2])
        return "applied" if known.rowcount else "known"


def deliveries(path: Path) -> tuple[dict[str, str], list[Delivery]]:
    """What a receiver has: key -> job of what was applied, and every delivery in order."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        applied = dict(database.execute("SELECT key, job FROM effects").fetchall())
        rows = database.execute("SELECT key, job, attempt FROM attempts ORDER BY rowid").fetchall()
    finally:
        database.close()
    return applied, [Delivery(*row) for row in rows]


if __name__ == "__main__":
    asyncio.run(Receiver(Path(sys.argv[1])).serve())
