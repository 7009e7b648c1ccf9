"""The archives of one community on their way into the message store, one beside the other.

Two archives are enough to see whether one can hold up the other, or be counted twice. The world is
smaller than a community's: what an archive needs is its pieces, perhaps a key, and sound bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from states.archive_import import Action, Event, Facts, Signal, State
from states.instance import (
    Instance,
    advance,
    is_running,
    start,
    survives_restart,
    wake_later,
)
from states.lifecycle import Lifecycle, Refusal, Step, decide, explain, look
from workflow.check.device import NOW, OneStep
from workflow.check.search import Edge

ArchiveTable: TypeAlias = Lifecycle[State, Event, Action, Facts, Signal]
BACKOFF: Final = OneStep()
DONE: Final = (State.IMPORTED, State.QUARANTINED)


class Archive(NamedTuple):
    """One archive: where it stands, and what it is like."""

    place: Instance[State]
    is_bad: bool = False
    is_encrypted: bool = False
    imports: int = 0


class Archives(NamedTuple):
    """All archives, the key of the encrypted ones, and how many faults are still to come."""

    archives: tuple[Archive, ...]
    has_key: bool
    faults_left: int


class _Move(NamedTuple):
    archive: Archive
    words: str
    broken: str = ""


@dataclass
class ArchiveModel:
    """Two archives over one table; ``always_fails`` asks for pauses between failed attempts."""

    table: ArchiveTable
    budget: int = 3
    always_fails: bool = False

    def __post_init__(self) -> None:
        self.rules_taken: set[int] = set()

    def start(self) -> Iterable[Archives]:
        """A sound archive and one that is encrypted, and both of them bad or not."""
        for first in (False, True):
            for second in (False, True):
                archives = (
                    Archive(Instance("1", State.WANTED), is_bad=first),
                    Archive(Instance("2", State.WANTED), is_bad=second, is_encrypted=True),
                )
                yield Archives(archives, has_key=False, faults_left=self.budget)

    def edges(self, state: Archives) -> Iterator[Edge[Archives]]:
        """What may happen to one archive, to the process, or to all when time passes."""
        for number, archive in enumerate(state.archives):
            others = sum(
                other.place.state not in DONE
                for place, other in enumerate(state.archives)
                if place != number
            )
            facts = Facts(NOW, state.has_key or not archive.is_encrypted, others)
            for fair, cost, move in self._moves(archive, facts):
                if cost <= state.faults_left:
                    archives = list(state.archives)
                    archives[number] = move.archive
                    after = state._replace(
                        archives=tuple(archives), faults_left=state.faults_left - cost
                    )
                    label = f"archive {number + 1}: {move.words}"
                    yield Edge(label, after, fair, move.broken, str(number))
        if not state.has_key:
            # The engine looks at every waiting archive when a key arrives: their due time is now.
            yield Edge("the key arrives", _stirred(state._replace(has_key=True)), fair=False)
        aged = state._replace(archives=tuple(_later(one) for one in state.archives))
        yield Edge("time passes", aged, not self.always_fails)

    def broken(self, state: Archives) -> str:
        """An archive is imported when its messages are in the store, and not before."""
        for archive in state.archives:
            if archive.place.state is State.IMPORTED and not archive.imports:
                return "an archive counts as imported, but its messages are not in the store"
            if archive.imports > 1:
                return "an archive is imported twice"
        return ""

    def settled(self, state: Archives) -> tuple[bool, ...]:
        """For each archive, whether nothing more can be done for it now."""
        return tuple(self._is_settled(state, archive) for archive in state.archives)

    def unsettled(self, state: Archives, goal: int) -> str:
        """Where an archive is stuck."""
        return f"archive {goal + 1} is {state.archives[goal].place.state.value}"

    def _is_settled(self, state: Archives, archive: Archive) -> bool:
        place = archive.place
        if self.always_fails:
            is_due = place.due_at is not None and place.due_at <= NOW
            return not is_due and not is_running(self.table, place)
        match place.state:
            case State.IMPORTED | State.QUARANTINED:
                return True
            case State.WAITING_FOR_KEY:
                return archive.is_encrypted and not state.has_key
            case _:
                return False

    def _moves(self, archive: Archive, facts: Facts) -> Iterator[tuple[bool, int, _Move]]:
        place = archive.place
        if place.due_at is not None and place.due_at <= NOW:
            yield True, 0, self._woken(archive, facts)
        if is_running(self.table, place):
            event = self._answer(archive, facts)
            yield True, 0, self._taken(archive, event, facts, is_answer=True)
            yield False, 1, self._taken(archive, Event.ACTION_FAILED, facts, is_answer=True)
            yield False, 1, self._restarted(archive, facts)
        if place.state is State.WANTED:
            yield True, 0, self._taken(archive, Event.PIECES_VERIFIED, facts, is_answer=False)
        if place.state is State.QUARANTINED:
            mended = archive._replace(is_bad=False)
            yield False, 1, self._taken(mended, Event.RETRIED, facts, is_answer=False)

    def _answer(self, archive: Archive, facts: Facts) -> Event:
        if self.always_fails:
            return Event.ACTION_FAILED
        if not facts.key_is_here:
            return Event.KEY_MISSING
        return Event.ARCHIVE_INVALID if archive.is_bad else Event.IMPORT_COMMITTED

    def _restarted(self, archive: Archive, facts: Facts) -> _Move:
        if not survives_restart(archive.place):
            return self._taken(archive, Event.ACTION_FAILED, facts, is_answer=True)
        return _Move(
            _tidied(archive._replace(place=start(archive.place))),
            "the process dies; its import is started again",
        )

    def _woken(self, archive: Archive, facts: Facts) -> _Move:
        if self.table.waits(archive.place.state):
            return self._looked(archive, facts, "", "")
        return _Move(_tidied(archive._replace(place=start(archive.place))), "it is tried again")

    def _taken(self, archive: Archive, event: Event, facts: Facts, *, is_answer: bool) -> _Move:
        imports = archive.imports + (event is Event.IMPORT_COMMITTED)
        step = decide(self.table, archive.place.state, event, facts)
        if isinstance(step, Refusal):
            return _Move(archive, str(step), f"it is refused: {step}")
        self.rules_taken.add(step.rule)
        place = advance(self.table, archive.place, step, NOW, is_answer=is_answer, backoff=BACKOFF)
        moved = archive._replace(place=place, imports=imports)
        words, broken = explain(self.table, step), _promises(step, facts)
        if self.table.waits(place.state):
            return self._looked(moved, facts, words, broken)
        return _Move(_tidied(moved), words, broken)

    def _looked(self, archive: Archive, facts: Facts, words: str, broken: str) -> _Move:
        seen = look(self.table, archive.place.state, facts, NOW, archive.place.setbacks)
        if seen.step is None:
            place = wake_later(archive.place, seen.wake_at)
            return _Move(_tidied(archive._replace(place=place)), words, broken)
        self.rules_taken.add(seen.step.rule)
        place = advance(self.table, archive.place, seen.step, NOW, is_answer=False, backoff=BACKOFF)
        both = "; ".join(filter(None, (words, explain(self.table, seen.step))))
        broken = broken or _promises(seen.step, facts)
        return _Move(_tidied(archive._replace(place=place)), both, broken)


def _promises(step: Step[State, Event, Signal], facts: Facts) -> str:
    """Signals are told when, and only when, they are true."""
    expected: set[Signal] = set()
    if step.event is Event.PIECES_VERIFIED:
        expected.add(Signal.DOWNLOADED)
    if step.target is State.IMPORTING and step.event is not Event.ACTION_FAILED:
        expected.add(Signal.IMPORTING)
    if step.target in DONE and facts.others_unfinished == 0:
        expected.add(Signal.FINISHED)
    if set(step.tell) == expected:
        return ""
    names = ", ".join(sorted(signal.value for signal in expected)) or "nothing"
    told = ", ".join(signal.value for signal in step.tell) or "nothing"
    return f"on {step.event.value} it tells {told} where {names} is true"


def _stirred(state: Archives) -> Archives:
    return _each(
        state,
        lambda one: (
            one._replace(place=wake_later(one.place, NOW))
            if one.place.state is State.WAITING_FOR_KEY
            else one
        ),
    )


def _each(state: Archives, change: Callable[[Archive], Archive]) -> Archives:
    return state._replace(archives=tuple(_tidied(change(one)) for one in state.archives))


def _later(archive: Archive) -> Archive:
    place = archive.place
    due_at = None if place.due_at is None else max(place.due_at - 1, NOW)
    return _tidied(archive._replace(place=replace(place, due_at=due_at)))


def _tidied(archive: Archive) -> Archive:
    """No versions, no setbacks: this table has no condition that a setback could hold back."""
    place = replace(
        archive.place,
        version=0,
        entry=0,
        attempts=min(archive.place.attempts, 3),
        setbacks=(),
    )
    return archive._replace(place=place)
