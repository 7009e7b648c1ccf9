"""What the actions may answer, and what each answer writes: the model's side of every port.

Two actions have an effect before their answer, and the process may die in between: ``seed_torrent``
makes the archives live, ``send_link`` publishes. The others are one step here, but they work with
what they saw when they started (``Task``), so that anything may happen while they are at work.

What the real actions must do for the table to be right is written here once more, as small as it
can be said; a careless variant of any of these functions is found by the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from states.community import (
    Event,
    State,
    announcement_is_due,
    is_control_node,
    link_is_wanted,
)
from workflow.check.device import NOW, Announcement, Device, Link, content, facts_of, is_current
from workflow.check.engine import Engine, Move


class Outcome(NamedTuple):
    """What a running action does next, and what it publishes by it: a clock and a locator."""

    move: Move
    published: tuple[int, str] | None = None


class Actions:
    """The actions of a community, over one engine. Subclass it to be careless on purpose."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.work: dict[State, Callable[[Device, bool], Iterator[Outcome]]] = {
            State.OFF: self.drop_torrent,
            State.CREATING: self.create_archives,
            State.SEEDING: self.seed_torrent,
            State.ANNOUNCING: self.send_link,
            State.FETCHING: self.fetch_index,
            State.DOWNLOADING: self.download_archives,
        }

    def outcomes(self, device: Device, *, is_offered: bool, is_readable: bool) -> Iterator[Outcome]:
        """All that the running action may do next if nothing goes wrong.

        ``is_offered``: somebody else has what it fetches; ``is_readable``: its index is not
        encrypted.
        """
        state = device.place.state
        if state is State.FETCHING and is_offered and not is_readable and not device.has_index_key:
            yield self._answer(device, Event.KEY_MISSING, missing_key)
        else:
            yield from self.work[state](device, is_offered)

    def drop_torrent(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """The carrier forgets the archives; they are not live from then on."""
        del is_offered
        yield self._answer(device._replace(is_live=False), Event.TORRENT_DROPPED)

    def create_archives(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """A new generation from all closed windows, unless control or the messages are gone.

        Control may be lost unnoticed while the archives are written: the table decides then.
        """
        del is_offered
        if not is_control_node(facts_of(device)):
            yield self._answer(device, Event.CONTROL_LOST)
        new = device.task.messages & device.messages if device.task else 0
        if not new:
            yield self._answer(device, Event.NOTHING_TO_WRITE)
            return
        already = content(device.locator)
        broken = "a message is archived twice" if new & already else ""
        made = f"{device.name}{already | new}"
        outcome = self._answer(
            device,
            Event.ARCHIVES_WRITTEN,
            lambda was: was._replace(
                locator=made, was_seeded=False, is_damaged=False, is_live=False
            ),
        )
        kept = outcome.move.device.locator == made
        if kept and not is_control_node(facts_of(device)):
            broken = broken or "archives written after control was lost are kept"
        yield Outcome(outcome.move._replace(broken=broken or outcome.move.broken))

    def seed_torrent(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """A full check; then the archives are live, then that is answered."""
        del is_offered
        task = device.task
        if device.is_damaged and not device.is_live:
            yield self._answer(device, Event.PIECES_MISSING, lambda was: was._replace(candidate=""))
        elif task is not None and not task.done:
            live = device._replace(is_live=True, task=task._replace(done="seeded"))
            yield Outcome(Move(live, "the archives are checked and live"))
        else:
            yield self._answer(device, Event.TORRENT_SEEDED, self.seeded)

    def seeded(self, device: Device) -> Device:
        """The archives were live; a due announcement is written with them, signed, unsent."""
        device = device._replace(was_seeded=True)
        facts = facts_of(device)
        if not (is_control_node(facts) and announcement_is_due(facts)):
            return device
        row = device.announcement
        if row is not None and row.sent_at is None and is_current(device):
            return device
        clock = max(device.announced_clock, device.link.clock) + 1
        is_periodic = row is not None and is_current(device) and row.sent_at is not None
        return device._replace(
            announcement=Announcement(clock, device.locator),
            announced=device.announced | {(clock, device.locator)},
            announcements_left=device.announcements_left - is_periodic,
        )

    def send_link(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """Read the facts again, publish exactly the stored bytes, and then say so."""
        del is_offered
        row, task = device.announcement, device.task
        if task is not None and task.done:
            yield self._answer(device, Event.LINK_SENT, sent)
        elif row is None or not is_current(device) or not is_control_node(facts_of(device)):
            yield self._answer(device, Event.CONTROL_LOST)
        elif not device.is_live:
            yield self._answer(device, Event.TORRENT_MISSING)
        else:
            yield publishing(device, row)

    def fetch_index(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """What the link promises; archives that differ in name only are taken over at once."""
        wanted = device.task.locator if device.task else ""
        if not is_offered:
            yield self._answer(device, Event.ACTION_FAILED)
            return

        def write(was: Device) -> Device:
            if content(wanted) & ~content(was.locator):
                return was._replace(candidate=wanted)
            return adopted(was, wanted)

        yield self._answer(device, Event.INDEX_FETCHED, write)

    def download_archives(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        """The candidate becomes the current generation; without one, the current is repaired."""
        if not is_offered:
            yield self._answer(device, Event.ACTION_FAILED)
            return

        def write(was: Device) -> Device:
            if not was.candidate:
                return was._replace(is_damaged=False)
            return adopted(was, was.candidate)

        yield self._answer(device, Event.ARCHIVES_DOWNLOADED, write)

    def _answer(
        self, device: Device, event: Event, write: Callable[[Device], Device] | None = None
    ) -> Outcome:
        if write is None:
            return Outcome(self.engine.answer(device, event))
        return Outcome(self.engine.answer(device, event, write))


def publishing(device: Device, row: Announcement) -> Outcome:
    """The announcement goes out; what must be true at this very moment is asked here."""
    facts = facts_of(device)
    broken = ""
    if not is_control_node(facts):
        broken = "an announcement is published by a node that is not the control node"
    elif not device.is_live or row.locator != device.locator:
        broken = "an announcement is published although its archives are not live"
    elif row.clock <= device.link.clock and (row.clock, row.locator) != device.link[:2]:
        broken = "an announcement is published that is older than what its sender has heard"
    task = device.task._replace(done="sent") if device.task else None
    words = f"publishes clock {row.clock}, {row.locator}"
    return Outcome(Move(device._replace(task=task), words, broken), (row.clock, row.locator))


def sent(device: Device) -> Device:
    """The announcement is known to be sent."""
    row = device.announcement
    return device._replace(announcement=row._replace(sent_at=NOW) if row else None)


def missing_key(device: Device) -> Device:
    """The index of the newest link cannot be read yet."""
    return device._replace(link=device.link._replace(key_is_missing=True))


def adopted(device: Device, candidate: str) -> Device:
    """The candidate is the current generation from now on; it has not been live yet."""
    return device._replace(
        locator=candidate,
        candidate="",
        was_seeded=False,
        is_damaged=False,
        is_live=False,
    )


def link_received(device: Device, clock: int, locator: str) -> Device:
    """A newer verified link is stored; a foreign one stops a control device with archives.

    Whether its key can be read at this moment makes no difference to that.
    """
    link = device.link
    is_own = (clock, locator) in device.announced
    if clock <= link.clock or is_own:
        return device
    was_wanted = link_is_wanted(facts_of(device))
    link = Link(clock, locator, first_at=link.first_at if was_wanted else NOW, last_at=NOW)
    leads = device.is_control_device and device.epoch_matches and device.locator != ""
    stored = device._replace(link=link)
    return handed_over(stored) if leads else stored


def handed_over(device: Device) -> Device:
    """Another device has control: a new epoch, in which no announcement of the old one counts."""
    return device._replace(is_control_device=False, epoch_matches=False, announcement=None)
