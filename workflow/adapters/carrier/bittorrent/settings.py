"""Whom a carrier may talk to, and how it is tuned."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from workflow.errors import ConfigurationError

TRACKERS: Final = (
    "udp://tracker.opentrackr.org:1337/announce",
    "udp://tracker.openbittorrent.com:6969/announce",
)
"""The trackers of status-go's links."""

LOOPBACK: Final = "127.0.0.1"
IPV6: Final = 6
MAX_PORT: Final = 65_535


class Network(StrEnum):
    """How far a carrier reaches."""

    LOCAL = "local"
    """This machine and nothing else: every socket is bound to, and every address filtered by,
    loopback. Nodes find each other in a folder that they share."""
    PRIVATE = "private"
    """The trackers and peers that are named, and whom these trackers name."""
    PUBLIC = "public"
    """The trackers of status-go and the distributed hash table, as everybody's client does."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a carrier is told once; the defaults reach nobody but this machine.

    ``interface`` is an IP address of this machine ('': all of them, or loopback when ``network`` is
    local), ``port`` that on which others reach us (0: a free one). ``trackers`` are URLs, ``peers``
    are "host:port" of nodes that are asked for everything. ``meeting`` is the folder in which local
    nodes find each other. ``metadata_patience`` and ``patience`` are seconds without metadata, and
    without a new byte, after which nobody is there. ``libtorrent`` overrides its own settings.

    Raises ``ConfigurationError`` for what cannot be meant.
    """

    network: Network = Network.LOCAL
    interface: str = ""
    port: int = 0
    trackers: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    meeting: Path | None = None
    metadata_patience: float = 60.0
    patience: float = 60.0
    libtorrent: Mapping[str, bool | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= MAX_PORT:
            raise ConfigurationError(f"there is no port {self.port}")
        if min(self.metadata_patience, self.patience) <= 0:
            raise ConfigurationError("patience is a number of seconds above 0")
        if self.interface and not _is_address(self.interface):
            raise ConfigurationError(f"'{self.interface}' is no IP address of this machine")
        hosts = [self.interface] if self.interface else []
        hosts += [host_of(tracker) for tracker in self.trackers]
        hosts += [host for host, _ in map(address_of, self.peers)]
        if self.network is Network.LOCAL:
            for host in hosts:
                if not is_loopback(host):
                    raise ConfigurationError(f"'{host}' is not on this machine: network is local")

    @property
    def announced_to(self) -> tuple[str, ...]:
        """The trackers that are told, and named in links, in this order."""
        if self.network is not Network.PUBLIC:
            return self.trackers
        return TRACKERS + tuple(one for one in self.trackers if one not in TRACKERS)

    @property
    def has_peer_source(self) -> bool:
        """False when there is no way to hear of anybody."""
        return (
            self.network is Network.PUBLIC
            or bool(self.trackers or self.peers)
            or (self.network is Network.LOCAL and self.meeting is not None)
        )

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The addresses to listen on."""
        if self.interface:
            return (self.interface,)
        return (LOOPBACK,) if self.network is Network.LOCAL else ("0.0.0.0", "::")  # noqa: S104

    def reached_at(self, port: int) -> str:
        """Where a process on this machine reaches who listens on this port, as "ip:port"."""
        interface = ipaddress.ip_address(self.interface or LOOPBACK)
        if interface.is_unspecified:
            interface = ipaddress.ip_address("::1" if interface.version == IPV6 else LOOPBACK)
        return f"[{interface}]:{port}" if interface.version == IPV6 else f"{interface}:{port}"

    @property
    def is_on_loopback(self) -> bool:
        """True when everybody who can reach us is on this machine."""
        return all(is_loopback(one) for one in self.interfaces)


def address_of(peer: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6 address]:port". Raises ``ConfigurationError``."""
    host, _, port = peer.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ConfigurationError(f"'{peer}' is not host:port")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """True for a name or address that never leaves this machine."""
    if not _is_address(host):
        return host == "localhost"
    return ipaddress.ip_address(host).is_loopback


def host_of(tracker: str) -> str:
    """The host of a tracker's URL. Raises ``ConfigurationError``."""
    try:
        parts = urlsplit(tracker)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https", "udp"} or not host or not tracker.isprintable():
        raise ConfigurationError(f"{tracker!r} is no tracker: http, https or udp, with a host")
    return host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
