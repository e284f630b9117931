"""Network namespaces and the devices in them, made by this process for itself: nothing outside of them is touched.

`inside()` starts a program again in user, mount, process and network namespaces of its own: no rights are needed, and
nothing is left behind. There is no way out of it: addresses in it may look public, and lead nowhere else.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CLONE_NEWNET: Final = 0x4000_0000
_TUNSETIFF: Final = 0x4004_54CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_INSIDE: Final = "LAB_NAMESPACES"
_FORWARD: Final = Path("/proc/sys/net/ipv4/ip_forward")

_libc = ctypes.CDLL(None, use_errno=True)


def inside(arguments: list[str]) -> int | None:
    """Run this command again in namespaces of its own and return its exit code; None if that is where it runs."""
    if os.environ.get(_INSIDE):
        ip("link", "set", "lo", "up")
        # From home to home, as to the control abroad: a new namespace does as the machine does, which may be nothing.
        _FORWARD.write_text("1")
        return None
    own = ["unshare", *"--user --map-root-user --net --mount --pid --mount-proc --fork --kill-child".split()]
    process = subprocess.Popen([*own, sys.executable, *arguments], env={**os.environ, _INSIDE: "1"})
    # unshare takes no notice of it, and would go on with all that is inside.
    signal.signal(signal.SIGTERM, lambda *_: process.kill())
    return process.wait()


def ip(*arguments: str) -> None:
    """Run iproute2's command in the namespace that this thread is in."""
    subprocess.run(["ip", *arguments], check=True)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, held by its file."""

    fd: int

    @classmethod
    def make(cls) -> Namespace:
        """A new one, with nothing but its loopback."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call(_libc.unshare, _CLONE_NEWNET)
            fresh = cls(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            ip("link", "set", "lo", "up")
            return fresh
        finally:
            _call(_libc.setns, before, _CLONE_NEWNET)
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in it: devices and processes that are made meanwhile are in it too."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call(_libc.setns, self.fd, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call(_libc.setns, before, _CLONE_NEWNET)
            os.close(before)


def tunnel(name: str) -> int:
    """Make a device in the namespace that this thread is in; what is sent to it is read from the file, and back."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    ip("link", "set", name, "up", "mtu", "1400")
    return fd


def _call(function: object, *arguments: int) -> None:
    if function(*arguments) != 0:  # type: ignore[operator]  # libc's own
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
