"""TCP: connect once to one address."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable


class Channel:
    """A connected socket that waits without blocking the loop.

    Waiting and reading are apart, so that giving up a wait never loses bytes that were read.
    """

    __slots__ = ("_loop", "_socket", "_waited", "received")

    def __init__(self, connected: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = connected
        self._loop = loop
        self._waited = True
        #: Bytes that have come, as they were on the wire.
        self.received = 0

    async def receive(self, bytes_max: int = 65_536) -> bytes:
        """Wait for bytes and return them. Empty means that the peer has ended. Raises OSError."""
        # A peer that sends faster than is read would keep the loop, and with it every deadline, to itself.
        if not self._waited:
            await asyncio.sleep(0)
        self._waited = False
        while True:
            try:
                data = self._socket.recv(bytes_max)
            except BlockingIOError:
                await _ready(
                    self._loop, self._loop.add_reader, self._loop.remove_reader, self._socket.fileno()
                )
                self._waited = True
            else:
                self.received += len(data)
                return data

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await _ready(
                    self._loop, self._loop.add_writer, self._loop.remove_writer, self._socket.fileno()
                )

    def send_now(self, data: bytes) -> None:
        """Send what fits into the socket's buffer, and drop the rest without an error. For last words."""
        try:
            self._socket.send(data)
        except OSError:
            return

    def close(self) -> None:
        """Let the socket go."""
        self._socket.close()


async def connect(address: str, port: int) -> Channel:
    """Connect to a numeric address. One attempt. Raises OSError."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    fresh = socket.socket(family, socket.SOCK_STREAM)
    try:
        fresh.setblocking(False)
        await _connected(fresh, loop, (address, port))
    except BaseException:
        fresh.close()
        raise
    return Channel(fresh, loop)


async def _connected(fresh: socket.socket, loop: asyncio.AbstractEventLoop, place: tuple[str, int]) -> None:
    """As `sock_connect` does it, by the socket's number."""
    try:
        fresh.connect(place)
    except (BlockingIOError, InterruptedError):
        await _ready(loop, loop.add_writer, loop.remove_writer, fresh.fileno())
        if number := fresh.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number)) from None


async def _ready(
    loop: asyncio.AbstractEventLoop, add: Callable[..., None], remove: Callable[[int], bool], fileno: int
) -> None:
    """Wait until a socket is ready. By its number: for a socket, the selector spells out its name at each look."""
    ready = loop.create_future()
    add(fileno, _wake, ready)
    try:
        await ready
    finally:
        remove(fileno)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
