"""The lab: three networks of one country, each with customers in two regions, and a vantage outside of it.

The whole of netdusk runs on it, as its commands: an embedded Kafka, a worker, a `netdusk probe` for each vantage. Time
goes faster by one factor for all: windows, rhythms, half-lives and patience. Several countries may run side by side:
they share the broker, and have all else to themselves, their topics too.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from detectors.settings import DetectionSettings, IncidentSettings, TimeSettings
from producers.records import ProbeResult, decode, encode
from streams.engine.checkpoint import CheckpointLog, split
from streams.incidents import DETECTOR_VERSION
from streams.kafka.alerts import follow
from streams.kafka.client import TopicReader, disconnect, producer
from streams.local.broker import KafkaBroker
from streams.local.stack import Stack
from streams.machine import Chunk
from streams.records import Incident, Status
from streams.release import release
from streams.settings import Settings, TopicSettings, fingerprint, load
from streams.step.country import CountryMachine
from tests.lab.isp import Rule
from tests.lab.net import Namespace, ip, tunnel
from tests.lab.pace import chosen
from tests.lab.places import NETWORKS, Country, Home
from tests.lab.platforms import ADDRESSES, BROKER, SITES, STOP, WELCOME

log = structlog.get_logger()

#: How much faster the lab's time goes: at 15 its windows last 4 s.
PACE: Final = chosen()
WINDOW_SECONDS: Final = 60 // PACE
#: Each target is asked twice a window.
RHYTHM_SECONDS: Final = WINDOW_SECONDS / 2
TIMEOUT_SECONDS: Final = 0.375 * WINDOW_SECONDS
HISTORY_WINDOWS: Final = 600
_CONTROL_PORT: Final = 8470
_START_SECONDS: Final = 60.0
#: Times scatter so (the standard deviation of their logarithm): the whole country runs on one machine.
_SCATTER: Final = 0.8


def paced(section: object) -> dict[str, Any]:
    """The settings of a section whose time goes faster: all that is in seconds."""
    default = asdict(section)  # type: ignore[call-overload]  # a dataclass
    return {
        item.name: (type(default[item.name])(default[item.name] / PACE))
        for item in fields(section)  # type: ignore[arg-type]
        if item.name.endswith("_seconds") and isinstance(default[item.name], int | float)
    }


def settings_file(bootstrap: str, own: str) -> str:
    """The worker's settings, as TOML: its topics and its group begin with `own`."""
    time_ = {**paced(TimeSettings()), "ahead_seconds": 5}
    incidents = {**paced(IncidentSettings()), "merge_seconds": 5 * WINDOW_SECONDS}
    tables = {
        "kafka": {"bootstrap": bootstrap, "group": f"{own}-worker"},
        "topics": {
            **{role: f"{own}.{role}" for role, name in TopicSettings() if isinstance(name, str)},
            "partitions": 1,
        },
        "http": {"port": 0},
        "worker": {"tick_seconds": 0.5},
        "time": time_,
        # Slowness alone is not looked for: all share the processors of one machine.
        "detection": {**paced(DetectionSettings()), "alarm_slowness": 1e9},
        "incidents": incidents,
        "probe": {"interval_seconds": RHYTHM_SECONDS, "timeout_seconds": TIMEOUT_SECONDS},
    }
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
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
class Lab:
    """A country that runs."""

    country: Country
    folder: Path
    stack: Stack
    providers: dict[int, subprocess.Popen[bytes]]
    spaces: dict[str, Namespace]
    seen: list[tuple[float, Incident]] = field(default_factory=list)

    def rule(self, network: int, *rules: Rule) -> None:
        """Have a provider follow these rules from now on."""
        stream = self.providers[network].stdin
        assert stream is not None
        stream.write(json.dumps([asdict(rule) for rule in rules]).encode() + b"\n")
        stream.flush()

    def snapshots(self, since: float) -> list[Incident]:
        """What was told of the country since a moment (of the monotonic clock), in order."""
        return [
            incident
            for moment, incident in self.seen
            if moment >= since and incident.country == self.country.code
        ]

    def open(self) -> list[Incident]:
        """What stands open in the country now."""
        last = {one.id: one for _, one in self.seen if one.country == self.country.code}
        return [incident for incident in last.values() if incident.status is not Status.RESOLVED]

    def vantage(self, home: Home, *arguments: str) -> list[str]:
        """The arguments of `netdusk probe` for a home."""
        place = ["--country", home.country, "--asn", str(home.asn), "--vantage", home.name]
        if home.region:
            place += ["--region", home.region]
        resolver = self.country.resolver(home.network)
        return [
            "probe",
            *place,
            *("--targets", str(self.folder / "targets.toml"), "--resolver", resolver),
            *("--authorities", str(self.folder / "authority.pem")),
            *arguments,
        ]

    async def first_round(self) -> list[ProbeResult]:
        """One round from each vantage; all of it has to be good before anybody interferes."""
        found = []
        for home in self.country.everybody:
            command = [sys.executable, "-m", "streams", *self.vantage(home, "--once", "--json")]
            # Nothing is awaited in a namespace: other countries' tasks would find themselves in it.
            with self.spaces[home.name].entered():
                process = subprocess.Popen(
                    [*command, "--config", str(self.folder / "netdusk.toml")], stdout=subprocess.PIPE
                )
            out, _ = await asyncio.to_thread(process.communicate)
            found += [msgspec.json.decode(line, type=ProbeResult) for line in out.splitlines()]
        bad = [result for result in found if not result.ok]
        if bad or len(found) != len(self.country.everybody) * len(SITES):
            raise RuntimeError(
                f"the lab is not well before anybody interferes: {len(found)} results, {bad[:3]}"
            )
        return found

    def start_probes(self) -> None:
        """Start a vantage in each home, and the one outside that is their control."""
        abroad = self.country.abroad
        with self.spaces[abroad.name].entered():
            asked = self.vantage(abroad)
            self.stack.run(
                "control",
                *(
                    "control",
                    "--host",
                    abroad.address,
                    "--port",
                    str(_CONTROL_PORT),
                    "--keep",
                    str(RHYTHM_SECONDS),
                ),
                *asked[asked.index("--targets") :],
            )
        for home in self.country.everybody:
            url = f"http://{abroad.address}:{_CONTROL_PORT}/v1/check"
            more = [] if home is abroad else ["--control", url]
            with self.spaces[home.name].entered():
                self.stack.run(
                    home.name, *self.vantage(home, *more, "--spool", str(self.folder / f"spool-{home.name}"))
                )

    async def all_report(self, since: int = 0) -> int:
        """Wait until results of every vantage are on the topic; return where what comes next will stand."""
        reader, topic = TopicReader(self.stack.settings.kafka), self.stack.settings.topics.probes
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            self.stack.check()
            start, following = (await reader.bounds(topic, [0]))[0]
            vantages = set()
            async for record in reader.records(topic, 0, max(start, since), following):
                result = decode(record.value)
                if isinstance(result, ProbeResult):
                    vantages.add(result.vantage)
            if len(vantages) == len(self.country.everybody):
                return following
            await asyncio.sleep(0.5)
        raise RuntimeError(f"only {sorted(vantages)} report")

    async def next_offset(self) -> int:
        """Where the next result will stand."""
        topic = self.stack.settings.topics.probes
        return (await TopicReader(self.stack.settings.kafka).bounds(topic, [0]))[0][1]

    async def abroad(self, start: int, end: int) -> tuple[int, int]:
        """Of the results in [start, end), how many are from abroad, and how many of these failed: by themselves."""
        reader, topic = TopicReader(self.stack.settings.kafka), self.stack.settings.topics.probes
        found = failed = 0
        async for record in reader.records(topic, 0, start, end):
            result = decode(record.value)
            if isinstance(result, ProbeResult) and result.country == self.country.abroad.country:
                found += 1
                failed += not result.ok
        return found, failed

    async def listen(self) -> None:
        """Note what is told, and when it came."""
        async for incident in follow(self.stack.settings):
            self.seen.append((time.monotonic(), incident))
            with (self.folder / "told.jsonl").open("ab") as told:
                told.write(msgspec.json.encode(incident) + b"\n")


def history(settings: Settings, measured: Sequence[ProbeResult], abroad: Home, end: datetime) -> bytes:
    """The state of a worker that has seen that round again and again, with its measured times, until `end`."""
    machine = CountryMachine(settings)
    dice = random.Random(1)
    begin = end - timedelta(seconds=HISTORY_WINDOWS * WINDOW_SECONDS)
    rounds = int(HISTORY_WINDOWS * WINDOW_SECONDS / RHYTHM_SECONDS)
    number = 0
    for turn in range(rounds):
        start = begin + timedelta(seconds=turn * RHYTHM_SECONDS)
        values, stamps, keys = [], [], []
        for place, result in enumerate(measured):
            moment = start + timedelta(seconds=RHYTHM_SECONDS * place / len(measured))
            again = msgspec.structs.replace(
                result,
                id=f"h{number}",
                time=moment,
                control_ok=None if result.country == abroad.country else True,
                every_seconds=RHYTHM_SECONDS,
                timings_ms=_about(result, dice),
            )
            number += 1
            values.append(encode(again))
            keys.append(result.country.encode())
            stamps.append(int(moment.timestamp() * 1000) + 50)
        offsets = list(range(number - len(values), number))
        machine.apply(machine.read(Chunk(settings.topics.probes, 0, offsets, values, stamps, keys)))
    return machine.snapshot()


def _about(result: ProbeResult, dice: random.Random) -> Any:
    taken = result.timings_ms
    assert taken is not None
    factor = dice.lognormvariate(0, _SCATTER)
    return msgspec.structs.replace(
        taken,
        **{name: value and round(value * factor, 2) for name, value in msgspec.structs.asdict(taken).items()},
    )


async def write_checkpoint(settings: Settings, snapshot: bytes, begin: int) -> None:
    """Put a state where a worker looks for it; the probes topic goes on from `begin`."""
    sender = producer(settings.kafka)
    await sender.start()
    reader = TopicReader(settings.kafka)

    async def read(start: int, end: int) -> AsyncIterator[tuple[int, bytes | None]]:
        async for record in reader.records(settings.topics.checkpoints, 0, start, end):
            yield record.offset, record.value

    try:
        book = CheckpointLog(
            sender,
            read,
            settings.topics.checkpoints,
            0,
            owner="history",
            settings=f"{DETECTOR_VERSION}/{release()}/{fingerprint(settings)}",
        )
        await book.fence()
        crc, pieces = split(snapshot)
        for index in range(len(pieces)):
            await book.append_part(index, pieces, crc, begin)
    finally:
        await disconnect(sender)


@contextmanager
def _network(country: Country) -> Iterator[tuple[dict[str, Namespace], dict[int, subprocess.Popen[bytes]]]]:
    """Homes, by vantage, and their providers, by network. With the block its addresses and devices are gone too."""
    spaces: dict[str, Namespace] = {}
    providers: dict[int, subprocess.Popen[bytes]] = {}
    with ExitStack() as ends:
        for address in ADDRESSES:
            ends.enter_context(_address(country.moved(address)))
        for network in NETWORKS:
            uplink = tunnel(country.device(network))
            ends.callback(os.close, uplink)
            for prefix in country.prefixes(network):
                ip("route", "add", prefix, "dev", country.device(network))
            homes = []
            for home in country.everybody:
                if home.network != network:
                    continue
                spaces[home.name] = space = Namespace.make()
                ends.callback(os.close, space.fd)
                with space.entered():
                    fd = tunnel("up0")
                    ends.callback(os.close, fd)
                    ip("address", "add", f"{home.address}/32", "dev", "up0")
                    ip("address", "add", f"{home.address_6}/128", "dev", "up0", "nodad")
                    for version in ("-4", "-6"):
                        ip(version, "route", "add", "default", "dev", "up0")
                homes += [(home.address, fd), (home.address_6, fd)]
            providers[network] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.lab.isp",
                    str(uplink),
                    *(f"{address}={fd}" for address, fd in homes),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(uplink, *dict.fromkeys(fd for _, fd in homes)),
            )
            ends.callback(_end, providers[network])
        yield spaces, providers


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
    process.stdin.close()
    process.terminate()
    process.wait(10)


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[str]:
    """One Kafka for all countries: HOST:PORT."""
    with _address(BROKER):
        node = KafkaBroker(folder / "broker", host=BROKER)
        await asyncio.to_thread(node.start)
        try:
            yield node.bootstrap
        finally:
            await asyncio.to_thread(node.stop)


@asynccontextmanager
async def running(folder: Path, country: Country, bootstrap: str, own: str) -> AsyncIterator[Lab]:
    """A country with a warm worker and vantages that measure. Everything in it ends with the block.

    `own` is what the names of its topics begin with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "netdusk.toml"
    config.write_text(settings_file(bootstrap, own))
    (folder / "targets.toml").write_text(targets_file())
    with ExitStack() as ends:
        spaces, providers = ends.enter_context(_network(country))
        platforms = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.platforms", str(folder), str(country.number)],
            stdin=subprocess.PIPE,
        )
        ends.callback(_end, platforms)
        await _until((folder / "serving").exists, "the platforms")
        async with Stack(load(config), folder, config=config, embedded=False) as stack:
            lab = Lab(country, folder, stack, providers, spaces)
            measured = await lab.first_round()
            lab.start_probes()
            begin = await lab.all_report()
            snapshot = await asyncio.to_thread(
                history, stack.settings, measured, country.abroad, datetime.now(UTC)
            )
            await write_checkpoint(stack.settings, snapshot, begin)
            worker = stack.start_worker()
            await stack.ready(worker)
            listening = asyncio.create_task(lab.listen())
            try:
                yield lab
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening


async def _until(ready: Any, what: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come up")
        await asyncio.sleep(0.05)
