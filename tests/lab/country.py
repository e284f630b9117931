"""The lab: countries of three networks, each with customers in two regions, and a vantage outside of them.

The whole of netdusk runs on it, as its commands: one embedded Kafka, one worker, a `netdusk probe` for each vantage.
Time goes faster by one factor for all: windows, rhythms, half-lives and patience. The countries share the platforms,
the vantage abroad, the broker and the worker; each has its own providers, name servers and vantages.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec

from detectors.settings import DetectionSettings, IncidentSettings, TimeSettings
from producers.records import ProbeResult, decode
from streams.kafka.alerts import follow
from streams.kafka.client import TopicReader
from streams.kafka.topics import ensure
from streams.local.broker import KafkaBroker
from streams.local.child import ChildProcess
from streams.local.stack import Child, Stack
from streams.records import Incident, Status
from streams.settings import TopicSettings, load
from tests.lab.history import Warm, write_checkpoint
from tests.lab.isp import Rule
from tests.lab.net import Namespace, ip, tunnel
from tests.lab.pace import chosen
from tests.lab.places import ABROAD, NETWORKS, Country, Home
from tests.lab.platforms import BROKER, PROCESSES, RESOLVER_ABROAD, SITES, STOP, WELCOME, addresses_of

#: How much faster the lab's time goes: at 15 its windows last 4 s.
PACE: Final = chosen()
WINDOW_SECONDS: Final = 60 // PACE
#: Each target is asked once a window: of a platform's two by six vantages that is 12 a minute of the lab's time.
RHYTHM_SECONDS: Final = float(WINDOW_SECONDS)
TIMEOUT_SECONDS: Final = 0.375 * WINDOW_SECONDS
_CONTROL_PORT: Final = 8470
_START_SECONDS: Final = 120.0
#: A vantage takes a second of CPU to come up, and a busy machine has little.
_MORE_SECONDS: Final = 5.0
_BETWEEN_SECONDS: Final = 3.0
#: By so much vantages are nicer than the rest: a third of its share.
_BEHIND: Final = "5"
_PROBES: Final = "lab.probes"


def paced(section: object) -> dict[str, Any]:
    """The settings of a section whose time goes faster: all that is in seconds."""
    default = asdict(section)  # type: ignore[call-overload]  # a dataclass
    return {
        item.name: (type(default[item.name])(default[item.name] / PACE))
        for item in fields(section)  # type: ignore[arg-type]
        if item.name.endswith("_seconds") and isinstance(default[item.name], int | float)
    }


def settings_file(bootstrap: str, own: str) -> str:
    """The settings, as TOML. All topics but that of the results, and the worker's group, begin with `own`."""
    time_ = {**paced(TimeSettings()), "ahead_seconds": 5}
    incidents = {**paced(IncidentSettings()), "merge_seconds": 5 * WINDOW_SECONDS}
    tables = {
        "kafka": {"bootstrap": bootstrap, "group": f"{own}-worker"},
        "topics": {
            **{role: f"{own}.{role}" for role, name in TopicSettings() if isinstance(name, str)},
            "probes": _PROBES,
            "partitions": 1,
        },
        "http": {"port": 0},
        "worker": {"tick_seconds": 0.5},
        "time": time_,
        # Slowness alone is not looked for: all share the processors of one machine.
        "detection": {**paced(DetectionSettings()), "alarm_slowness": inf},
        "incidents": incidents,
        "probe": {"interval_seconds": RHYTHM_SECONDS, "timeout_seconds": TIMEOUT_SECONDS},
    }
    lines = []
    for name, table in tables.items():
        values = {key: "inf" if value == inf else json.dumps(value) for key, value in table.items()}
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""]
    return "\n".join(lines)


def targets_file() -> str:
    """What the vantages ask: `text` tells a page that is not the platform's own."""
    lines = []
    for site in SITES:
        lines += [
            "[[target]]",
            f"platform = {json.dumps(site.platform)}",
            f"url = {json.dumps(site.url)}",
            f"text = {json.dumps(WELCOME)}",
            # Below that, over half a window, it is throttled.
            "slow_seconds = 0.5",
            "bytes_per_second_min = 20000" if site.page_bytes > 10_000 else "",
            f"family = {json.dumps(site.family)}" if site.family else "",
            "",
        ]
    lines += [
        "[[blockpage]]",
        'name = "the lab\'s"',
        'source = "tests/lab/platforms.py"',
        f"body = {json.dumps(STOP)}",
    ]
    return "\n".join(lines)


@dataclass
class Nation:
    """A country that runs."""

    country: Country
    providers: dict[int, subprocess.Popen[bytes]]
    #: What the worker that runs now has told of it, and when.
    seen: list[tuple[float, Incident]] = field(default_factory=list)

    def rule(self, network: int, *rules: Rule) -> None:
        """Have a provider follow these rules from now on."""
        stream = self.providers[network].stdin
        assert stream is not None
        stream.write(json.dumps([asdict(rule) for rule in rules]).encode() + b"\n")
        stream.flush()

    def snapshots(self, since: float) -> list[Incident]:
        """What was told of it since a moment (of the monotonic clock), in order."""
        return [incident for moment, incident in self.seen if moment >= since]

    def open(self) -> list[Incident]:
        """What stands open in it now."""
        last = {one.id: one for _, one in self.seen}
        return [incident for incident in last.values() if incident.status is not Status.RESOLVED]


class _Vantage(Child):
    """A `netdusk probe` that gets the processors after all that answers and carries.

    A hundred of them would leave the few others a hundredth each: then names are answered too late, and the world
    seems to fail.
    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        command = ["nice", "-n", _BEHIND, sys.executable, "-m", "streams", *arguments]
        self._process = ChildProcess(command, "SIGTERM", log)


@dataclass
class Lab:
    """Countries that run, and what they share."""

    folder: Path
    stack: Stack
    nations: dict[str, Nation]
    spaces: dict[str, Namespace]
    #: What was told of no country, or of the one abroad, where nobody interferes.
    elsewhere: list[Incident] = field(default_factory=list)
    _warm: Warm | None = None

    @property
    def homes(self) -> list[Home]:
        """Where vantages stand: the one abroad first."""
        return [ABROAD, *(home for nation in self.nations.values() for home in nation.country.homes)]

    def _vantage(self, home: Home, resolver: str) -> list[str]:
        """The arguments of `netdusk probe` for a home."""
        place = ["--country", home.country, "--asn", str(home.asn), "--vantage", home.name]
        if home.region:
            place += ["--region", home.region]
        return [
            "probe",
            *place,
            *("--targets", str(self.folder / "targets.toml"), "--resolver", resolver),
            *("--authorities", str(self.folder / "authority.pem")),
            *("--spool", str(self.folder / f"spool-{home.name}")),
        ]

    def start_abroad(self) -> None:
        """Start the vantage outside, and the control that the others ask."""
        asked = self._vantage(ABROAD, RESOLVER_ABROAD)
        where = ("--host", ABROAD.address, "--port", str(_CONTROL_PORT), "--keep", str(RHYTHM_SECONDS))
        listed = asked[asked.index("--targets") : asked.index("--spool")]
        with self.spaces[ABROAD.name].entered():
            self.stack.run("control", "control", *where, *listed)
            self._run(ABROAD, *asked)

    def start_probes(self, country: Country) -> None:
        """Start a vantage in each home of a country."""
        url = f"http://{ABROAD.address}:{_CONTROL_PORT}/v1/check"
        for home in country.homes:
            # Nothing is awaited in a namespace: other tasks would find themselves in it.
            with self.spaces[home.name].entered():
                self._run(home, *self._vantage(home, country.resolver(home.network)), "--control", url)

    def _run(self, home: Home, *arguments: str) -> None:
        config = ("--config", str(self.folder / "netdusk.toml"))
        self.stack.children.append(
            _Vantage(home.name, (*arguments, *config), self.folder / f"{home.name}.log")
        )

    async def results(self, start: int, end: int | None = None) -> list[ProbeResult]:
        """The results at [start, end) of the topic; without an end, all that are there."""
        reader, topic = TopicReader(self.stack.settings.kafka), self.stack.settings.topics.probes
        first, following = (await reader.bounds(topic, [0]))[0]
        found = []
        async for record in reader.records(topic, 0, max(first, start), following if end is None else end):
            result = decode(record.value)
            if isinstance(result, ProbeResult):
                found.append(result)
        return found

    async def next_offset(self) -> int:
        """Where the next result will stand."""
        topic = self.stack.settings.topics.probes
        return (await TopicReader(self.stack.settings.kafka).bounds(topic, [0]))[0][1]

    async def round(self, homes: Sequence[Home], since: int) -> list[ProbeResult]:
        """Wait until each target has had a good result in each of these homes; return the newest of these results.

        Those of a home in a country say that the target answered abroad too: the control is there.
        """
        wanted = {(home.name, site.url, site.family) for home in homes for site in SITES}
        good: dict[tuple[str, str, str], ProbeResult] = {}
        end = time.monotonic() + _START_SECONDS + _MORE_SECONDS * len(homes)
        bad = list(wanted)
        while time.monotonic() < end:
            self.stack.check()
            following = await self.next_offset()
            for result in await self.results(since, following):
                if _is_good(result):
                    good[result.vantage, *_parts(result.target or "")] = result
            since = following
            bad = sorted(wanted - good.keys())
            if not bad:
                return [good[key] for key in sorted(wanted)]
            await asyncio.sleep(1.0)
        raise RuntimeError(f"not well where nobody interferes: {len(bad)} of {len(wanted)}, {bad[:3]}")

    async def come_up(self) -> None:
        """Start all vantages, a country at a time, and take the round of which the warm state is made."""
        self.start_abroad()
        await self.round([ABROAD], 0)
        for nation in self.nations.values():
            self.start_probes(nation.country)
            await asyncio.sleep(_BETWEEN_SECONDS)
        await self.round(self.homes, 0)
        measured = await self.round(self.homes, await self.next_offset())
        self._warm = Warm(
            self.stack.settings, measured, rhythm_seconds=RHYTHM_SECONDS, window_seconds=WINDOW_SECONDS
        )

    @asynccontextmanager
    async def restored(self, number: int) -> AsyncIterator[None]:
        """Run a worker that restores the warm state as it would restore its own.

        Its topics are its own, but for that of the results: it knows nothing of what another one was shown or has told.
        """
        assert self._warm is not None
        config = self.folder / f"worker-{number}.toml"
        config.write_text(settings_file(self.stack.settings.kafka.bootstrap, f"lab{number}"))
        settings = load(config)
        await ensure(settings)
        # The first takes long. What was measured meanwhile is made up for by the second.
        await asyncio.to_thread(self._warm.until, datetime.now(UTC))
        begin = await self.next_offset()
        snapshot = await asyncio.to_thread(self._warm.until, datetime.now(UTC))
        await write_checkpoint(settings, snapshot, begin)
        worker = Child(
            "worker", ("worker", "--config", str(config)), {}, self.folder / f"worker-{number}.log"
        )
        self.stack.children.append(worker)
        await self.stack.ready(worker)
        for nation in self.nations.values():
            nation.seen.clear()
        self.elsewhere.clear()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._listen(number, config)), group.create_task(self._check())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                self.stack.children.remove(worker)
                await worker.stop()

    async def _listen(self, number: int, config: Path) -> None:
        """Note what is told, and when it came."""
        async for incident in follow(load(config)):
            nation = self.nations.get(incident.country or "")
            if nation is not None:
                nation.seen.append((time.monotonic(), incident))
            else:
                self.elsewhere.append(incident)
            with (self.folder / f"told-{number}.jsonl").open("ab") as told:
                told.write(msgspec.json.encode(incident) + b"\n")

    async def _check(self) -> None:
        """Raise ChildError where a process has ended."""
        while True:
            self.stack.check()
            await asyncio.sleep(1.0)


def _is_good(result: ProbeResult) -> bool:
    return result.ok and (result.control_ok is True or result.country == ABROAD.country)


def _parts(target: str) -> tuple[str, str]:
    """A target's URL and its IP version, of its name.

    >>> _parts("https://telegram.test/#ipv6")
    ('https://telegram.test/', 'ipv6')
    """
    url, _, family = target.partition("#")
    return url, family


@contextmanager
def _network(
    countries: Sequence[Country],
) -> Iterator[tuple[dict[str, Namespace], dict[str, Nation]]]:
    """Homes, by vantage, and countries with their providers. With the block, addresses and devices are gone too."""
    spaces: dict[str, Namespace] = {}
    nations: dict[str, Nation] = {}
    with ExitStack() as ends:
        for address in addresses_of(len(countries)):
            ends.enter_context(_address(address))
        ends.enter_context(_provider("net-abroad", [ABROAD], spaces))
        for country in countries:
            nations[country.code] = nation = Nation(country, {})
            for network in NETWORKS:
                homes = [home for home in country.homes if home.network == network]
                nation.providers[network] = ends.enter_context(
                    _provider(country.device(network), homes, spaces)
                )
        yield spaces, nations


@contextmanager
def _provider(
    device: str, homes: Sequence[Home], spaces: dict[str, Namespace]
) -> Iterator[subprocess.Popen[bytes]]:
    """A network: its homes, each in a namespace of its own, and the provider that is their only way out."""
    with ExitStack() as ends:
        uplink = tunnel(device)
        ends.callback(os.close, uplink)
        for prefix in homes[0].prefixes:
            ip("route", "add", prefix, "dev", device)
        ways = []
        for home in homes:
            spaces[home.name] = space = Namespace.make()
            ends.callback(os.close, space.fd)
            with space.entered():
                fd = tunnel("up0")
                ends.callback(os.close, fd)
                ip("address", "add", f"{home.address}/32", "dev", "up0")
                ip("address", "add", f"{home.address_6}/128", "dev", "up0", "nodad")
                for version in ("-4", "-6"):
                    ip(version, "route", "add", "default", "dev", "up0")
            ways += [(home.address, fd), (home.address_6, fd)]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.lab.isp",
                str(uplink),
                *(f"{address}={fd}" for address, fd in ways),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(uplink, *dict.fromkeys(fd for _, fd in ways)),
        )
        ends.callback(_end, process)
        yield process


@contextmanager
def _address(address: str) -> Iterator[None]:
    """An address of the world, as long as the block lasts."""
    alone = f"{address}/{128 if ':' in address else 32}"
    ip("address", "add", alone, "dev", "lo")
    try:
        yield
    finally:
        ip("address", "delete", alone, "dev", "lo")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.terminate()
    process.wait(10)


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[str]:
    """Kafka: HOST:PORT."""
    with _address(BROKER):
        node = KafkaBroker(folder / "broker", host=BROKER)
        await asyncio.to_thread(node.start)
        try:
            yield node.bootstrap
        finally:
            await asyncio.to_thread(node.stop)


@asynccontextmanager
async def running(folder: Path, countries: Sequence[Country]) -> AsyncIterator[Lab]:
    """Countries whose vantages measure; `Lab.restored` adds a worker. Everything in it ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "netdusk.toml"
    (folder / "targets.toml").write_text(targets_file())
    async with _broker(folder) as bootstrap:
        config.write_text(settings_file(bootstrap, "lab"))
        with _network(countries) as (spaces, nations):
            platforms = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.platforms", str(folder), str(len(countries))],
                stdin=subprocess.PIPE,
            )
            try:
                for part in range(PROCESSES):
                    await _until((folder / f"serving-{part}").exists, "the platforms")
                async with Stack(load(config), folder, config=config, embedded=False) as stack:
                    lab = Lab(folder, stack, nations, spaces)
                    try:
                        await lab.come_up()
                        yield lab
                    finally:
                        # All at once: one after the other would take as long as they are many.
                        await asyncio.gather(*(child.stop() for child in stack.children))
            finally:
                _end(platforms)


async def _until(ready: Any, what: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come up")
        await asyncio.sleep(0.05)
