"""A TCP proxy that cuts replies: the request arrived, its answer never comes.

    python proxy.py --to PORT --cut 0.02 --seed 7

Listens on a free port of 127.0.0.1 and says so, then says a line for each cut. Half of the cut
replies get lost whole, half in the middle. It cuts from SIGUSR1 to SIGUSR2.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
from contextlib import suppress

import uvloop


class Proxy:
    """Passes bytes on, and now and then breaks the connection instead of passing on a reply."""

    def __init__(self, port: int, cut: float, rng: random.Random) -> None:
        self._port = port
        self._share = cut
        self._cut = 0.0
        self._rng = rng

    def harm(self) -> None:
        """Cuts from now on."""
        self._cut = self._share

    def heal(self) -> None:
        """Cuts no more."""
        self._cut = 0.0

    async def serve(self) -> None:
        """Serves until it is killed."""
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, outgoing = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        there = asyncio.create_task(self._pipe(reader, outgoing, replies=False))
        back = asyncio.create_task(self._pipe(upstream, writer, replies=True))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for way in (there, back):
            way.cancel()
        for end in (writer, outgoing):
            end.close()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if replies and self._rng.random() < self._cut:
                    kept = len(data) // 2 if self._rng.random() < 0.5 else 0
                    print(f"cut a reply: {kept} of {len(data)} bytes arrive", flush=True)
                    writer.write(data[:kept])
                    return
                writer.write(data)
                await writer.drain()


async def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--cut", type=float, required=True)
    parser.add_argument("--seed", required=True)
    options = parser.parse_args()
    proxy = Proxy(options.to, options.cut, random.Random(options.seed))
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, proxy.harm)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, proxy.heal)
    await proxy.serve()


if __name__ == "__main__":
    uvloop.run(main())
