"""Says at the end of a run how many alarms the stories gave for each true event."""

import pytest

from tests.stories.telling import FIGURE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if FIGURE in config.stash:
        terminalreporter.write_line(config.stash[FIGURE])
