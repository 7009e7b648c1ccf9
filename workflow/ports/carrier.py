"""The network of files: whatever publishes archives and brings them back.

It deals in opaque **locators** (a magnet link, for BitTorrent). What a community's files are
called, and which bytes of them form an archive, it is told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workflow.archive.torrent import Info


@dataclass(frozen=True, slots=True)
class Content:
    """One generation of a community's archives on this disk.

    ``data`` is append-only and may be longer than ``data_length``: bytes behind it belong to a
    generation that is only being written. ``index`` and ``torrent`` (the .torrent over the two
    others) are immutable. Lengths are bytes.
    """

    community: str
    data: Path
    data_length: int
    index: Path
    torrent: Path


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of ``data`` that hold one archive, named by the archive's id."""

    archive: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What describes a generation: its index, and what a .torrent over all of it says.

    It is written beside ``data`` before anything else is fetched, so that what comes, and what is
    offered after a restart, can be checked without asking anybody.
    """

    index: bytes
    info: Info


@dataclass(frozen=True, slots=True)
class Traffic:
    """What moves at one moment: ``done`` of ``total`` bytes of what was asked for are here.

    Rates are bytes a second; ``downloaded`` and ``uploaded`` are bytes since it was begun.
    """

    peers: int
    done: int
    total: int
    download_rate: int
    upload_rate: int
    downloaded: int
    uploaded: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who is connected: "ip:port", a program's name, how much of it they have (0 to 1).

    Rates are bytes a second, from our side.
    """

    address: str
    client: str
    progress: float
    download_rate: int
    upload_rate: int


HealthListener = Callable[[str], None]
"""Called, from any thread, with a locator that has become live or has failed.

Not called for what was asked for: ``withdraw`` and ``close``."""


class Carrier(Protocol):
    """Publishes and fetches generations.

    Nothing is live after a restart, and nothing counts as live before all its bytes were read and
    checked since then. ``is_live``, ``check_locator``, ``traffic`` and ``peers`` may be called from
    any thread. A locator that can name nothing raises ``LocatorInvalidError`` where one is needed.
    """

    async def open(self, listener: HealthListener) -> None:
        """Get ready; from now on ``listener`` hears of every locator whose health changes."""

    def check_locator(self, locator: str) -> None:
        """Raises ``LocatorInvalidError`` for what could never be fetched; asks no network.

        May be called from any thread.
        """

    async def publish(
        self, content: Content, locator: str = "", ranges: Sequence[Range] | None = None
    ) -> str:
        """Check all bytes, offer them, and return their locator once they are really live.

        With ``locator`` the content must be exactly what that locator names; without, it is new.
        ``content.torrent`` must have been written before. With ``ranges``, and a locator, only
        these bytes of ``data`` are here: they and the index are checked and offered, and nobody is
        told that there are others.

        Raises ``ContentDamagedError`` when bytes are missing or differ, ``CarrierError`` otherwise.
        """

    async def fetch_index(self, locator: str) -> Fetched:
        """The index that the locator names, and what describes the rest.

        Raises ``NoPeersError`` when nobody reachable has it within the carrier's time limit, and at
        once, as ``NoPeerSourceError``, when there is no way to hear of anybody.
        """

    def fetch(
        self, locator: str, content: Content, ranges: Sequence[Range]
    ) -> AsyncGenerator[str, None]:
        """Bring these ranges of ``data`` to ``content.data``; yields archive ids, each once.

        An id is yielded when its bytes are checked and readable from the disk, those that already
        were at once. Interrupting it keeps what is finished. Raises ``NoPeersError`` when no byte
        has come within the carrier's time limit, ``CarrierError`` for a failing disk.
        """

    def is_live(self, locator: str) -> bool:
        """True while the content was checked, is offered, and no error was seen since."""

    def traffic(self, locator: str) -> Traffic | None:
        """What moves at this moment; None for what is neither offered nor being fetched."""

    @property
    def address(self) -> str:
        """Where a process on this machine reaches this one, as "ip:port"; empty for nowhere."""

    def peers(self, locator: str) -> tuple[Peer, ...]:
        """Who is connected for it at this moment; nobody if it is neither offered nor fetched."""

    async def withdraw(self, locator: str) -> None:
        """Stop offering; the files stay. Nothing happens when it was not offered."""

    async def close(self) -> None:
        """Withdraw everything and let go of all files."""
