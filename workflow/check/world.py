"""A community's world: devices that share one key, what they publish, and what may go wrong.

Everything that was ever published may reach any device at any time, again and again, or never: so
loss, reordering and duplicates need no machinery of their own. Every fault costs one from a small
budget, therefore faults stop.

Promises about what the network sees, in the strongest form that is true:

* One device never publishes two different announcements with one clock, and its clocks never
  decrease (sending the same bytes again after a crash keeps the clock).
* Two devices with separate databases and one key **can** publish different announcements with
  one clock, as long as neither has heard of the other; no local rule can prevent that, and a
  receiver keeps the one that it saw first. But an announcement is always newer than everything its
  sender had heard when it was published, and a control node with archives that hears of another
  device publishes nothing more until a person takes control over: so two devices that hear each
  other do not go on colliding.
* What counts as sent was published.

Whether the facts are still true in the microseconds between reading them and publishing is beyond
this model, as it is beyond any program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from states.community import Event, State, is_control_node, link_is_wanted
from states.instance import is_running
from workflow.check.actions import Actions, Outcome, handed_over, link_received
from workflow.check.device import NOW, Device, announce_due_at, facts_of, later
from workflow.check.engine import CommunityTable, Engine, Move
from workflow.check.search import Edge


class Fault(Enum):
    """What the environment may do to a device; each time costs one."""

    CRASH = "the process dies and starts again"
    ACTION_FAILS = "its action fails"
    FILE_ERROR = "the carrier reports a file error"
    DAMAGE = "archives on its disk are damaged"
    SWITCH_OFF = "it is switched off"
    KEY_AWAY = "its key file is taken away"
    HAND_OVER = "control is handed to another device"
    DELETION = "unarchived messages are deleted"
    DUPLICATE = "the answer is delivered twice"
    STRAY = "something is reported that may not be so, or is so already"
    TAKE_OVER = "a person takes control over"


CONDITIONS: Final = (
    Event.TORRENT_MISSING,
    Event.LINK_WAITING,
    Event.WINDOW_CLOSED,
    Event.ANNOUNCE_DUE,
)


class World(NamedTuple):
    """All devices, everything ever published (by whom, clock, locator), and faults to come."""

    devices: tuple[Device, ...]
    published: frozenset[tuple[str, int, str]]
    faults_left: int


@dataclass(frozen=True)
class Scenario:
    """Where a search begins, and what may go wrong on the way.

    ``heard`` are announcements that a former device, which is gone, has published. ``messages``
    is the set of messages that may come, one bit each. ``copies_stay``: members keep copies of
    all that was ever announced; otherwise only other devices' live archives can be fetched.
    ``always_fails`` names states whose actions never succeed: then the question is not whether
    all settles, but whether there is a pause between the attempts.
    """

    name: str
    devices: tuple[Device, ...]
    faults: frozenset[Fault] = frozenset()
    budget: int = 0
    messages: int = 0
    heard: frozenset[tuple[str, int, str]] = frozenset()
    encrypted: frozenset[str] = frozenset()
    copies_stay: bool = True
    gone: frozenset[str] = frozenset()
    always_fails: frozenset[State] = frozenset()
    attempts_allowed: int = 2


Moves: TypeAlias = tuple[tuple[str, Move, bool, int, tuple[int, str] | None], ...]


@dataclass
class CommunityModel:
    """A scenario over one table, as the search wants it."""

    table: CommunityTable
    scenario: Scenario
    actions_of: Callable[[Engine], Actions] = Actions
    _known: dict[object, Moves] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = Engine(self.table, self.scenario.attempts_allowed)
        self.actions = self.actions_of(self.engine)

    def start(self) -> Iterable[World]:
        """One world, in which nothing has happened yet."""
        yield World(self.scenario.devices, self.scenario.heard, self.scenario.budget)

    def edges(self, state: World) -> Iterator[Edge[World]]:
        """What may happen in this world: to one device, or to all when time passes."""
        for place, device in enumerate(state.devices):
            for label, move, fair, cost, sends in self._moves(state, device):
                if cost > state.faults_left:
                    continue
                devices = list(state.devices)
                devices[place] = move.device
                published = state.published
                broken = move.broken
                if sends is not None:
                    broken = broken or self._published(state, device, *sends)
                    published |= {(device.name, *sends)}
                after = World(tuple(devices), published, state.faults_left - cost)
                words = f"{label}: {move.words}" if move.words else label
                yield Edge(f"{device.name}: {words}", after, fair, broken, device.name)
        aged = state._replace(devices=tuple(later(device) for device in state.devices))
        yield Edge("time passes", aged, not self.scenario.always_fails)

    def broken(self, state: World) -> str:
        """Promises about a whole world."""
        for device in state.devices:
            row = device.announcement
            is_sent = row is not None and row.sent_at is not None
            if row and is_sent and (device.name, row.clock, row.locator) not in state.published:
                return "an announcement counts as sent that was never published"
        return ""

    def settled(self, state: World) -> tuple[bool, ...]:
        """For each device, whether it has nothing left to do by itself."""
        return tuple(not self._unfinished(state, device) for device in state.devices)

    def unsettled(self, state: World, goal: int) -> str:
        """What a device still has to do."""
        device = state.devices[goal]
        return f"{device.name}: {self._unfinished(state, device)}"

    def _unfinished(self, world: World, device: Device) -> str:
        if self.scenario.always_fails:
            place = device.place
            is_due = place.due_at is not None and place.due_at <= NOW
            return "no pause" if is_due or is_running(self.table, place) else ""
        return next(self._open_points(world, device), "")

    def _published(self, world: World, device: Device, clock: int, locator: str) -> str:
        for sender, seen, other in world.published:
            if sender != device.name:
                continue
            if seen == clock and other != locator:
                return f"two different announcements are published with clock {clock}"
            if seen > clock:
                return f"clock {clock} is published after clock {seen}"
        return ""

    def _open_points(self, world: World, device: Device) -> Iterator[str]:
        """What a device that comes to rest must have done. What nobody offers may wait for ever."""
        place, facts, link = device.place, facts_of(device), device.link
        is_damaged = device.is_damaged and not self._is_offered(world, device, device.locator)
        is_retrying = place.due_at is not None and not self.table.waits(place.state)
        if is_running(self.table, place) or is_retrying:
            yield f"{place.state.value} is not finished"
        if place.state is State.OFF:
            if device.is_live:
                yield "it is off, and still live"
            return
        if place.state is not State.IDLE:
            yield f"it stays in {place.state.value}"
        if device.locator and not device.is_live and not is_damaged:
            yield "its archives are not live"
        is_wanted = link_is_wanted(facts) and not link.key_is_missing
        if is_wanted and self._is_offered(world, device, link.locator):
            yield "a wanted link was not followed"
        if is_control_node(facts):
            due_at = announce_due_at(device)
            if device.unarchived:
                yield "closed windows are not archived"
            if due_at is not None and due_at <= NOW and not is_damaged:
                yield "its archives are not announced"

    def _is_offered(self, world: World, device: Device, locator: str) -> bool:
        """Somebody else has these archives."""
        if locator in self.scenario.gone:
            return False
        if any(
            other.locator == locator and other.is_live and other.name != device.name
            for other in world.devices
        ):
            return True
        return self.scenario.copies_stay and any(
            locator == known for _, _, known in world.published
        )

    def _moves(self, world: World, device: Device) -> Moves:
        """What may happen to one device; worked out once for each device and surroundings."""
        heard = frozenset((clock, locator) for _, clock, locator in world.published)
        target = device.task.locator if device.task else ""
        is_offered = bool(target) and self._is_offered(world, device, target)
        key = (device, heard, is_offered, world.faults_left > 0)
        known = self._known.get(key)
        if known is None:
            known = tuple(self._work_out(device, heard, is_offered=is_offered))
            if world.faults_left:
                known += tuple(self._faults(device))
            self._known[key] = known
        return known

    def _work_out(
        self, device: Device, heard: frozenset[tuple[int, str]], *, is_offered: bool
    ) -> Iterator[tuple[str, Move, bool, int, tuple[int, str] | None]]:
        place = device.place
        if device.task is not None:
            for outcome in self._outcomes(device, is_offered=is_offered):
                yield "works", outcome.move, True, 0, outcome.published
        if place.due_at is not None and place.due_at <= NOW:
            yield "its moment has come", self.engine.wake(device), True, 0, None
        if place.state is State.OFF:
            meant = device._replace(is_meant_to_be_on=True)
            yield "is switched on", self.engine.receive(meant, Event.SWITCHED_ON), False, 0, None
        for clock, locator in sorted(heard):
            if clock > device.link.clock:
                hear = partial(link_received, clock=clock, locator=locator)
                move = self.engine.receive(device, Event.LINK_RECEIVED, hear)
                yield f"hears of clock {clock}, {locator}", move, False, 0, None
        if device.late is not None:
            yield "the second copy", self.engine.receive_late(device, device.late), True, 0, None
        yield from self._changes(device)

    def _outcomes(self, device: Device, *, is_offered: bool) -> Iterator[Outcome]:
        if device.place.state in self.scenario.always_fails:
            yield Outcome(self.engine.answer(device, Event.ACTION_FAILED))
            return
        target = device.task.locator if device.task else ""
        is_readable = target not in self.scenario.encrypted
        yield from self.actions.outcomes(device, is_offered=is_offered, is_readable=is_readable)

    def _changes(
        self, device: Device
    ) -> Iterator[tuple[str, Move, bool, int, tuple[int, str] | None]]:
        """What may change for the better, at no cost: it can happen only so often."""

        def changed(label: str, after: Device) -> tuple[str, Move, bool, int, None]:
            return label, self.engine.wake(after), False, 0, None

        missing = self.scenario.messages & ~device.messages
        if missing:
            oldest = missing & -missing
            after = device._replace(messages=device.messages | oldest)
            if not device.unarchived:
                after = after._replace(closed_at=NOW + 1)
            yield changed(f"a window closes (message {oldest})", after)
        if not device.is_caught_up:
            yield changed("has caught up", device._replace(is_caught_up=True))
        if not device.has_index_key:
            link = device.link._replace(key_is_missing=False)
            after = device._replace(has_index_key=True, link=link)
            yield changed("the key of the index arrives", after)
        if not device.has_key and Fault.KEY_AWAY in self.scenario.faults:
            yield changed("its key file is back", device._replace(has_key=True))

    def _faults(
        self, device: Device
    ) -> Iterator[tuple[str, Move, bool, int, tuple[int, str] | None]]:
        for fault in self.scenario.faults:
            for move in self._fault(device, fault):
                yield fault.value, move, False, 1, None

    def _fault(self, device: Device, fault: Fault) -> Iterator[Move]:  # noqa: C901, PLR0912
        engine = self.engine
        state = device.place.state
        match fault:
            case Fault.CRASH:
                yield engine.restart(device)
            case Fault.ACTION_FAILS if device.task is not None:
                yield engine.answer(device, Event.ACTION_FAILED)
            case Fault.FILE_ERROR if device.is_live:
                yield engine.wake(device._replace(is_live=False))
            case Fault.DAMAGE if device.locator and not device.is_damaged:
                yield engine.wake(device._replace(is_live=False, is_damaged=True))
            case Fault.SWITCH_OFF:
                meant = device._replace(is_meant_to_be_on=False)
                yield engine.receive(meant, Event.SWITCHED_OFF)
            case Fault.KEY_AWAY if device.has_key:
                yield engine.wake(device._replace(has_key=False))
            case Fault.HAND_OVER if device.is_control_device:
                yield engine.wake(handed_over(device))
            case Fault.TAKE_OVER if not (device.is_control_device and device.epoch_matches):
                if device.has_key and not link_is_wanted(facts_of(device)):
                    yield engine.wake(device._replace(is_control_device=True, epoch_matches=True))
            case Fault.DELETION if device.unarchived:
                kept = device.messages & ~device.unarchived
                yield engine.wake(device._replace(messages=kept))
            case Fault.DUPLICATE if device.task is not None and device.late is None:
                for outcome in self._outcomes(device, is_offered=True):
                    after, copy = outcome.move.device, outcome.move.copy
                    if copy is not None:
                        place = replace(after.place, entry=1)
                        yield outcome.move._replace(device=after._replace(place=place, late=copy))
            case Fault.STRAY:
                for event in CONDITIONS:
                    if state is State.IDLE or event is Event.TORRENT_MISSING:
                        yield engine.receive(device, event)
                yield engine.receive(device, Event.SWITCHED_ON)
            case _:
                pass
