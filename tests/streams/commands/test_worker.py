"""`netdusk worker`: it ends in good order also before it has begun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest


@pytest.mark.integration
def test_a_worker_that_is_stopped_while_it_starts_ends_with_0() -> None:
    command = [sys.executable, "-m", "streams", "worker", "--bootstrap", "127.0.0.1:1", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NETDUSK_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:  # said before the worker is there
            if "trust.policy is not set" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=10) == 0


@pytest.mark.integration
def test_a_port_that_is_taken_is_said_and_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "streams", "worker", "--bootstrap", "127.0.0.1:1", "--port", port],
            env={name: value for name, value in os.environ.items() if not name.startswith("NETDUSK_")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"port {port} of 127.0.0.1 can't be had (address already in use)" in said
    assert "Traceback" not in said
