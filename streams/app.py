"""For `faust -A streams.app worker`: the app that `netdusk worker` runs, from the same settings."""

from __future__ import annotations

import sys

from streams.engine.worker import Worker
from streams.settings import SettingsError, load

try:
    app = Worker(load()).app
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(2) from error
