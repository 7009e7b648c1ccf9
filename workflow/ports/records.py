"""What is known of communities: frozen rows, as the store gives them and actions use them.

Times are seconds (UTC epoch), clocks are milliseconds, public keys are 33 compressed bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from workflow.archive.codec import Filling
from workflow.archive.index import IndexEntry
from workflow.errors import ChoiceRefusedError

UNSIGNED_LINK: Final = "an unsigned link was followed"
"""The condition of a community whose archives nobody has signed for yet."""

RESTORED: Final = "restored from a backup"
"""The condition of a community whose control node was restored, and is another device now."""


@dataclass(frozen=True, slots=True)
class Community:
    """A community as this node knows it.

    ``control_epoch`` is raised by every hand-over that is seen, ``claimed_epoch`` is the one in
    which this data directory took control (0: never). ``anchor`` is where the grid of windows
    starts, None before the first message. ``reannounce_after`` is None when the timer is off.
    Archives of an encrypted community are for the holders of its ratchet key.
    """

    id: str
    name: str
    control_key: bytes
    control_device: str
    control_epoch: int
    claimed_epoch: int
    interval: int
    anchor: int | None
    reannounce_after: float | None
    is_enabled: bool
    is_encrypted: bool
    generation: int
    candidate: int
    condition: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which archives a member fetches: all, those of the latest window, or of a range of time.

    A range (seconds, UTC epoch) is from ``since`` on and ends before ``until``; None is no limit.
    Every archive that reaches into it is chosen. Raises ``ChoiceRefusedError`` for an empty range,
    or one together with the latest.
    """

    since: int | None = None
    until: int | None = None
    is_latest: bool = False

    def __post_init__(self) -> None:
        if self.is_latest and (self.since, self.until) != (None, None):
            raise ChoiceRefusedError("either the latest archives or a range of time can be chosen")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ChoiceRefusedError("the range of time is empty")

    def of(self, entries: Collection[IndexEntry]) -> set[str]:
        """The ids of those of all the archives of an index that are chosen."""
        since, until = self.since, self.until
        if self.is_latest:
            since = max(((one.end, one.start) for one in entries), default=(0, 0))[1]
        return {
            one.id
            for one in entries
            if (since is None or one.end > since) and (until is None or one.start < until)
        }

    @property
    def words(self) -> str:
        """The choice in a few words."""
        if self.is_latest:
            return "the latest archives"
        days = [
            f"{word} {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
            for word, time in (("from", self.since), ("before", self.until))
            if time is not None
        ]
        return " ".join(("archives", *days)) if days else "all archives"


ALL: Final = Choice()
"""What is chosen unless a person chooses."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of a community's files: ``data[:data_length]`` and the index of this number.

    A lineage is one append-only ``data``; ``locator`` is empty until the first publication.
    ``info_hash`` (40 hexadecimal digits) covers every byte of both files, also of archives that a
    member has not chosen, and in whose place ``data`` has holes.
    """

    community: str
    number: int
    lineage: int
    locator: str
    data_length: int
    is_own: bool
    info_hash: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a community: its content topic (4 bytes), its chat id, and what it is called.

    Of a channel that was only ever seen as a topic, the rest is empty.
    """

    topic: bytes
    chat_id: str = ""
    name: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """How far an archive has come: ``state`` is that of its import, empty for one of our own.

    ``messages`` is how many stored messages it holds.
    """

    instance: str
    entry: IndexEntry
    is_here: bool
    is_locked: bool
    state: str
    messages: int


@dataclass(frozen=True, slots=True)
class Holding:
    """How much of a community's newest history is here, counted from rows; nothing is read.

    Of its ``archives``, ``chosen`` are wanted. ``here`` are on this disk, and of these
    ``imported`` are done with; ``locked`` wait for a key and ``quarantined`` were put aside.
    """

    archives: int = 0
    chosen: int = 0
    here: int = 0
    imported: int = 0
    locked: int = 0
    quarantined: int = 0

    @property
    def is_complete(self) -> bool:
        """Nothing that was chosen is missing."""
        return self.imported >= self.chosen


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement of our own: signed once, sent as often as needed, always the same bytes."""

    community: str
    clock: int
    locator: str
    epoch: int
    payload: bytes
    sent_at: float | None


@dataclass(frozen=True, slots=True)
class Link:
    """The newest link of somebody else's, verified unless its ``clock`` is 0.

    ``payload`` is the announcement; empty for a link that came without one, in a join response or
    unsigned.
    """

    community: str
    clock: int
    locator: str
    payload: bytes
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of a chat that the network had forgotten when it was asked (seconds)."""

    chat: str
    since: float
    until: float


class Place(NamedTuple):
    """Where a message stands in the total order: seconds, topic, the order of storing."""

    time: int
    topic: bytes
    sequence: int


class StoredMessage(NamedTuple):
    """A message; ``encoded`` is None when its bytes were let go, and ``archive`` holds them."""

    sequence: int
    time: int
    topic: bytes
    encoded: bytes | None
    weight: int
    archive: str | None
    digest: bytes = b""

    @property
    def place(self) -> Place:
        """Where it stands in the total order."""
        return Place(self.time, self.topic, self.sequence)


class Page(NamedTuple):
    """Messages for an archive, ``framed`` as it holds them; none when it takes no more.

    ``filling`` is how full the archive is with them, ``last`` the place of the last of them.
    """

    framed: bytearray
    filling: Filling
    last: Place


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages on one topic in one window: ``time`` is that of the oldest.

    ``let_go`` is how many of the archived ones have no bytes here any more.
    """

    time: int
    topic: bytes
    stored: int
    archived: int
    let_go: int
