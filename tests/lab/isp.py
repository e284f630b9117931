"""A provider: it carries packets between its customers and the world, and does to them what its rules say.

`python -m tests.lab.isp WORLD_FD HOME_ADDRESS=FD ...` reads rules from its standard input, a JSON list a line; each
list takes the place of the one before. It knows packets alone: neither netdusk nor what anybody measures.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import sys
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.lab.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    Flow,
    Packet,
    asked_host,
    home_of,
    server_name,
    take_apart,
    tcp,
    udp,
)

#: A queue that is longer than this drops what comes: as a shaper's does.
_QUEUE_BYTES: Final = 24_000
_READS_IN_A_ROW: Final = 64
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True)
class Rule:
    """What a provider does to what it recognizes.

    `does` is one of: drop_all, dns_forge (to `answer`), dns_nxdomain, dns_refused, dns_drop, ip_drop, ip_reset,
    quic_drop (UDP to and from port 443), sni_reset, sni_drop, http_page (with `answer` as the page), throttle (to
    `rate` bytes a second). `names` are the names that it goes for, `addresses` the addresses; `homes` are the customers
    that it concerns, or all where there is none.
    """

    does: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    answer: str = ""
    rate: float = 0.0

    def names_it(self, host: str | None) -> bool:
        """Whether a host is one of its names, or below one."""
        return host is not None and any(host == name or host.endswith(f".{name}") for name in self.names)


@dataclass(slots=True)
class Middlebox:
    """Decides about each packet. Told the time; knows no socket.

    `towards_home` and `towards_world` take packets that it makes itself or lets go on.
    """

    rules: tuple[Rule, ...] = ()
    #: Connections that a rule has recognized by what they said.
    condemned: dict[Flow, Rule] = field(default_factory=dict)
    queued: list[tuple[float, int, bool, bytes]] = field(default_factory=list)
    _free_at: dict[Flow, float] = field(default_factory=dict)
    _number: int = 0

    def set(self, rules: list[dict[str, Any]]) -> None:
        """Take other rules; what was recognized before is forgotten."""
        self.rules = tuple(
            Rule(**{key: tuple(value) if isinstance(value, list) else value for key, value in rule.items()})
            for rule in rules
        )
        self.condemned.clear()
        self._free_at.clear()

    def pass_on(self, raw: bytes, *, outward: bool, now: float) -> list[tuple[bool, bytes]]:
        """Return what goes on and whether outward: the packet itself, others in its place, or nothing."""
        packet = take_apart(raw)
        if packet is None:
            return [(outward, raw)] if not self.rules else []
        home = str(ip_address(packet.source if outward else packet.target))
        for rule in self.rules:
            if rule.homes and home not in rule.homes:
                continue
            done = self._apply(rule, packet, raw, outward=outward, now=now)
            if done is not None:
                return done
        return [(outward, raw)]

    def due(self, now: float) -> list[tuple[bool, bytes]]:
        """Return what has waited long enough."""
        ready = []
        while self.queued and self.queued[0][0] <= now:
            _, _, outward, raw = heapq.heappop(self.queued)
            ready.append((outward, raw))
        return ready

    def _apply(
        self, rule: Rule, packet: Packet, raw: bytes, *, outward: bool, now: float
    ) -> list[tuple[bool, bytes]] | None:
        """What a rule does to a packet; None if it lets it be."""
        match rule.does:
            case "drop_all":
                return []
            case "dns_forge" | "dns_nxdomain" | "dns_refused" | "dns_drop":
                return self._names(rule, packet) if outward else None
            case "ip_drop" | "ip_reset" | "quic_drop":
                far = str(ip_address(packet.target if outward else packet.source))
                port = packet.target_port if outward else packet.source_port
                if far not in rule.addresses:
                    return None
                if rule.does == "quic_drop" and (packet.protocol, port) != (UDP, _HTTPS):
                    return None
                return [(False, _reset(packet))] if rule.does == "ip_reset" and outward else []
            case "sni_reset" | "sni_drop" | "http_page" | "throttle":
                return self._talk(rule, packet, raw, outward=outward, now=now)
        raise ValueError(f"no rule does {rule.does!r}")

    def _names(self, rule: Rule, packet: Packet) -> list[tuple[bool, bytes]] | None:
        if packet.protocol != UDP or packet.target_port != 53:
            return None
        query = dns.message.from_wire(packet.payload)
        host = query.question[0].name.to_text(omit_final_dot=True)
        if not rule.names_it(host):
            return None
        if rule.does == "dns_drop":
            return []
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if rule.does == "dns_forge":
            reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", rule.answer))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN if rule.does == "dns_nxdomain" else dns.rcode.REFUSED)
        far, near = (packet.target, packet.target_port), (packet.source, packet.source_port)
        return [(False, udp(far, near, reply.to_wire()))]

    def _talk(
        self, rule: Rule, packet: Packet, raw: bytes, *, outward: bool, now: float
    ) -> list[tuple[bool, bytes]] | None:
        """What depends on what a client says: the name in its ClientHello, or its Host."""
        if packet.protocol != TCP:
            return None
        flow = packet.flow if outward else packet.back
        if self.condemned.get(flow) is not rule:
            # A page can be put in place of plain HTTP alone.
            hello = None if rule.does == "http_page" else server_name(packet.payload)
            host = (hello or asked_host(packet.payload)) if outward and packet.payload else None
            if not rule.names_it(host):
                return None
            self.condemned[flow] = rule
            if rule.does == "sni_reset":
                return [(False, _reset(packet)), (True, _reset_onward(packet))]
            if rule.does == "http_page":
                return _page(packet, rule.answer)
        if rule.does == "throttle":
            return self._queue(rule, flow, raw, outward=outward, now=now)
        return []  # nothing of a connection that was cut goes on

    def _queue(
        self, rule: Rule, flow: Flow, raw: bytes, *, outward: bool, now: float
    ) -> list[tuple[bool, bytes]]:
        """One queue a connection, emptied at the rule's rate; what doesn't fit is dropped."""
        if outward:
            return [(True, raw)]
        free = max(now, self._free_at.get(flow, now))
        if (free - now) * rule.rate + len(raw) > _QUEUE_BYTES:
            return []
        self._free_at[flow] = free + len(raw) / rule.rate
        self._number += 1
        heapq.heappush(self.queued, (self._free_at[flow], self._number, outward, raw))
        return []


def _reset(packet: Packet) -> bytes:
    """A reset to the client, as if it came from the server."""
    taken = packet.sequence + len(packet.payload) + bool(packet.flags & SYN)
    far, near = (packet.target, packet.target_port), (packet.source, packet.source_port)
    return tcp(far, near, RST | ACK, packet.acknowledged, taken)


def _reset_onward(packet: Packet) -> bytes:
    """A reset to the server, as if it came from the client."""
    return tcp((packet.source, packet.source_port), (packet.target, packet.target_port), RST, packet.sequence)


def _page(packet: Packet, page: str) -> list[tuple[bool, bytes]]:
    """The provider's own page as the answer, and the server's end closed."""
    body = page.encode()
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    taken = packet.sequence + len(packet.payload)
    far, near = (packet.target, packet.target_port), (packet.source, packet.source_port)
    return [
        (False, tcp(far, near, PSH | ACK | FIN, packet.acknowledged, taken, answer)),
        (True, _reset_onward(packet)),
    ]


def main(arguments: list[str]) -> None:
    """Carry packets until the standard input ends."""
    world = int(arguments[0])
    homes = {
        ip_address(address).packed: int(fd) for address, fd in (item.split("=") for item in arguments[1:])
    }
    box = Middlebox()
    ends = [world, *dict.fromkeys(homes.values())]  # a home may have an address of each version
    for fd in (*ends, 0):
        os.set_blocking(fd, False)
    text = b""

    def write(outward: bool, raw: bytes) -> None:
        fd = world if outward else homes.get(home_of(raw))
        if fd is not None:
            try:
                os.write(fd, raw)
            except OSError:
                return  # the device is going down, or its queue is full: a packet is lost, as packets are

    while True:
        wait = max(0.0, box.queued[0][0] - time.monotonic()) if box.queued else 5.0
        ready, _, _ = select.select([*ends, 0], [], [], wait)
        now = time.monotonic()
        for outward, raw in box.due(now):
            write(outward, raw)
        for fd in ready:
            if fd == 0:
                more = os.read(0, 65_536)
                if not more:
                    return
                *lines, text = (text + more).split(b"\n")
                if lines:
                    box.set(json.loads(lines[-1]))
                    print("rules taken", flush=True)
                continue
            for _ in range(_READS_IN_A_ROW):
                try:
                    raw = os.read(fd, 65_536)
                except BlockingIOError:
                    break
                for outward, each in box.pass_on(raw, outward=fd != world, now=now):
                    write(outward, each)


if __name__ == "__main__":
    main(sys.argv[1:])
