"""A TCP proxy between workers and broker that can be made to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes bytes on, late, not at all, or with a reset.

    Attributes
    ----------
    latency_seconds
        Added to every piece on its way back.
    lose_answers
        What the broker answers is thrown away: requests arrive, acknowledgements do not.
    cut
        No connection is taken, and those that exist are silent.
    """

    target_port: int
    latency_seconds: float = 0.0
    lose_answers: bool = False
    cut: bool = False
    port: int = 0
    _server: asyncio.Server | None = None
    _pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Every connection ends with a TCP reset, in both directions."""
        for pair in list(self._pairs):
            for writer in pair:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        self._pairs.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # at the end of a test; asyncio would print it
            await self._pass(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.transport.abort()
            return
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, out)
        self._pairs.add(pair)
        tasks = {
            asyncio.create_task(self._pass_on(reader, out, answers=False)),
            asyncio.create_task(self._pass_on(back, writer, answers=True)),
        }
        self._tasks |= tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks -= tasks
        self._pairs.discard(pair)
        for end in pair:
            end.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if answers and self.latency_seconds:
                    await asyncio.sleep(self.latency_seconds)
                if self.cut or (answers and self.lose_answers):
                    continue
                writer.write(data)
                await writer.drain()
