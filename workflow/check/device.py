"""One device: its database, what its process remembers, and the facts that follow from both.

Time is relative and small: it is always ``NOW``, and when time passes every stored moment moves
one step into the past, where all moments older than ``FLOOR`` are alike. One step stands for the
quiet after a link, for a back-off, and for the wait for missed messages. The guards are shown
these moments as they are; nothing in them can tell.

Histories are small too: each message is one bit, archives hold a set of them, and a locator is the
name of the device that built the archives with what they hold ("a3": by device a, messages 1 and
2). So the locator determines the content, as an info-hash does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from states.community import Facts, State
from states.instance import Backoff, Instance

NOW: Final = 100.0
FLOOR: Final = NOW - 2
PERIOD: Final = 1.0
"""From one announcement to the next, in steps of time."""


class Link(NamedTuple):
    """The newest verified announcement that was received; the moments are those of its batch."""

    clock: int = 0
    locator: str = ""
    first_at: float = FLOOR
    last_at: float = FLOOR
    key_is_missing: bool = False


class Announcement(NamedTuple):
    """The signed announcement of this device; ``sent_at`` is None until it is known to be sent."""

    clock: int
    locator: str
    sent_at: float | None = None


class Task(NamedTuple):
    """An action at work: what it saw when it started, and its effect that is not answered yet."""

    clock: int = 0
    locator: str = ""
    messages: int = 0
    done: str = ""


class Late(NamedTuple):
    """A second copy of an answer on its way to the engine."""

    event: str
    entry: int


class Device(NamedTuple):
    """Everything that one node knows of one community."""

    name: str
    # Kept in the database.
    place: Instance[State] = Instance("c", State.OFF)
    locator: str = ""
    was_seeded: bool = False
    candidate: str = ""
    link: Link = Link()
    announcement: Announcement | None = None
    announced: frozenset[tuple[int, str]] = frozenset()
    is_control_device: bool = False
    epoch_matches: bool = True
    messages: int = 0
    closed_at: float = FLOOR
    catch_up_deadline: float = FLOOR
    is_meant_to_be_on: bool = True
    announcements_left: int = 0
    # Files.
    has_key: bool = False
    has_index_key: bool = True
    is_damaged: bool = False
    # Remembered by the running process only.
    is_live: bool = False
    is_caught_up: bool = True
    task: Task | None = None
    late: Late | None = None

    @property
    def unarchived(self) -> int:
        """Stored messages that the current archives do not hold."""
        return self.messages & ~content(self.locator)

    @property
    def announced_clock(self) -> int:
        """The clock of the newest announcement that was ever written, sent or not."""
        return max((clock for clock, _ in self.announced), default=0)


def content(locator: str) -> int:
    """What the archives at a locator hold, one bit for each message."""
    return int(locator[1:]) if locator else 0


def is_current(device: Device) -> bool:
    """True when the written announcement names the archives that are on this disk now."""
    row = device.announcement
    return row is not None and row.locator == device.locator


def announce_due_at(device: Device) -> float | None:
    """When the current archives want to be announced (again); for members as well.

    Whether they may be is a question for the table.
    """
    if not device.locator:
        return None
    row = device.announcement
    if row is None or not is_current(device) or row.sent_at is None:
        return 0.0
    return row.sent_at + PERIOD if device.announcements_left else None


def facts_of(device: Device, attempts_allowed: int = 2) -> Facts:
    """The facts that the guards are shown: what a node reads in the deciding transaction."""
    return Facts(
        now=NOW,
        is_meant_to_be_on=device.is_meant_to_be_on,
        holds_control_key=device.has_key,
        is_control_device=device.is_control_device,
        epoch_matches=device.epoch_matches,
        generation=1 if device.locator else 0,
        locator=device.locator,
        torrent_is_live=device.is_live,
        torrent_was_seeded=device.was_seeded,
        announced_clock=device.announced_clock,
        announce_due_at=announce_due_at(device),
        link_clock=device.link.clock,
        link_locator=device.link.locator,
        link_first_at=device.link.first_at,
        link_last_at=device.link.last_at,
        link_key_is_missing=device.link.key_is_missing,
        settle_quiet=1.0,
        settle_limit=2.0,
        window_due_at=device.closed_at if device.unarchived else None,
        is_caught_up=device.is_caught_up,
        catch_up_deadline=device.catch_up_deadline,
        new_archives=(content(device.candidate) & ~content(device.locator)).bit_count(),
        attempts=device.place.attempts,
        attempts_allowed=attempts_allowed,
    )


@dataclass(frozen=True, slots=True)
class OneStep(Backoff):
    """Every back-off takes one step of time, however often it failed."""

    def delay(self, failures: int, salt: str) -> float:
        """One, always."""
        del failures, salt
        return 1.0


def later(device: Device) -> Device:
    """The same device one step of time later."""
    link, row, place = device.link, device.announcement, device.place
    setbacks = tuple(
        replace(note, at=_earlier(note.at), until=note.until - 1) for note in place.setbacks
    )
    due_at = place.due_at
    moved = device._replace(
        place=replace(
            place, setbacks=setbacks, due_at=None if due_at is None else _earlier(due_at)
        ),
        link=link._replace(first_at=_earlier(link.first_at), last_at=_earlier(link.last_at)),
        closed_at=_earlier(device.closed_at),
        catch_up_deadline=_earlier(device.catch_up_deadline),
    )
    if row is not None and row.sent_at is not None:
        moved = moved._replace(announcement=row._replace(sent_at=_earlier(row.sent_at)))
    return tidied(moved)


def _earlier(moment: float) -> float:
    return max(moment - 1, FLOOR)


def tidied(device: Device) -> Device:
    """The same device without differences that no guard and no function can see.

    Versions and entries are counted from nought, a setback whose next try is due holds nothing
    back any more, and beyond a few attempts the number makes no difference.
    """
    place = device.place
    late = device.late
    entry = 0
    if late is not None:
        entry = 1
        late = Late(late.event, 1 if late.entry == place.entry else 0)
    place = Instance(
        place.id,
        place.state,
        version=0,
        entry=entry,
        attempts=min(place.attempts, 4),
        answered=place.answered,
        due_at=place.due_at,
        setbacks=tuple(
            replace(note, failures=1, reason="") for note in place.setbacks if note.until > NOW
        ),
    )
    row, link = device.announcement, device.link
    if row is not None and row.sent_at is not None and not device.announcements_left:
        row = row._replace(sent_at=FLOOR)
    if link.clock <= device.announced_clock:
        link = link._replace(first_at=FLOOR, last_at=FLOOR)  # It will never be wanted.
    is_waiting = not device.is_caught_up or not device.locator
    return device._replace(
        place=place,
        late=late,
        announcement=row,
        link=link,
        closed_at=device.closed_at if device.unarchived else FLOOR,
        catch_up_deadline=device.catch_up_deadline if is_waiting else FLOOR,
    )
