"""Who may do what on the broker: what `netdusk topics --acls` prints, and what a real Kafka makes of it."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import itertools
import math
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from typer.testing import CliRunner

from producers.bundles import Signer, bundle, new_key
from producers.records import ProbeResult, encode
from streams.cli import app
from streams.kafka.acls import TOPIC_RIGHTS, Role, rights
from streams.kafka.client import TopicReader, connect, consumer
from streams.kafka.notes import write_all
from streams.kafka.options import client_options, producer_options
from streams.kafka.topics import ensure, refusals, wanted
from streams.records import Vantage
from streams.records import encode as encode_record
from streams.settings import KafkaSettings, Settings, TopicSettings, load
from tests.faults.brokers import OwnBroker
from tests.faults.fleet import Fleet


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["topics", "--acls", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_vantage_may_write_results_and_nothing_else() -> None:
    text = printed("kafka", "--user", "vantage=CN=pk 1", "--bootstrap", "k:9093")
    assert text.splitlines() == [
        "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal "
        "'User:CN=pk 1' --operation Describe --operation Write --topic netdusk.probes.v1",
        "kafka-configs.sh --bootstrap-server k:9093 --command-config admin.properties --alter --entity-type users "
        "--entity-name 'CN=pk 1' --add-config producer_byte_rate=131072",
    ]


def test_only_workers_write_what_workers_say() -> None:
    for topic in ("checkpoints", "world_checkpoints", "health", "windows", "alerts", "rejected"):
        writers = {role for role, topics in TOPIC_RIGHTS.items() if "Write" in topics.get(topic, ())}
        assert writers == {Role.WORKER}
    assert not any("Write" in one for one in TOPIC_RIGHTS[Role.READER].values())
    assert "Write" not in TOPIC_RIGHTS[Role.WORKER]["vantages"]


def test_each_group_has_one_role_and_no_page_can_join_it() -> None:
    groups = {
        role: {right.name for right in rights(role, Settings()) if right.resource == "group"} for role in Role
    }
    of_settings = Settings()
    assert {role: names for role, names in groups.items() if names} == {
        Role.WORKER: {of_settings.kafka.group},
        Role.ARCHIVE: {of_settings.archive.group},
        Role.NOTIFY: {of_settings.notify.group},
    }


def test_the_archive_and_notify_read_what_they_take_and_no_more() -> None:
    assert set(TOPIC_RIGHTS[Role.ARCHIVE]) == {"alerts", "annotations", "windows"}
    assert set(TOPIC_RIGHTS[Role.NOTIFY]) == {"alerts"}
    for role in (Role.ARCHIVE, Role.NOTIFY):
        assert not any("Write" in one for one in TOPIC_RIGHTS[role].values())


def test_the_archive_reads_results_where_a_setting_keeps_them() -> None:
    keeping = Settings.model_validate({"archive": {"results": True}})
    topic = keeping.topics.probes
    assert topic not in {right.name for right in rights(Role.ARCHIVE, Settings())}
    [right] = [right for right in rights(Role.ARCHIVE, keeping) if right.name == topic]
    assert list(right.operations) == ["Describe", "Read"]


def test_the_rights_know_every_topic() -> None:
    roles = {topic.role for topic in wanted(TopicSettings())}
    assert set(TOPIC_RIGHTS[Role.WORKER]) == set(TOPIC_RIGHTS[Role.OPERATOR]) == roles


def test_strimzi_gets_the_same_rights() -> None:
    users = [orjson.loads(one) for one in printed("strimzi", "--cluster", "main", "--tls").split("\n---\n")]
    assert [one["metadata"]["name"] for one in users] == [f"netdusk-{role}" for role in Role]
    vantage = users[0]
    assert vantage["metadata"]["labels"] == {"strimzi.io/cluster": "main"}
    assert vantage["spec"]["authentication"] == {"type": "tls"}
    assert vantage["spec"]["quotas"] == {"producerByteRate": 131072}
    topic = {"type": "topic", "name": "netdusk.probes.v1", "patternType": "literal"}
    assert vantage["spec"]["authorization"]["acls"] == [
        {"resource": topic, "operations": ["Describe", "Write"]}
    ]


def test_an_unknown_role_is_refused_with_the_roles() -> None:
    result = CliRunner().invoke(app, ["topics", "--acls", "kafka", "--user", "king=x"])
    assert result.exit_code != 0
    assert (
        "write ROLE=NAME, with a role of vantage, source, worker, reader, archive, notify, operator"
        in str(result.exception or result.output)
    )


# On real Kafka: one node that knows its users, over SASL_SSL by password and over TLS by certificate.

PASSWORD = "only for this test"
PEOPLE = ("admin", "vantage", "worker", "reader", "operator")


def certificates(folder: Path) -> None:
    """An authority, and certificates of the broker and of a vantage, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    keys: dict[str, Any] = {
        name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "broker", "pk-1")
    }
    for name, key in keys.items():
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["ca"].public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(keys["ca"], hashes.SHA256())
        )
        certificate = built.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / f"{name}.crt").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(private)
        (folder / f"{name}.pem").write_bytes(private + certificate)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    folder = tmp_path_factory.mktemp("guarded")
    certificates(folder)
    own = OwnBroker(
        folder,
        heap="300m",
        protocols={"PLAIN": "SASL_SSL", "PROXIED": "SSL"},
        facts={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's listener is the broker's own: nobody else is without a name.
            "super.users": "User:admin;User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.plain.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="admin" password="{PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": folder / "broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": folder / "ca.crt",
            "listener.name.proxied.ssl.client.auth": "required",
        },
        users=dict.fromkeys(PEOPLE, PASSWORD),
        proxied=0,
    )
    own.format()
    own.start()
    try:
        asyncio.run(own.wait())
        yield own
    finally:
        own.close()


def by_password(own: OwnBroker, name: str) -> dict[str, object]:
    return {
        "bootstrap": own.bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_username": name,
        "sasl_password": PASSWORD,
        "ssl_ca": str(own.folder / "ca.crt"),
    }


def by_certificate(own: OwnBroker) -> dict[str, object]:
    return {
        "bootstrap": f"127.0.0.1:{own.proxy_target}",
        "security_protocol": "SSL",
        "ssl_ca": str(own.folder / "ca.crt"),
        "ssl_certificate": str(own.folder / "pk-1.crt"),
        "ssl_key": str(own.folder / "pk-1.key"),
    }


def settings_of(kafka: dict[str, object]) -> Settings:
    return load(kafka=kafka, topics={"partitions": 2})


def apply_commands(own: OwnBroker, commands: str) -> None:
    """Do what the printed commands say. Kafka's own tools are no part of its server's jars."""
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        KafkaAdminClient,
        ResourcePattern,
        ResourceType,
    )
    from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest

    acls, quotas = [], []
    for command in commands.splitlines():
        words = shlex.split(command)
        options = list(itertools.pairwise(words))
        if words[0] == "kafka-configs.sh":
            given = dict(options)
            assert given["--entity-type"] == "users"
            key, _, value = given["--add-config"].partition("=")
            quotas.append((given["--entity-name"], key, float(value)))
            continue
        kind = next(one for one in ("topic", "group") if f"--{one}" in words)
        pattern = ResourcePattern(
            ResourceType.TOPIC if kind == "topic" else ResourceType.GROUP, words[words.index(f"--{kind}") + 1]
        )
        principal = words[words.index("--allow-principal") + 1]
        for option, operation in options:
            if option == "--operation":
                name = "".join(f"_{letter}" if letter.isupper() else letter for letter in operation).upper()
                acls.append(
                    ACL(principal, "*", ACLOperation[name.lstrip("_")], ACLPermissionType.ALLOW, pattern)
                )
    assert acls
    assert quotas
    client = KafkaAdminClient(**client_options(settings_of(by_password(own, "admin")).kafka))
    entry = AlterClientQuotasRequest.EntryData
    request = AlterClientQuotasRequest(
        entries=[
            entry(
                entity=[entry.EntityData(entity_type="user", entity_name=name)],
                ops=[entry.OpData(key=key, value=value, remove=False)],
            )
            for name, key, value in quotas
        ],
        validate_only=False,
    )
    try:
        answer = client.create_acls(acls)
        # Its API has no word for quotas.
        done = client._manager.run(client._manager.send, request)
    finally:
        client.close()
    assert not answer["failed"]
    assert {one.error_code for one in done.entries} == {0}


async def say(kafka: KafkaSettings, topic: str) -> None:
    producer = await connect(kafka)
    try:
        await producer.send_and_wait(topic, b"{}", key=b"PK")
    finally:
        await producer.stop()


async def start_and_stop(producer: AIOKafkaProducer) -> None:
    try:
        await producer.start()
    finally:
        await producer.stop()


async def anything(kafka: KafkaSettings, topic: str) -> None:
    """Read one record, in no group."""
    client = consumer(kafka)
    try:
        await client.start()
        client.assign([TopicPartition(topic, 0)])
        await client.seek_to_beginning()
        await asyncio.wait_for(client.getone(), 10)
    finally:
        await client.stop()


async def refused_elsewhere(kafka: KafkaSettings) -> None:
    """Whoever it is may write results, and do nothing else."""
    topics = TopicSettings()
    await say(kafka, topics.probes)
    for topic in wanted(topics):
        if topic.role != "probes":
            with pytest.raises(TopicAuthorizationFailedError):
                await say(kafka, topic.name)
    with pytest.raises(TopicAuthorizationFailedError):
        await anything(kafka, topics.probes)
    options = producer_options(kafka) | {"transactional_id": "mine"}
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await start_and_stop(AIOKafkaProducer(**options))


@pytest.mark.integration
async def test_on_real_kafka_a_vantage_is_kept_to_its_topic_and_the_worker_works(
    guarded: OwnBroker, tmp_path: Path
) -> None:
    admin = settings_of(by_password(guarded, "admin"))
    await ensure(admin)
    users = [f"{one}={one}" for one in PEOPLE if one != "admin"] + ["vantage=CN=pk-1"]
    commands = printed("kafka", *(part for one in users for part in ("--user", one)))
    await asyncio.to_thread(apply_commands, guarded, commands)
    by_name = settings_of(by_password(guarded, "vantage")).kafka
    await refused_elsewhere(by_name)
    await refused_elsewhere(settings_of(by_certificate(guarded)).kafka)

    private, public = new_key()
    operator = settings_of(by_password(guarded, "operator"))
    entry = Vantage(
        vantage="pk-1", country="PK", asn=7, public_key=public, since=datetime.datetime.now(datetime.UTC)
    )
    await write_all(operator.kafka, operator.topics.vantages, [(b"pk-1", encode_record(entry))])
    fleet = Fleet(
        guarded.bootstrap,
        tmp_path,
        kafka=by_password(guarded, "worker") | {"group": "netdusk-worker"},
        sections={
            "topics": {role: name for role, name in TopicSettings() if isinstance(name, str)}
            | {"partitions": 2},
            "trust": {"policy": "signed"},
        },
        worker={"tick_seconds": 1.0},
        command=(sys.executable, "-m", "streams", "worker"),
    )
    try:
        running = fleet.start()
        await fleet.wait_for_log(running, "partition restored")
        signer = Signer(private)
        results = [
            encode(
                ProbeResult(
                    id=f"r{i}",
                    time=datetime.datetime.now(datetime.UTC),
                    platform="x",
                    country="PK",
                    asn=7,
                    vantage="pk-1",
                    ok=True,
                )
            )
            for i in range(20)
        ]
        value = bundle("pk-1", results)
        signature = signer.headers(value)
        producer = await connect(settings_of(by_certificate(guarded)).kafka)
        try:
            for _ in range(2):  # the second is a replay
                await producer.send_and_wait(admin.topics.probes, value, key=b"PK", headers=signature)
            unknown = Signer(new_key()[0]).headers(value)
            await producer.send_and_wait(admin.topics.probes, value, key=b"PK", headers=unknown)
        finally:
            await producer.stop()
        reader = settings_of(by_password(guarded, "reader"))
        refused = settings_of(by_password(guarded, "operator"))
        reasons = await _reasons(refused, "replayed", "unknown_key")
        assert reasons >= {"replayed", "unknown_key"}
        # What was signed is heard: the health record of its window says so, and a reader may read it.
        assert await TopicReader(reader.kafka).partitions_of(reader.topics.health) == [0]
        with pytest.raises(ClusterAuthorizationFailedError):  # not even a producer of its own
            await say(reader.kafka, reader.topics.annotations)
        text = await _metrics(running.port)
        assert 'netdusk_records_total{result="applied"} 20.0' in text, [
            line for line in text.splitlines() if "records_total" in line
        ]
        assert "AuthorizationFailed" not in running.log.read_text()
    finally:
        fleet.close()
    # What a worker does now and then.
    worker = settings_of(by_password(guarded, "worker"))
    for topic in wanted(worker.topics):
        if topic.role in ("vantages", "annotations", "calendar", "signals"):
            with pytest.raises(TopicAuthorizationFailedError):
                await say(worker.kafka, topic.name)
        else:
            await say(worker.kafka, topic.name)
    await TopicReader(worker.kafka).delete_before(worker.topics.checkpoints, 0, 1)
    assert await refusals(worker) == []


def flood(kafka: KafkaSettings, topic: str, kilobytes: int) -> float:
    """Write so much in records of 50 KB, and return the longest that the broker had the writer wait, in ms."""
    from kafka import KafkaProducer

    producer = KafkaProducer(**client_options(kafka), acks="all")
    try:
        for _ in range(kilobytes // 50):
            producer.send(topic, bytes(50_000), key=b"PK")
        producer.flush(60)
        waits = [
            value
            for group in producer.metrics().values()
            for name, value in group.items()
            if name == "throttle-time-max" and math.isfinite(value)
        ]
    finally:
        producer.close(10)
    return max(waits, default=0.0)


@pytest.mark.integration
async def test_on_real_kafka_a_vantage_that_floods_is_slowed_and_others_are_not(guarded: OwnBroker) -> None:
    admin = settings_of(by_password(guarded, "admin"))
    await ensure(admin)
    commands = printed("kafka", *("--user", "vantage=vantage"), *("--user", "source=operator"))
    await asyncio.to_thread(apply_commands, guarded, commands)
    slowed = settings_of(by_password(guarded, "vantage"))
    assert await asyncio.to_thread(flood, slowed.kafka, admin.topics.probes, 1_500) > 0.0
    free = settings_of(by_password(guarded, "operator"))
    assert await asyncio.to_thread(flood, free.kafka, admin.topics.probes, 1_500) == 0.0


async def _reasons(settings: Settings, *awaited: str) -> set[str]:
    """The reasons on the topic of what was refused, once all that are awaited are there."""
    reader, topic = TopicReader(settings.kafka), settings.topics.rejected
    for _ in range(200):
        reasons = set()
        for partition in await reader.partitions_of(topic):
            start, end = (await reader.bounds(topic, [partition]))[partition]
            async for _, value in reader.read(topic, partition, start, end):
                reasons.add(orjson.loads(value or b"{}").get("reason"))
        if reasons >= set(awaited):
            return reasons
        await asyncio.sleep(0.1)
    return reasons


async def _metrics(port: int) -> str:
    import urllib.request

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)
