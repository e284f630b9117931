"""An IP version for one target, and what a name's HTTPS record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from producers.probe.asked import Fingerprints
from producers.probe.attempt import Outcome, Tools, attempt
from producers.probe.dns import Resolver
from producers.probe.targets import Target, TargetsFile
from producers.probe.tls import Contexts
from producers.probe.vantage import ProbeVantage
from producers.records import decode, encode
from tests.producers.probe import servers
from tests.producers.probe.servers import HOST

ECH = "ech=AEX+DQBB3gAgACDM2uHhvuKYfiCM4kFhrRsfJv3GjBpWoh7w8KKXPz3sRAAEAAEAAQASY2xvdWRmbGFyZS1lY2guY29tAAA="
TABLE: dict[str, Any] = {
    "addresses": {HOST: ["127.0.0.1"], "six.test": ["::1"]},
    "services": {HOST: [f"1 . alpn=h2 {ECH}"], "_8443._https.port.test": [f"1 . {ECH}"], "six.test": ["1 ."]},
    "silent": {"silent.test"},
}


async def _tried(tmp_path: Path, **keys: Any) -> Outcome:
    async with servers.naming(servers.NameServer(**TABLE)) as names, servers.refusing() as port:
        tools = Tools(
            resolver=Resolver("127.0.0.1", names.port),
            contexts=Contexts(servers.write_authority(tmp_path)),
            fingerprints=Fingerprints(()),
            timeout_seconds=1.0 if "silent" in keys["url"] else 20.0,
            allow_private=True,
        )
        url = keys.pop("url").replace("PORT", str(port))
        return await attempt(Target(platform="x", url=url, private=True, **keys), tools)


@pytest.mark.parametrize(
    ("host", "family", "failure"),
    [
        (HOST, None, "connection_refused"),
        (HOST, "ipv4", "connection_refused"),
        (HOST, "ipv6", "dns_no_answer"),
        ("six.test", "ipv6", "connection_refused"),
        ("six.test", "ipv4", "dns_no_answer"),
    ],
)
async def test_a_target_is_asked_over_its_own_ip_version(
    tmp_path: Path, host: str, family: str | None, failure: str
) -> None:
    outcome = await _tried(tmp_path, url=f"tcp://{host}:PORT", family=family)
    assert outcome.failure == failure


def test_both_versions_of_one_url_stand_in_one_list_by_names_of_their_own() -> None:
    both = [Target(platform="x", url="https://x.com/", family=family) for family in (None, "ipv4", "ipv6")]
    assert [target.name for target in TargetsFile(target=tuple(both)).target] == [
        "https://x.com/",
        "https://x.com/#ipv4",
        "https://x.com/#ipv6",
    ]
    with pytest.raises(ValueError, match=r"target 2 asks https://x.com/#ipv6 as target 1 does"):
        TargetsFile(target=(both[2], both[2]))


@pytest.mark.parametrize(
    "keys",
    [
        {"url": "tcp://192.0.2.1:80", "family": "ipv6"},
        {"url": "tcp://[2001:db8::1]:80", "family": "ipv4"},
        {"url": "tcp://192.0.2.1:80", "ech": True},
        {"url": "dns://a.example/b.example", "ech": True},
    ],
)
def test_what_contradicts_itself_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"family:|ech:"):
        Target(platform="x", **keys)


@pytest.mark.parametrize(
    ("url", "offered"),
    [
        (f"https://{HOST}/", None),
        (f"tcp://{HOST}:443", True),
        ("tcp://six.test:443", False),
        ("tcp://port.test:8443", True),
        ("tcp://nothing.test:443", False),
        ("tcp://silent.test:443", None),
    ],
)
async def test_whether_a_name_offers_ech_is_a_fact_of_the_result(
    tmp_path: Path, url: str, offered: bool | None
) -> None:
    outcome = await _tried(tmp_path, url=url, ech=not url.startswith("https"))
    record = ProbeVantage("v", "PK", 1).record(outcome)
    assert record.ech_offered == (UNSET if offered is None else offered)
    assert decode(encode(record)) == record
