"""A vantage at work: schedule, attempts, control results, and the way out, put together from the settings.

What an attempt is and how results get to the broker is the producers' matter; here they only meet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import structlog

from producers.addresses import split_server
from producers.bundles import Signer
from producers.failures import Stage
from producers.probe.asked import AskedTarget, Fingerprints, KnownPage
from producers.probe.attempt import USER_AGENT, Outcome, Tools, attempt
from producers.probe.control import ControlResults, ControlWriter
from producers.probe.dns import Resolver
from producers.probe.kafka_sender import KafkaSender
from producers.probe.schedule import ScheduleTotals, Timetable, once, pause, run
from producers.probe.sink import BUNDLE_LINGER_SECONDS, BundleSender, Sink
from producers.probe.spool import Spool, SpoolError
from producers.probe.tls import Contexts
from producers.probe.vantage import ProbeVantage
from producers.records import ProbeResult, VantagePresence, VantageStatus, encode
from streams.errors import SettingsError, install
from streams.kafka.options import producer_options

if TYPE_CHECKING:
    from producers.probe.quic import Quic
    from producers.probe.signed_lists import Signed
    from producers.probe.targets import Target
    from streams.settings import ProbeSettings, Settings

log = structlog.get_logger()

#: File descriptors for all that is not an attempt.
_OWN_FILES: Final = 64
#: File descriptors of an attempt: the name server's socket is closed before the connection is made.
_FILES_PER_ATTEMPT: Final = 1
#: What a scheme needs that is loaded nowhere else.
_LOADED_FOR: Final = {
    "h2": "producers.probe.http2",
    "h3": "producers.probe.http3",
    "quic": "producers.probe.quic",
}
_SAY_SECONDS: Final = 60.0
#: In the spool: the newest signed list of each key that was asked by.
_LISTS: Final = "lists"
#: How often a vantage says that it is there, beside its results.
_PRESENT_SECONDS: Final = 600.0

#: What takes an outcome, with its record.
Take = Callable[[Outcome, ProbeResult], None]


@dataclass(frozen=True, slots=True)
class AskedList:
    """What is asked, and which block pages are known."""

    target: tuple[AskedTarget, ...]
    blockpage: tuple[KnownPage, ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms' names, each once, in the list's order."""
        return tuple(dict.fromkeys(target.platform for target in self.target))


@dataclass(slots=True)
class Probing:
    """Everything that an attempt needs, read and checked: made before the first packet leaves.

    Raises SettingsError where the settings, the targets file or a file that they name can't be used. What is handed
    over by a process that has read and checked it (`streams.local.lean`) is not read again.
    """

    settings: Settings
    given: AskedList | None = None
    release: str | None = None
    vantage: ProbeVantage = field(init=False)
    targets: AskedList = field(init=False)
    tools: Tools = field(init=False)
    control: ControlResults | None = field(init=False)
    writer: ControlWriter | None = field(init=False)
    tally: ScheduleTotals = field(default_factory=ScheduleTotals)

    def __post_init__(self) -> None:
        probe = self.settings.probe
        self.vantage = vantage_of(probe)
        self.targets = self.given or targets_of(probe)
        self.tools = tools_of(probe, self.targets)
        self.control = (
            ControlResults(
                probe.control,
                [target.name for target in self.targets.target],
                quorum=probe.control_quorum,
                age_seconds_max=probe.control_age_seconds,
            )
            if probe.control
            else None
        )
        self.writer = ControlWriter(probe.control_out) if probe.control_out else None

    async def once(self, take: Take) -> None:
        """Ask each target one time."""
        if self.control is not None:
            await self.control.refresh()
        await once(
            self.targets.target,
            partial(self._measure, take=take, promised=False),
            concurrency_max=enough_files(self.settings.probe.concurrency),
        )
        self._write_control()

    async def run(self, take: Take, *, stop: asyncio.Event, count_max: int | None = None) -> None:
        """Ask the targets until `stop`, or until there are enough results. Then wait for what is under way."""
        probe = self.settings.probe
        _stop_on_signals(stop)
        left = count_max

        async def measure(target: AskedTarget) -> None:
            nonlocal left
            if left is not None:
                if left <= 0:
                    return
                left -= 1
                if left == 0:
                    stop.set()
            await self._measure(target, take=take, promised=True)

        if self.control is not None:
            await self.control.refresh()
        timetable = Timetable(
            self.targets.target,
            interval_seconds=probe.interval_seconds,
            jitter=probe.jitter,
            seed=self.vantage.name,
            start_seconds=time.monotonic(),
        )
        async with asyncio.TaskGroup() as group:
            refreshing = group.create_task(self._keep_control_fresh(stop))
            await run(
                timetable,
                measure,
                concurrency_max=enough_files(probe.concurrency),
                per_target_max=probe.concurrency_per_target,
                stop=stop,
                clock=time.monotonic,
                tally=self.tally,
            )
            refreshing.cancel()
        self._write_control()

    def status(self, presence: VantagePresence) -> VantageStatus:
        """What the vantage says of itself now."""
        return self.vantage.status(
            presence,
            datetime.now(UTC),
            every_seconds=self.settings.probe.interval_seconds,
            targets=len(self.targets.target),
            version=self.version,
        )

    @property
    def version(self) -> str:
        """Which release measures."""
        if self.release is None:
            from streams.release import release  # noqa: PLC0415  3 MB

            self.release = release()
        return self.release

    async def _measure(self, target: AskedTarget, *, take: Take, promised: bool) -> None:
        outcome = await attempt(target, self.tools)
        control_ok = self.control.ok(target.name, outcome.began) if self.control is not None else None
        if self.writer is not None:
            self.writer.note(outcome)
        every = (target.interval_seconds or self.settings.probe.interval_seconds) if promised else None
        take(outcome, self.vantage.record(outcome, control_ok=control_ok, every_seconds=every))

    async def _keep_control_fresh(self, stop: asyncio.Event) -> None:
        if self.control is None:
            return
        probe = self.settings.probe
        while not await pause(stop, min(probe.interval_seconds, probe.control_age_seconds / 3)):
            await self.control.refresh()

    def _write_control(self) -> None:
        if self.writer is not None:
            self.writer.write()


async def send(probing: Probing, *, count_max: int | None) -> None:
    """Measure, and write results to the probes topic, until SIGTERM or SIGINT.

    Raises SettingsError where the spool or a port can't be had, RuntimeError where the sink ended by a bug.
    """
    settings = probing.settings
    sink = _sink_of(settings, probing.vantage)
    stop = asyncio.Event()
    seen: Counter[str] = Counter()
    bugs: list[RuntimeError] = []
    note, page = await _page_of(probing, sink)

    def take(outcome: Outcome, record: ProbeResult) -> None:
        seen["ok" if outcome.ok else "failed"] += 1
        note(outcome)
        try:
            sink.put(encode(record))
        except RuntimeError as error:
            bugs.append(error)
            stop.set()

    async def say() -> None:
        while not await pause(stop, _SAY_SECONDS):
            log.info("measured", ok=seen["ok"], failed=seen["failed"], **_state(sink))
            seen.clear()

    async def say_present() -> None:
        with suppress(RuntimeError):  # the sink has ended: the next result says so
            while True:
                sink.put(encode(probing.status(VantagePresence.UP)))
                await asyncio.sleep(_PRESENT_SECONDS)

    sink.start()
    tasks = [asyncio.create_task(say()), asyncio.create_task(say_present())]
    try:
        await probing.run(take, stop=stop, count_max=count_max)
    finally:
        for task in tasks:
            task.cancel()
        # A silence that was announced is none. Where the sink has failed, that is said below.
        with suppress(RuntimeError):
            sink.put(encode(probing.status(VantagePresence.LEAVING)))
        # The last results go to the broker or the disk; a thread waits for that, the loop stays awake.
        await asyncio.to_thread(sink.close)
        if page is not None:
            await page()
        log.info("ended", **_state(sink))
    if bugs:
        raise bugs[0]


class Lines:
    """Writes results to stdout (or `out`), one JSON a line, for as long as anybody reads them."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        self.wanted = True
        self._out = out or sys.stdout.buffer

    def write(self, line: bytes) -> None:
        """Write one; nothing after `| head` has enough."""
        if not self.wanted:
            return
        try:
            self._out.write(line + b"\n")
            self._out.flush()
        except BrokenPipeError:
            # What is still in the buffer has to go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
            self.wanted = False


async def write_lines(probing: Probing, *, count_max: int | None) -> None:
    """Measure, and write results to stdout, one JSON a line, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    out = Lines()

    def take(outcome: Outcome, record: ProbeResult) -> None:
        out.write(encode(record))
        if not out.wanted:
            stop.set()

    await probing.run(take, stop=stop, count_max=count_max)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM or SIGINT ends the rounds; a second one does what it does by default."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def heard() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, heard)


def vantage_of(probe: ProbeSettings) -> ProbeVantage:
    """Who measures. Raises SettingsError where the country isn't set."""
    if probe.country is None:
        raise SettingsError(
            "settings: probe.country is missing: say where this vantage stands, with --country PK, "
            'NETDUSK_PROBE__COUNTRY=PK, or country = "PK" under [probe] in the settings file'
        )
    name = probe.vantage or f"{probe.country.lower()}-{probe.asn}"
    return ProbeVantage(name=name, country=probe.country, asn=probe.asn, region=probe.region)


def targets_of(probe: ProbeSettings) -> AskedList:
    """What is asked. Raises SettingsError where the list can't be used, or leads where nobody allowed."""
    from producers.probe.targets import TargetsError, load_targets  # noqa: PLC0415  not in a lean process

    _check_list(probe)
    try:
        targets = load_targets(probe.targets)
    except TargetsError as error:
        raise SettingsError(str(error)) from error
    try:
        chosen = targets.only(probe.platforms)
    except ValueError as error:
        raise SettingsError(f"settings: probe.platforms = {list(probe.platforms)!r}: {error}") from error
    for target in chosen.target:
        _check_private(target, probe)
    return AskedList(chosen.target, chosen.blockpage)


def _check_list(probe: ProbeSettings, *, keep: bool = False) -> None:
    """Check that the targets file is signed, and no older than the newest that was asked by. Raises SettingsError.

    `keep`: it is asked by from now on.
    """
    if probe.targets is None or not probe.targets_keys:  # the list that netdusk brings comes with netdusk
        return
    from producers.probe.signed_lists import SignatureError, check_newest, remember  # noqa: PLC0415

    signed, kept = check_signature(probe.targets, probe.targets_keys), probe.spool / _LISTS
    try:
        check_newest(signed, kept)
    except SignatureError as error:
        raise SettingsError(f"{probe.targets}: {error}") from error
    if keep:
        try:
            remember(signed, kept, datetime.now(UTC))
        except OSError as error:
            raise SettingsError(
                f"settings: probe.spool = '{probe.spool}': {error.strerror}; name a folder"
            ) from error


def check_signature(file: Path, keys: Sequence[str]) -> Signed:
    """Which of these keys has signed a targets file, and when. Raises SettingsError where none has."""
    from producers.probe.signed_lists import SUFFIX, SignatureError, signer_of  # noqa: PLC0415

    beside = Path(f"{file}{SUFFIX}")
    try:
        return signer_of(file.read_bytes(), beside.read_bytes(), keys)
    except OSError as error:
        raise SettingsError(
            f"{error.filename}: {error.strerror}; a list has to be signed here (probe.targets_keys): "
            "`netdusk targets sign FILE --key KEY` writes its signature beside it"
        ) from error
    except SignatureError as error:
        raise SettingsError(f"{file}: {error}") from error
    except ModuleNotFoundError as error:
        raise SettingsError(f"a signed list needs {error.name}; {install('trust')}") from error


def _check_private(target: Target, probe: ProbeSettings) -> None:
    """Refuse to start where a target would lead into a private network that nobody has allowed."""
    from producers.probe.targets import TargetsError  # noqa: PLC0415  not in a lean process

    if target.private and not probe.allow_private:
        raise SettingsError(
            f"targets: {target.url} has private = true, and probe.allow_private is false: a vantage contacts no "
            "private address. If it is a service of your own, start with --allow-private, or set "
            "allow_private = true under [probe]"
        )
    try:
        target.check_place()
    except TargetsError as error:
        raise SettingsError(str(error)) from error


def tools_of(probe: ProbeSettings, targets: AskedList) -> Tools:
    """What every attempt needs. Raises SettingsError where the authorities can't be read."""
    server, port = split_server(probe.resolver) if probe.resolver else (None, 53)
    try:
        contexts = Contexts(probe.authorities)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"settings: probe.authorities = '{probe.authorities}': {why}; name a readable PEM file of certificates"
        ) from error
    return Tools(
        resolver=Resolver(server, port, probe.family),
        contexts=contexts,
        fingerprints=Fingerprints(targets.blockpage),
        user_agent=probe.user_agent or USER_AGENT,
        timeout_seconds=probe.timeout_seconds,
        allow_private=probe.allow_private,
        quic=_quic_of(probe, targets),
    )


def _quic_of(probe: ProbeSettings, targets: AskedList) -> Quic | None:
    """What QUIC needs, where a target asks for it. Raises SettingsError where a target's library is not there."""
    asked = [one for target in targets.target for one in (target, target.compared) if one is not None]
    try:
        for target in asked:
            if (module := _LOADED_FOR.get(target.place.scheme)) is not None:
                import_module(module)
        if not any(Stage.QUIC in target.steps for target in asked):
            return None
        from producers.probe.quic import Quic  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(f"targets: {target.url} needs {error.name}; {install('quic')}") from error
    logging.getLogger("quic").setLevel(logging.CRITICAL)  # what a server did is in the result
    return Quic(probe.authorities)


def check_way_out(settings: Settings) -> None:
    """Raise SettingsError where results could be brought neither to a broker nor to the disk."""
    probe = settings.probe
    _spool_of(probe).close()
    producer_options(settings.kafka)
    if probe.signing_key is not None:
        _signer_of(probe.signing_key, probe.spool / "sequence")


def _spool_of(probe: ProbeSettings) -> Spool:
    try:
        return Spool(probe.spool, bytes_max=probe.spool_bytes)
    except SpoolError as error:
        raise SettingsError(f"settings: probe.spool = {error}") from error


def _sink_of(settings: Settings, vantage: ProbeVantage) -> Sink:
    probe = settings.probe
    spool = _spool_of(probe)
    _check_list(probe, keep=True)
    if spool.records or spool.torn:
        log.info("results of an earlier run wait in the spool", records=spool.records, torn_bytes=spool.torn)
    kafka = settings.kafka
    options = producer_options(kafka, client_id=f"{kafka.client_id}-probe")
    connect = partial(KafkaSender, options, settings.topics.probes, vantage.country.encode())
    if probe.signing_key is None:
        return Sink(connect, spool, where=settings.kafka.bootstrap)
    signer = _signer_of(probe.signing_key, probe.spool / "sequence")
    log.info("results are signed", key=signer.key_id)
    return Sink(
        lambda: BundleSender(connect(headers_of=signer.headers), vantage.name),
        spool,
        where=settings.kafka.bootstrap,
        linger_seconds=BUNDLE_LINGER_SECONDS,
    )


def _signer_of(file: Path, kept: Path) -> Signer:
    """What signs. Raises SettingsError where the file holds no key."""
    try:
        return Signer(file.read_text().strip(), kept)
    except ModuleNotFoundError as error:
        raise SettingsError(f"probe.signing_key needs {error.name}; {install('trust')}") from error
    except OSError as error:
        raise SettingsError(
            f"settings: probe.signing_key = '{file}': {error.strerror}; name a readable file"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"settings: probe.signing_key = '{file}': {error}; make one with `netdusk vantage keygen FILE`"
        ) from error


def enough_files(concurrency: int) -> int:
    """Raise this process's limit of open files as needed; how many attempts at once it then allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = concurrency * _FILES_PER_ATTEMPT + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = concurrency if soft == resource.RLIM_INFINITY else (soft - _OWN_FILES) // _FILES_PER_ATTEMPT
    if allowed < concurrency:
        log.warning(
            "fewer attempts at once than probe.concurrency: raise the limit of open files", limit=hard
        )
    return max(1, min(concurrency, allowed))


async def _page_of(
    probing: Probing, sink: Sink
) -> tuple[Callable[[Outcome], None], Callable[[], Any] | None]:
    """Open /metrics. Return what counts an outcome, and what closes the page (None if no port is set)."""
    port = probing.settings.probe.metrics_port
    if port is None:
        return lambda outcome: None, None
    # Loaded where it is wanted: a small vantage without a page is spared both.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    from producers.probe.metrics import ProbeMetrics  # noqa: PLC0415
    from streams.engine.web import Answers, WebServer  # noqa: PLC0415
    from streams.settings import HttpSettings  # noqa: PLC0415

    registry = CollectorRegistry()
    metrics = ProbeMetrics(registry, probing.targets.platforms, probing.tally, lambda: sink)

    async def figures() -> bytes:
        return generate_latest(registry)

    http = HttpSettings(host=probing.settings.http.host, port=port)
    server = WebServer(http, Answers(figures, lambda: None, lambda: None, lambda: None))
    try:
        await server.start()
    except OSError as error:
        raise SettingsError(
            f"settings: probe.metrics_port = {port}: {error.strerror}; name a free port, or 0 for any"
        ) from error
    return metrics.note, server.stop


def _state(sink: Sink) -> dict[str, Any]:
    figures = sink.figures
    return {
        "sent": figures.sent,
        "in_spool": sink.spool_records,
        "dropped": sum(figures.dropped.values()),
        "broker_answers": figures.broker_answers,
    }
