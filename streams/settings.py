"""Settings: a TOML file, then the environment (NETDUSK_…, `__` between levels), validated at once and whole.

Everything has a default that runs. Secrets can be read from files (`NETDUSK_KAFKA__SASL_PASSWORD_FILE`-style
directories are named by `secrets_dir`).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from detectors.settings import DetectionSettings, IncidentSettings, TimeSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Part):
    """Where the broker is, and how to speak to it."""

    bootstrap: str = "localhost:9092"
    client_id: str = "netdusk"
    group: str = "netdusk-worker"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca: Path | None = None
    ssl_certificate: Path | None = None
    ssl_key: Path | None = None
    compression: Literal["none", "gzip", "lz4", "zstd"] = "lz4"
    session_timeout_seconds: float = Field(6.0, gt=0)
    heartbeat_seconds: float = Field(2.0, gt=0)


class TopicSettings(_Part):
    """Names and shapes of the topics."""

    probes: str = "netdusk.probes.v1"
    alerts: str = "netdusk.alerts.v1"
    health: str = "netdusk.health.v1"
    calendar: str = "netdusk.calendar.v1"
    checkpoints: str = "netdusk.checkpoints.v1"
    world_checkpoints: str = "netdusk.world-checkpoints.v1"
    rejected: str = "netdusk.rejected.v1"
    partitions: int = Field(8, ge=1, le=1000)
    replication: int = Field(1, ge=1, le=7)
    retention_days: float = Field(7, gt=0)


class WorkerSettings(_Part):
    """The worker's own pace."""

    clock: Literal["live", "replay"] = "live"
    tick_seconds: float = Field(5.0, gt=0)
    tick_refuse_seconds: float = Field(60.0, gt=0)
    chunk_records: int = Field(1000, ge=1, le=100_000)
    chunk_seconds: float = Field(0.01, ge=0)  # how long the first record waits for company
    on_gap: Literal["stop", "continue"] = "continue"
    snapshot_bytes: int = Field(16 * 1024 * 1024, ge=1)
    snapshot_seconds: float = Field(600.0, gt=0)


class HttpSettings(_Part):
    """Where /metrics, /healthz and /readyz are served."""

    host: str = "127.0.0.1"
    port: int = Field(9464, ge=0, le=65535)


class LabelSettings(_Part):
    """Which names may become label values; everything else is `other`."""

    platforms: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    series_max: int = Field(50_000, ge=1)


class Settings(BaseSettings):
    """All settings of netdusk."""

    model_config = SettingsConfigDict(
        env_prefix="NETDUSK_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    labels: LabelSettings = LabelSettings()
    time: TimeSettings = TimeSettings()
    detection: DetectionSettings = DetectionSettings()
    incidents: IncidentSettings = IncidentSettings()

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
        sources = [init_settings, env_settings, file_secret_settings, file]
        return tuple(source for source in sources if source is not None)


_file: Path | None = None


class SettingsError(Exception):
    """Settings that can't be used; the message names the file, the key, the value and the remedy."""


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read settings from `path` (or $NETDUSK_CONFIG), the environment, and overrides."""
    global _file  # noqa: PLW0603  pydantic-settings takes its sources from the class, not from the call
    chosen = path or (Path(os.environ["NETDUSK_CONFIG"]) if "NETDUSK_CONFIG" in os.environ else None)
    if chosen is not None and not chosen.is_file():
        raise SettingsError(f"{chosen}: no such file; name an existing one with --config or NETDUSK_CONFIG")
    _file = chosen
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"{chosen or 'settings'}: {'.'.join(map(str, item['loc']))} = {item.get('input')!r}: {item['msg']}"
            for item in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from error
    except ValueError as error:  # the file is no TOML
        raise SettingsError(f"{chosen}: {error}") from error
    finally:
        _file = None


def with_bootstrap(settings: Settings, bootstrap: str | None) -> Settings:
    """The same settings, with another broker where one is named."""
    if bootstrap is None:
        return settings
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": bootstrap})})


def fingerprint(settings: Settings) -> str:
    """Hash of what a decision depends on: the same log and the same fingerprint give the same incidents."""
    decisive = settings.model_dump(mode="json", include={"time", "detection", "incidents"})
    text = orjson.dumps(decisive, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(text, digest_size=6).hexdigest()
