"""Settings: a TOML file, then the environment (NETDUSK_…, `__` between levels), validated at once and whole.

Everything has a default that runs. A variable whose name ends in _FILE names a file that holds the value, as for
`NETDUSK_KAFKA__SASL_PASSWORD_FILE`; so a secret need not stand in the environment.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import hmac
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from detectors.settings import DetectionSettings, IncidentSettings, TimeSettings
from producers.addresses import split_server
from producers.complaints import complaints
from producers.countries import CANARY, COUNTRIES
from streams.errors import SettingsError as SettingsError  # noqa: PLC0414  most take it from here
from streams.errors import need_file
from streams.names.networks import read_networks
from streams.profiles import PROFILES, Profile


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


#: HOST:PORT, or [IPv6]:PORT.
_HOST_PORT = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
#: What Kafka takes as the name of a topic.
_TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
# A file of a secret is no longer; /dev/zero has no end.
_VALUE_CHARACTERS_MAX = 65_536
#: Variables that are no settings: of the program, of its tests, and of the Compose file.
_OWN_VARIABLES = frozenset({"asn", "base", "cache", "config", "country", "effort", "image", "log"})


class KafkaSettings(_Section):
    """Where the broker is, and how to speak to it."""

    #: Brokers to begin with: HOST:PORT, several with commas between.
    bootstrap: str = "localhost:9092"
    #: The name under which the broker's logs and quotas know this program.
    client_id: str = "netdusk"
    #: The consumer group of the workers: those of one group share the partitions.
    group: str = "netdusk-worker"
    #: How the connection is made: in plain text or by TLS, with or without a login.
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    #: How the login is done.
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    #: Who logs in.
    sasl_username: str | None = None
    #: The password of the login.
    sasl_password: SecretStr | None = None
    #: PEM file of the authorities that are believed; None: the system's.
    ssl_ca: Path | None = None
    #: PEM file of the client's certificate, for mTLS.
    ssl_certificate: Path | None = None
    #: PEM file of the key of `ssl_certificate`.
    ssl_key: Path | None = None
    #: How what is sent is compressed.
    compression: Literal["none", "gzip", "lz4", "zstd"] = "lz4"
    #: A worker that was silent for so long loses its partitions to others.
    session_timeout_seconds: float = Field(6.0, gt=0)
    #: How often a worker says that it is alive; a third of `session_timeout_seconds` is usual.
    heartbeat_seconds: float = Field(2.0, gt=0)

    @field_validator("bootstrap")
    @classmethod
    def _names_brokers(cls, bootstrap: str) -> str:
        for part in bootstrap.split(","):
            match = _HOST_PORT.fullmatch(part.strip())
            if match is None or not 0 < int(match[1]) < 65_536:
                raise ValueError(
                    "write HOST:PORT, several with commas between; user and password have keys of their own"
                )
        return bootstrap

    @model_validator(mode="after")
    def _lasts_longer_than_a_heartbeat(self) -> Self:
        if self.session_timeout_seconds <= self.heartbeat_seconds:
            raise ValueError(
                f"session_timeout_seconds = {self.session_timeout_seconds:g} has to be longer than "
                f"heartbeat_seconds = {self.heartbeat_seconds:g}, three times as long is usual"
            )
        return self

    @model_validator(mode="after")
    def _what_is_given_is_used(self) -> Self:
        """Refuse a password that a plain connection would leave out, and a broker whose identity is not checked."""
        protocol, given = self.security_protocol, self.model_fields_set
        if protocol.startswith("SASL"):
            missing = [key for key in ("sasl_username", "sasl_password") if not getattr(self, key)]
            if missing:
                raise ValueError(f"security_protocol = {protocol!r} needs {' and '.join(missing)}")
        elif unused := sorted(key for key in given if key.startswith("sasl_") and getattr(self, key)):
            with_tls = (
                "SASL_SSL" if protocol == "SSL" else "SASL_SSL, or SASL_PLAINTEXT in a network of your own"
            )
            raise ValueError(
                f"{' and '.join(unused)} would not be used with security_protocol = {protocol!r}: "
                f"write {with_tls}"
            )
        if protocol.endswith("SSL"):
            if self.ssl_key and not self.ssl_certificate:
                raise ValueError("ssl_key needs ssl_certificate")
        elif unused := sorted(key for key in given if key.startswith("ssl_") and getattr(self, key)):
            with_tls = "SASL_SSL" if protocol.startswith("SASL") else "SSL"
            raise ValueError(
                f"{' and '.join(unused)} would not be used with security_protocol = {protocol!r}: "
                f"write {with_tls}"
            )
        return self


class TopicSettings(_Section):
    """Names and shapes of the topics."""

    #: Probe results.
    probes: str = "netdusk.probes.v1"
    #: Incidents.
    alerts: str = "netdusk.alerts.v1"
    #: What is known of vantages, and arrivals by country.
    health: str = "netdusk.health.v1"
    #: Scheduled events.
    calendar: str = "netdusk.calendar.v1"
    #: People's words on incidents.
    annotations: str = "netdusk.annotations.v1"
    #: Closed windows, for the page and the archive.
    windows: str = "netdusk.windows.v1"
    #: What other observatories see.
    signals: str = "netdusk.signals.v1"
    #: The register of vantages.
    vantages: str = "netdusk.vantages.v1"
    #: The workers' state.
    checkpoints: str = "netdusk.checkpoints.v1"
    #: The state of the view over all countries.
    world_checkpoints: str = "netdusk.world-checkpoints.v1"
    #: Records that were refused, with reasons.
    rejected: str = "netdusk.rejected.v1"
    #: How many partitions the probes topic has; more workers than that are idle.
    partitions: int = Field(8, ge=1, le=1000)
    #: On how many brokers each record lies.
    replication: int = Field(1, ge=1, le=7)
    #: For so long probe results and closed windows are kept.
    retention_days: float = Field(7, gt=0)

    @model_validator(mode="after")
    def _names_are_kafkas_and_differ(self) -> Self:
        roles: dict[str, str] = {}
        for role, name in self:
            if not isinstance(name, str):
                continue
            if not _TOPIC_NAME.fullmatch(name) or name in {".", ".."}:
                raise ValueError(f"{role} = {name!r}: letters, digits, '.', '_' and '-', 249 at the most")
            if name in roles:
                raise ValueError(f"{roles[name]} and {role} are both {name!r}: each needs a topic of its own")
            roles[name] = role
        return self


class WorkerSettings(_Section):
    """The worker's own pace."""

    #: `live`: the broker's append time; `replay`: the times in the log.
    clock: Literal["live", "replay"] = "live"
    #: How often a tick is written, by which windows are closed while no result comes.
    tick_seconds: float = Field(5.0, gt=0)
    #: Records that are read and applied together, at the most.
    chunk_records: int = Field(8000, ge=1, le=100_000)
    #: Live, results lie so long at most before they are read and taken together (up to five times as long with more
    #: than 24 partitions); ticks that close a window never do.
    chunk_seconds: float = Field(1.0, ge=0)
    #: What is done where records were deleted before they were read: stop that partition, or go on and say so.
    on_gap: Literal["stop", "continue"] = "continue"
    #: After so many bytes of checkpoints a whole snapshot is written ...
    snapshot_bytes: int = Field(16 * 1024 * 1024, ge=1)
    #: ... or after so long.
    snapshot_seconds: float = Field(600.0, gt=0)
    #: Whether closed windows are sent, for the page and the archive.
    windows: bool = True


class HttpSettings(_Section):
    """Where /metrics, /healthz and /readyz are served."""

    #: The address that is listened on; `0.0.0.0` for all.
    host: str = "127.0.0.1"
    #: The port; 0 takes any free one.
    port: int = Field(9464, ge=0, le=65535)


class LabelSettings(_Section):
    """Which names may become label values. Every other name becomes `other`."""

    #: Empty: all that come.
    platforms: tuple[str, ...] = ()
    #: Empty: all that come.
    countries: tuple[str, ...] = ()
    #: Empty: all that come.
    asns: tuple[int, ...] = ()
    #: Of each family; the whole page stays under 20,000 lines, whatever names are invented.
    series_max: int = Field(1_200, ge=1)


class LimitSettings(_Section):
    """How many names are let in, of a country (real and simulated ones apart) and of a partition.

    Whoever may write could invent any number, and each is remembered. Further platforms and vantages are counted as
    `other`, further regions and targets are left out, and results of further networks, series and monitors are refused
    as `too_many_names`. In a country in which that happens, names seen once or twice are given up at the turn of the
    hour.
    The defaults leave ten times the room that a large country needs.
    """

    #: Platforms of a country.
    platforms: int = Field(500, ge=1)
    #: Networks of a country.
    networks: int = Field(2_000, ge=1)
    #: Regions of a country.
    regions: int = Field(300, ge=1)
    #: Vantages of a country.
    vantages: int = Field(20_000, ge=1)
    #: A platform on a network.
    series: int = Field(20_000, ge=1)
    #: Of a platform; results of further ones count without theirs.
    targets: int = Field(200, ge=1)
    #: A vantage that watches a target.
    monitors: int = Field(100_000, ge=1)
    #: A monitor without a result for so long is forgotten, at the turn of a day, where no incident is open.
    forget_days: int = Field(45, ge=2)
    #: Series of a partition.
    series_in_all: int = Field(300_000, ge=1)
    #: Monitors of a partition.
    monitors_in_all: int = Field(5_000_000, ge=1)


class TrustSettings(_Section):
    """Who has a vote: see docs/threat-model.md."""

    #: `open`: everybody. `registered`: vantages that stand in the register. `signed`: of these, whatever they signed.
    #: None is as good as `open`; a live worker's sentences say so, those of a file's incidents do not.
    policy: Literal["open", "registered", "signed"] | None = None
    #: For so long an entry in the state `probation` is shown and has no vote.
    probation_hours: float = Field(24.0, ge=0)
    #: Attempts that one vantage may report in one window; what is over that is refused. Not with `open`.
    results_max: int = Field(10_000, ge=1)
    #: A MaxMind DB that names AS numbers and countries: an entry, or a result, of a network that has addresses in other
    #: countries alone is refused, or has no vote. None: AS numbers are believed.
    country_table: Path | None = None
    #: What public names of vantages, and of networks that are not named, are made with: at least 16 characters, better
    #: 32 by chance. Whoever has it can tell who they are.
    pseudonym_secret: SecretStr | None = Field(None, min_length=16)
    #: Whether a network of fewer than three registered vantages is named in what is published. None: with `registered`
    #: and `signed` it is not.
    name_small_networks: bool | None = None

    @model_validator(mode="after")
    def _there_is_a_register_to_count_in(self) -> Self:
        if self.policy == "open" and self.name_small_networks is False:
            raise ValueError(
                "name_small_networks = false needs a register in which vantages are counted: "
                "choose policy = 'registered' or 'signed'"
            )
        return self

    @property
    def everybody(self) -> bool:
        """Whether all who may write have a vote."""
        return self.policy in (None, "open")

    @property
    def names_all(self) -> bool:
        """Whether all networks are named in what is published."""
        return self.everybody or bool(self.name_small_networks)


class NameSettings(_Section):
    """Names for people to read, beside those that stand in `incidents`."""

    #: A CSV file with the columns asn and name; `incidents.network_names` goes before it.
    networks: Path | None = None


class ArchiveSettings(_Section):
    """Where closed windows and incidents are kept for ever, and how."""

    #: A folder, or an object store by its URL.
    url: str = Field(default_factory=lambda: str(state_folder() / "archive"), min_length=1)
    #: The consumer group of the archivers.
    group: str = Field("netdusk-archive", min_length=1)
    #: At least so often a file is written of every country that has results.
    flush_seconds: float = Field(900.0, gt=0)
    #: Whether results are kept too, as they came, with the names of their vantages: some 30 bytes each.
    results: bool = False
    #: Windows and results of earlier days are deleted; None: never. Incidents never are.
    keep_days: float | None = Field(None, gt=0)
    #: Port of the archiver's own /metrics, on `http.host`; None: no port is opened.
    metrics_port: int | None = Field(None, ge=0, le=65535)


class PageSettings(_Section):
    """The live page and the API."""

    #: The address that is listened on; `0.0.0.0` for all.
    host: str = "127.0.0.1"
    #: The port; 0 takes any free one.
    port: int = Field(8080, ge=0, le=65535)
    #: What the page is called.
    title: str = Field("netdusk", min_length=1, max_length=100)
    #: How readers reach it, for citations, feeds and pictures; None: its own address.
    public_url: str | None = Field(None, pattern=r"^https?://[^\s/]+[^\s]*$")
    #: Whoever has it may annotate; None: nobody.
    token: SecretStr | None = Field(None, min_length=16)
    #: Of one client; readers behind one address share it.
    requests_per_second: float = Field(50.0, gt=0)
    #: Readers that may have a page open that grows by itself, in one process.
    streams_max: int = Field(5_000, ge=1)
    #: Whether X-Forwarded-For names the client: only behind a proxy of your own that sets it.
    behind_proxy: bool = False

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value and value.rstrip("/")


class NotifyRule(_Section):
    """Who is told of which incidents."""

    #: Addresses as Apprise takes them: mailto://, json://, slack:// and a hundred others.
    to: tuple[SecretStr, ...] = Field(min_length=1)
    #: Which countries; empty: all.
    countries: tuple[str, ...] = ()
    #: Which platforms; empty: all.
    platforms: tuple[str, ...] = ()
    #: So severe, and worse.
    severity: Literal["minor", "major", "critical"] = "major"
    #: At which moments of an incident.
    on: tuple[Literal["open", "updated", "resolved"], ...] = ("open", "resolved")
    #: Whether unconfirmed incidents are told too.
    unconfirmed: bool = False
    #: Whether simulated ones are.
    simulated: bool = False
    #: Messages an hour, at the most; one more says that there would have been others.
    per_hour: int = Field(30, ge=1, le=10_000)


class NotifySettings(_Section):
    """Messages to people, for those without Alertmanager."""

    #: The consumer group.
    group: str = Field("netdusk-notify", min_length=1)
    #: By a name of your own.
    rules: dict[Annotated[str, Field(pattern="^[a-z0-9_-]{1,40}$")], NotifyRule] = {}


class CostSettings(_Section):
    """What a country's economy rests on, as the operator found it, with the source: see docs/report.md.

    There are no defaults: a figure without a source is worse than none.
    """

    #: The gross domestic product of a day, in US dollars.
    daily_gdp_usd: float = Field(gt=0)
    #: Of the GDP: what needs the Internet.
    digital_share: float = Field(gt=0, le=1)
    #: Where the figures are from, as readers see it.
    source: str = Field(min_length=1, max_length=1000)
    #: Of that: what needs the platform.
    platform_shares: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}


def _country(value: str) -> str:
    if value not in COUNTRIES | {CANARY}:
        raise ValueError('write a country code of ISO 3166-1 alpha-2 in capitals, like "PK"')
    return value


def _server(value: str) -> str:
    host, port = split_server(value)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError('write an address, with a port where it is not 53, like "9.9.9.9:53"') from None
    if not 0 < port < 65_536:
        raise ValueError("a port is from 1 to 65535")
    return value


def state_folder() -> Path:
    """Where state goes on this machine: systemd's StateDirectory, the XDG base directory, or Debian's /var/lib."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given)
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "/var/lib")
    return Path(base) / "netdusk"


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ProbeSettings(_Section):
    """A vantage: where it stands, what it asks, how often, and where results wait while the broker is away."""

    #: `netdusk probe` needs one.
    country: Annotated[str, AfterValidator(_country)] | None = None
    #: ISO 3166-2 code of the country's part where the vantage stands.
    region: str | None = None
    #: 0: not known; such vantages count as one network.
    asn: int = Field(0, ge=0, le=4_294_967_295)
    #: What it is called in results; None: country and AS number, never the host's name.
    vantage: str | None = Field(None, min_length=1, max_length=128)
    #: None: the list that netdusk brings.
    targets: Path | None = None
    #: Public keys: a list counts only where one of them has signed it (`netdusk targets sign`). None: any list.
    targets_keys: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = ()
    #: None: all of the list.
    platforms: tuple[str, ...] = ()
    #: How often each target is asked.
    interval_seconds: float = Field(60.0, ge=1, le=86_400)
    #: By which share an interval may be longer or shorter, so that vantages do not ask in step.
    jitter: float = Field(0.1, ge=0, le=0.5)
    #: A step that takes longer has failed.
    timeout_seconds: float = Field(10.0, gt=0, le=300)
    #: Attempts that run at one time, at the most.
    concurrency: int = Field(1000, ge=1, le=100_000)
    #: Of these, of one target.
    concurrency_per_target: int = Field(1, ge=1, le=1000)
    #: None: the first of /etc/resolv.conf.
    resolver: Annotated[str, AfterValidator(_server)] | None = None
    #: Which IP version is asked.
    family: Literal["ipv4", "ipv6"] = "ipv4"
    #: PEM; none: the system's.
    authorities: Path | None = None
    #: What an HTTP request says it is; None: netdusk's own.
    user_agent: str | None = Field(None, min_length=1, max_length=512, pattern=r"^[\x20-\x7e]+$")
    #: Whether targets with `private = true` are asked: services of one's own, or a lab.
    allow_private: bool = False
    #: Paths or URLs of control files, or control services (URLs that end in /v1/check).
    control: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = ()
    #: So many of them have to agree.
    control_quorum: int = Field(1, ge=1, le=100)
    #: An answer of a control older than that counts no more.
    control_age_seconds: float = Field(180.0, gt=0)
    #: Write what works from here to this file, for vantages elsewhere to read as `control`.
    control_out: Path | None = None
    #: A folder for results while the broker is away.
    spool: Path = Field(default_factory=lambda: state_folder() / "spool")
    #: How large it may become; the oldest go first.
    spool_bytes: int = Field(256 * 1024 * 1024, ge=65_536)
    #: A file that `netdusk vantage keygen` has made: results are bundled and signed. None: they are not.
    signing_key: Path | None = None
    #: None: no port is opened.
    metrics_port: int | None = Field(None, ge=0, le=65535)

    @model_validator(mode="after")
    def _quorum_can_be_had(self) -> Self:
        if self.control and self.control_quorum > len(self.control):
            raise ValueError(
                f"control_quorum = {self.control_quorum} of {len(self.control)} in control: name more controls"
            )
        return self

    @model_validator(mode="after")
    def _region_lies_in_country(self) -> Self:
        if self.region is not None and not (
            self.country is not None and re.fullmatch(rf"{self.country}-[A-Z0-9]{{1,3}}", self.region)
        ):
            raise ValueError(
                f'region = {self.region!r}: write an ISO 3166-2 code of the country, like "PK-PB"'
            )
        return self


class _ProfileDefaults(PydanticBaseSettingsSource):
    """What the profile says, under everything that was given."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the defaults of the profile that the sources before this one name."""
        chosen = PROFILES.get(str(self.current_state.get("profile", "observatory")), {})
        return {table: dict(values) for table, values in chosen.items()}


class Settings(BaseSettings):
    """All settings of netdusk."""

    model_config = SettingsConfigDict(
        env_prefix="NETDUSK_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    #: What is watched: countries, from many networks; or services of one's own, from a few vantages of one's own.
    profile: Profile = "observatory"
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    labels: LabelSettings = LabelSettings()
    limits: LimitSettings = LimitSettings()
    trust: TrustSettings = TrustSettings()
    probe: ProbeSettings = ProbeSettings()
    time: TimeSettings = TimeSettings()
    detection: DetectionSettings = DetectionSettings()
    incidents: IncidentSettings = IncidentSettings()
    names: NameSettings = NameSettings()
    archive: ArchiveSettings = ArchiveSettings()
    page: PageSettings = PageSettings()
    notify: NotifySettings = NotifySettings()
    #: By country, ISO 3166-1.
    cost: dict[Annotated[str, Field(pattern="^[A-Z]{2}$")], CostSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment, the environment before the file."""
        file = TomlConfigSettingsSource(settings_cls, _file) if _file is not None else None
        sources = [init_settings, _Environment(settings_cls), file, _ProfileDefaults(settings_cls)]
        return tuple(source for source in sources if source is not None)


def _value_of(name: str, path: str) -> str:
    """The text of a file, or of a pipe. Raises OSError, UnicodeDecodeError, and SettingsError for one without end."""
    with Path(path).open(encoding="utf-8") as file:
        value = file.read(_VALUE_CHARACTERS_MAX + 1)
    if len(value) > _VALUE_CHARACTERS_MAX:
        raise SettingsError(
            f"environment {name.upper()} = {path!r}: more than {_VALUE_CHARACTERS_MAX:,} characters; "
            "name a file that holds the value alone"
        )
    # An editor or `echo` ends the file with a line end that is no part of the secret.
    return value.rstrip("\r\n")


class _Environment(EnvSettingsSource):
    """The environment; a variable NAME_FILE stands for NAME, with the file's content as its value."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        variables = dict(super()._load_env_vars())
        prefix, ending = "netdusk_", "_file"
        known = {*self.settings_cls.model_fields, *_OWN_VARIABLES}
        for name in variables:
            table = name.removeprefix(prefix).split("__")[0]
            if name.startswith(prefix) and table not in known:
                close = difflib.get_close_matches(table, known, n=1)
                hint = (
                    f"did you mean NETDUSK_{close[0].upper()}?"
                    if close
                    else f"tables: {', '.join(sorted(known))}"
                )
                raise SettingsError(f"environment {name.upper()}: no such setting; {hint}")
        for name in [name for name in variables if name.startswith(prefix) and name.endswith(ending)]:
            path = variables.pop(name) or ""
            base = name.removesuffix(ending)
            if base in variables:
                raise SettingsError(f"environment: {base.upper()} and {name.upper()} are both set; keep one")
            try:
                variables[base] = _value_of(name, path)
            except OSError as error:
                raise SettingsError(
                    f"environment {name.upper()} = {path!r}: {error.strerror}; name a readable file"
                ) from error
            except UnicodeDecodeError as error:
                raise SettingsError(
                    f"environment {name.upper()} = {path!r}: the file has to be text in UTF-8"
                ) from error
        return variables


_file: Path | None = None


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read settings from `path` (or $NETDUSK_CONFIG), the environment, and overrides; the last one wins.

    Raises SettingsError with file, key, value and remedy, a line for each mistake.
    """
    global _file  # noqa: PLW0603  pydantic-settings takes its sources from the class, not from the call
    # An empty variable is what Compose makes of one that is not set.
    chosen = path or (Path(os.environ["NETDUSK_CONFIG"]) if os.environ.get("NETDUSK_CONFIG") else None)
    if chosen is not None:
        need_file(chosen, "name an existing one with --config or NETDUSK_CONFIG")
    _file = chosen
    try:
        return _named(_beside(Settings(**overrides), chosen, overrides))
    except ValidationError as error:
        lines = complaints(error, Settings, lambda path: _place(path, chosen, overrides))
        raise SettingsError("\n".join(lines)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{chosen}: {error}; the file has to be TOML in UTF-8") from error
    except ValueError as error:  # a variable that is no JSON where one has to be
        raise SettingsError(f"environment: {error}") from error
    finally:
        _file = None


#: Files that are read: by the table and the key that name them.
_READ: Final = (
    ("kafka", "ssl_ca"),
    ("kafka", "ssl_certificate"),
    ("kafka", "ssl_key"),
    ("names", "networks"),
    ("probe", "authorities"),
    ("probe", "signing_key"),
    ("probe", "targets"),
    ("trust", "country_table"),
)


def _beside(settings: Settings, file: Path | None, overrides: dict[str, Any]) -> Settings:
    """The settings with each file that is read where the settings mean it.

    A name in the settings file means the file beside it, from wherever netdusk is run; elsewhere what is here, and else
    what is beside the settings file.
    """
    if file is None:
        return settings
    for table, key in _READ:
        path: Path | None = getattr(getattr(settings, table), key)
        if path is None or path.is_absolute():
            continue
        beside = file.absolute().parent / path
        if beside.exists() and (_place((table, key), file, overrides) == str(file) or not path.exists()):
            there = getattr(settings, table).model_copy(update={key: beside})
            settings = settings.model_copy(update={table: there})
    return settings


def _named(settings: Settings) -> Settings:
    """The settings with the operator's table of networks read in."""
    path = settings.names.networks
    if path is None:
        return settings
    own = settings.incidents
    names = {**read_networks(path), **own.network_names}
    return settings.model_copy(update={"incidents": replace(own, network_names=names)})


def _place(path: tuple[int | str, ...], file: Path | None, overrides: dict[str, Any]) -> str:
    """Where a setting was given, in the order in which they are taken."""
    given: Any = overrides
    for part in path:
        given = given.get(part) if isinstance(given, dict) else None
    if given is not None:
        return "command line"
    names = [part for part in path if isinstance(part, str)]
    for end in range(len(names), 0, -1):
        variable = "NETDUSK_" + "__".join(names[:end]).upper()
        for name in (variable, f"{variable}_FILE"):
            if name in os.environ:
                return f"environment {name}"
    return str(file or "settings")


def file_complaints(settings: Settings) -> Iterator[str]:
    """One line for each file or folder that the settings name and this machine can't use, with the remedy."""
    kafka, probe = settings.kafka, settings.probe
    for key, path, remedy in (
        ("kafka.ssl_ca", kafka.ssl_ca, "name a readable PEM file of certificate authorities"),
        (
            "kafka.ssl_certificate",
            kafka.ssl_certificate,
            "name a readable PEM file with the client's certificate",
        ),
        ("kafka.ssl_key", kafka.ssl_key, "name a readable PEM file with the client's key"),
        ("probe.targets", probe.targets, "name a readable targets file"),
        ("probe.authorities", probe.authorities, "name a readable PEM file of certificates"),
    ):
        if path is not None and (why := _unreadable(path)):
            yield f"settings: {key} = '{path}': {why}; {remedy}"
    folders = [("probe.spool", probe.spool)] if probe.country or "spool" in probe.model_fields_set else []
    if probe.control_out is not None:
        folders.append(("probe.control_out", probe.control_out.parent))
    for key, folder in folders:
        if why := _unwritable(folder):
            yield f"settings: {key} = '{folder}': {why}; name a folder that can be written"


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _unwritable(folder: Path) -> str | None:
    """Why no file could be made in a folder, which may itself have to be made."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not nearest.is_dir():
        return os.strerror(errno.ENOTDIR)
    return None if os.access(nearest, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


def with_bootstrap(settings: Settings, bootstrap: str | None) -> Settings:
    """Return settings with this broker, or the same settings if none is named."""
    if bootstrap is None:
        return settings
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": bootstrap})})


def _naming_mark(trust: TrustSettings) -> str:
    """What stands for how networks are named: of the secret not more than is needed to see that it is another one."""
    if trust.names_all or trust.pseudonym_secret is None:
        return "all" if trust.names_all else "salted"
    secret = trust.pseudonym_secret.get_secret_value().encode()
    return hmac.new(secret, b"netdusk.naming", hashlib.sha256).hexdigest()[:8]


def fingerprint(settings: Settings) -> str:
    """Hash of what a decision depends on: the same log and the same fingerprint give the same incidents."""
    decisive = settings.model_dump(mode="json", include={"time", "detection", "incidents", "limits"})
    if not settings.trust.everybody:
        shown = {"pseudonym_secret", "name_small_networks"}
        decisive["trust"] = settings.trust.model_dump(mode="json", exclude=shown)
        # An incident's id is a hash of what is told of its networks.
        decisive["trust"]["naming"] = _naming_mark(settings.trust)
    text = orjson.dumps(decisive, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(text, digest_size=6).hexdigest()
