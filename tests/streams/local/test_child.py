"""What is started ends with its owner, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from streams.local.child import ChildProcess

SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def pid_in(log: Path) -> int:
    end = time.monotonic() + 20
    while not log.exists() or not log.read_text().strip():
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(log.read_text().split()[0])


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie that nobody waits for has)."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (
            FileNotFoundError,
            ProcessLookupError,
        ):  # the second, where it ends between opening and reading
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_it_ends_when_it_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = ChildProcess([sys.executable, "-c", SLEEPER], "SIGINT", log)
    pid = pid_in(log)
    process.end()
    process.wait(20)
    assert gone(pid)
    assert "KeyboardInterrupt" in log.read_text()  # the signal that was named


def test_it_listens_though_its_owner_was_told_not_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what runs in its background
    try:
        process = ChildProcess([sys.executable, "-c", SLEEPER], "SIGINT", log)
    finally:
        signal.signal(signal.SIGINT, before)
    pid = pid_in(log)
    process.end()
    process.wait(20)
    assert gone(pid)
    assert "KeyboardInterrupt" in log.read_text()


def test_it_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from streams.local.child import ChildProcess;"
            f"ChildProcess([sys.executable, '-c', {SLEEPER!r}], 'SIGTERM', Path({str(log)!r})); time.sleep(600)",
        ],
        cwd=Path(__file__).parents[3],
    )
    pid = pid_in(log)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert gone(pid)


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    process = ChildProcess([sys.executable, "-c", deaf], "SIGTERM", log)
    pid = pid_in(log)
    os.kill(pid, 0)
    process.end()
    process.wait(0.3)
    assert gone(pid)
    assert process.poll() is not None
