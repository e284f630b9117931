"""How to reach the broker: the settings, as each client library wants them. The one place that knows both.

Imports no client, so that a small vantage does not pay for one that it does not use.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from streams.errors import SettingsError

if TYPE_CHECKING:
    from streams.settings import KafkaSettings


def client_options(kafka: KafkaSettings, *, client_id: str | None = None) -> dict[str, Any]:
    """Arguments that every client of aiokafka and of kafka-python takes, by the same names."""
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap,
        "client_id": client_id or kafka.client_id,
        "security_protocol": kafka.security_protocol,
        "ssl_context": ssl_context(kafka),
    }
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": _password(kafka),
        }
    return options


def producer_options(kafka: KafkaSettings, *, client_id: str | None = None) -> dict[str, Any]:
    """Return a producer's options: a client's, with acks=all, idempotence, and the settings' compression."""
    return client_options(kafka, client_id=client_id) | {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": None if kafka.compression == "none" else kafka.compression,
    }


def faust_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments of a Faust app: its broker, and how to speak to it."""
    return {
        "broker": [f"kafka://{host.strip()}" for host in kafka.bootstrap.split(",")],
        "broker_client_id": kafka.client_id,
        "broker_credentials": _faust_credentials(kafka),
        "broker_session_timeout": kafka.session_timeout_seconds,
        "broker_heartbeat_interval": kafka.heartbeat_seconds,
    }


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS context that the settings ask for; None for plain text. Raises SettingsError for a file of no use."""
    if not kafka.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=str(kafka.ssl_ca) if kafka.ssl_ca else None)
    except OSError as error:
        why = _why(error)
        raise SettingsError(
            f"settings: kafka.ssl_ca = '{kafka.ssl_ca}': {why}; name a readable PEM file of certificate authorities"
        ) from error
    if kafka.ssl_certificate is not None:
        try:
            # No password: without this, OpenSSL would ask for one on the terminal, for ever.
            context.load_cert_chain(kafka.ssl_certificate, kafka.ssl_key, password="")
        except OSError as error:
            raise SettingsError(
                f"settings: kafka.ssl_certificate = '{kafka.ssl_certificate}', kafka.ssl_key = '{kafka.ssl_key}': "
                f"{_why(error)}; name readable PEM files, with a key that has no password"
            ) from error
    return context


def _why(error: OSError) -> str:
    """What OpenSSL or the system says."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "no PEM that OpenSSL can read"
    return error.strerror or str(error)


def _faust_credentials(kafka: KafkaSettings) -> Any:
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415  only a worker pays for Faust

    context = ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=kafka.sasl_username,
            password=_password(kafka),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context is not None else None


def _password(kafka: KafkaSettings) -> str | None:
    return kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
