"""Both client libraries take the options by the same names; secrets are handed over, plain settings add none."""

from __future__ import annotations

import ssl

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer
from pydantic import SecretStr

from streams.kafka.options import client_options, faust_options, producer_options
from streams.settings import KafkaSettings

SECURE = KafkaSettings(
    bootstrap="one:9093,two:9093",
    security_protocol="SASL_SSL",
    sasl_username="pk",
    sasl_password=SecretStr("hidden"),
)


def test_plain_text_needs_no_secret() -> None:
    options = client_options(KafkaSettings())
    assert options["ssl_context"] is None
    assert not [name for name in options if name.startswith("sasl")]


def test_tls_with_a_password() -> None:
    options = client_options(SECURE, client_id="netdusk-probe")
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["ssl_context"].check_hostname
    assert (options["client_id"], options["sasl_mechanism"]) == ("netdusk-probe", "SCRAM-SHA-512")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("pk", "hidden")


@pytest.mark.parametrize("kafka", [KafkaSettings(), SECURE, KafkaSettings(compression="none")])
def test_kafka_python_knows_every_option(kafka: KafkaSettings) -> None:
    assert set(producer_options(kafka)) <= set(KafkaProducer.DEFAULT_CONFIG)


async def test_aiokafka_takes_them() -> None:
    producer = AIOKafkaProducer(**producer_options(SECURE))
    assert producer.client._security_protocol == "SASL_SSL"


def test_faust_gets_each_host_and_the_same_credentials() -> None:
    options = faust_options(SECURE)
    assert options["broker"] == ["kafka://one:9093", "kafka://two:9093"]
    assert options["broker_credentials"].password == "hidden"
    assert faust_options(KafkaSettings())["broker_credentials"] is None
