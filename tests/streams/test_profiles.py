"""The profile `own`: what is said, and within which time, of a service that one vantage or two lose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings, encode
from streams.profiles import PROFILES
from streams.records import Incident, Scope, Status
from streams.settings import Settings, SettingsError, load
from streams.step.backtest import Backtest

BEGIN = datetime(2024, 1, 20, 12, 0, 7, tzinfo=UTC)
ONSET = BEGIN + timedelta(minutes=15)
#: From the end of a window: the lateness, and a tick.
CLOSING = timedelta(seconds=15)


def own(**more: object) -> Settings:
    return load(profile="own", **more)


def asked(vantages: int, lost: timedelta, minutes: int = 25, *, after_ms: float = 1.0) -> Iterator[bytes]:
    """Two services, each asked every ten seconds from each vantage; the first is lost for a while.

    A first byte takes a millisecond, and once the first service is back `after_ms`.
    """
    for second in range(0, minutes * 60, 10):
        for vantage in range(vantages):
            for platform in ("shop", "blog"):
                moment = BEGIN + timedelta(seconds=second + 3 * vantage + (platform == "blog"))
                ok = platform == "blog" or not ONSET <= moment < ONSET + lost
                yield encode(
                    ProbeResult(
                        id=f"{second}-{vantage}-{platform}",
                        time=moment,
                        platform=platform,
                        country="DE",
                        asn=64500 + vantage,
                        vantage=f"v{vantage}",
                        ok=ok,
                        target=f"https://{platform}.example/",
                        stage=None if ok else Stage.TCP,
                        failure=None if ok else Failure.CONNECTION_REFUSED,
                        control_ok=True,
                        timings_ms=Timings(ttfb=after_ms if moment >= ONSET + lost else 1.0),
                        every_seconds=10.0,
                    )
                )


@cache
def told(vantages: int, lost: timedelta) -> list[Incident]:
    return list(Backtest(own()).run(asked(vantages, lost)))


@pytest.mark.parametrize("vantages", [1, 2])
def test_an_outage_of_two_minutes_is_told_within_two_and_its_end_soon(vantages: int) -> None:
    lost = timedelta(minutes=2)
    incidents = told(vantages, lost)
    assert [one.status for one in incidents if one.status is not Status.UPDATED] == [
        Status.OPEN,
        Status.RESOLVED,
    ]
    opened, resolved = incidents[0], incidents[-1]
    assert opened.confirmed
    assert opened.platforms == ("shop",)
    assert opened.updated + CLOSING - ONSET <= timedelta(seconds=90)
    # Of the three minutes to the end's page, 40 s are Prometheus' and Alertmanager's (tests/monitoring/test_own.py).
    assert resolved.updated + CLOSING - (ONSET + lost) <= timedelta(seconds=140)


@pytest.mark.parametrize("vantages", [1, 2])
def test_it_speaks_of_vantages_and_of_no_nation(vantages: int) -> None:
    for one in told(vantages, timedelta(minutes=2)):
        assert one.scope in (Scope.PROVIDER, Scope.MULTI_PROVIDER)
        assert f"from {vantages} of {vantages} of your vantages" in one.summary
        assert "Germany" not in one.summary
    opened = told(vantages, timedelta(minutes=2))[0]
    assert "shop unreachable" in opened.summary
    assert "control from elsewhere answers" in opened.summary


def test_a_service_is_back_though_it_takes_some_milliseconds_more() -> None:
    lost = timedelta(minutes=2)
    incidents = list(Backtest(own()).run(asked(1, lost, after_ms=6.0)))
    assert incidents[-1].status is Status.RESOLVED


def test_one_failure_is_nothing() -> None:
    assert told(1, timedelta(seconds=10)) == []


def test_what_is_given_goes_over_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own().time.window_seconds == PROFILES["own"]["time"]["window_seconds"]
    assert load().time.window_seconds == 60
    file = tmp_path / "n.toml"
    file.write_text('profile = "own"\n[time]\nwindow_seconds = 30\n')
    settings = load(file)
    assert (settings.time.window_seconds, settings.time.lateness_seconds) == (30, 10)
    monkeypatch.setenv("NETDUSK_PROFILE", "observatory")
    assert load(file).time.lateness_seconds == 30
    monkeypatch.setenv("NETDUSK_PROFILE", "mine")
    with pytest.raises(SettingsError, match="own"):
        load()
