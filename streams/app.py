"""For `faust -A streams.app worker`: the app that `netdusk worker` runs, from the same settings."""

from __future__ import annotations

import sys

from streams.settings import SettingsError, load
from streams.worker import Worker

try:
    app = Worker(load()).app
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(2) from error
