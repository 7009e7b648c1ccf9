"""Stories of one community, told at random and kept in a ledger that knows less than the code."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from states.community import COMMUNITY, Event, Facts, Signal, State
from states.instance import (
    DEFAULT_BACKOFF,
    Instance,
    advance,
    is_running,
    start,
    survives_restart,
    wake_later,
)
from states.lifecycle import Step, decide, look

WAITING = {State.IDLE, State.SETTLING}
ANSWERS = {
    State.OFF: [Event.TORRENT_DROPPED],
    State.CREATING: [Event.ARCHIVES_WRITTEN, Event.NOTHING_TO_WRITE, Event.CONTROL_LOST],
    State.SEEDING: [Event.TORRENT_SEEDED, Event.PIECES_MISSING],
    State.ANNOUNCING: [Event.LINK_SENT, Event.TORRENT_MISSING, Event.CONTROL_LOST],
    State.FETCHING: [Event.INDEX_FETCHED, Event.KEY_MISSING],
    State.DOWNLOADING: [Event.ARCHIVES_DOWNLOADED],
}


def facts_of(bits: int) -> Facts:
    """Facts that differ in what the rows of the table ask for."""
    return Facts(
        holds_control_key=bool(bits & 1),
        is_control_device=True,
        epoch_matches=True,
        generation=bits >> 1 & 1,
        torrent_is_live=bool(bits & 4),
        announce_due_at=0.0 if bits & 8 else None,
        link_clock=bits >> 4 & 1,
        link_locator="theirs",
        window_due_at=0.0 if bits & 32 else None,
        is_caught_up=True,
        new_archives=bits >> 6 & 1,
    )


class Ledger:
    """One community, and what a person would have written down about it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.instance = Instance("c", State.IDLE)
        self.changes = 0
        self.entries = 0
        self.starts = 0  # of the action since its state was entered for something new
        self.given_up: Counter[str] = Counter()  # failures of earlier stays, until a success

    def take(
        self, event: Event, facts: Facts, *, is_answer: bool = False, reason: str = ""
    ) -> Step[State, Event, Signal] | None:
        before = self.instance
        facts = replace(facts, now=self.now, attempts=before.attempts)
        step = decide(COMMUNITY, before.state, event, facts)
        if not isinstance(step, Step):
            return None
        self.follow(step, is_answer=is_answer, reason=reason)
        return step

    def follow(
        self, step: Step[State, Event, Signal], *, is_answer: bool, reason: str = ""
    ) -> None:
        before = self.instance
        self.instance = after = advance(
            COMMUNITY, before, step, self.now, is_answer=is_answer, reason=reason
        )
        self.changes += 1
        if not step.is_entry:
            assert after == replace(
                before, version=after.version, answered=before.answered or is_answer
            )
            return
        self.entries += 1
        notes = {note.state: note for note in after.setbacks}
        name = before.state.name
        if step.event is Event.ACTION_FAILED:
            stayed = after.state is before.state
            tries = self.starts if stayed else self.given_up[name] + self.starts
            whole = min(6 * 3600.0, 5.0 * 2 ** (tries - 1))
            assert self.now + whole / 2 <= notes[name].until <= self.now + whole
            assert (notes[name].at, notes[name].reason) == (self.now, reason)
            assert after.reason == reason
            if stayed:
                assert after.due_at == notes[name].until
                assert notes[name].failures == self.given_up[name]
            else:
                self.given_up[name] = notes[name].failures
                assert notes[name].failures == tries
                self.starts = 0
            return
        if after.state is State.OFF:
            assert not notes
            self.given_up.clear()
        elif is_answer:
            assert name not in notes
            over = {one.state for one in before.setbacks if one.until <= self.now}
            for state in {name} | (over if after.state in WAITING else set()):
                assert state not in notes
                del self.given_up[state]
        else:
            assert after.setbacks == before.setbacks
        self.starts = 0 if after.state in WAITING else 1

    def begin(self) -> None:
        self.instance = start(self.instance)
        self.changes += 1
        self.starts += 1

    # ------------------------------------------------------------------------ what may happen

    def tell(self, move: int, bits: int) -> None:
        """What this move stands for; where it makes no sense, whatever is next anyway."""
        facts = facts_of(bits)
        self.now += bits
        if move == 0:
            self.take(Event.SWITCHED_OFF if bits < 40 else Event.SWITCHED_ON, facts)
        elif move == 1:
            self.take(Event.LINK_RECEIVED, facts)
        elif self.instance.state in WAITING:
            self.look(facts)
        elif not is_running(COMMUNITY, self.instance):
            self.next_try(facts)
        elif move == 2:
            self.die(facts)
        elif move < 12:
            assert self.take(
                Event.ACTION_FAILED, facts, is_answer=True, reason=f"for {bits} reasons"
            )
        else:
            self.answer(move, facts)

    def answer(self, move: int, facts: Facts) -> None:
        before = self.instance
        answers = ANSWERS[before.state]
        assert self.take(answers[move % len(answers)], facts, is_answer=True)
        assert self.instance.answered or self.instance.entry == before.entry + 1

    def next_try(self, facts: Facts) -> None:
        if self.instance.due_at is None:
            assert self.instance.state is State.OFF
            self.take(Event.SWITCHED_ON, facts)
            return
        self.now = max(self.now, self.instance.due_at)
        self.begin()
        assert is_running(COMMUNITY, self.instance)

    def die(self, facts: Facts) -> None:
        """However often the process dies, an action is not started more than twice in a row."""
        if survives_restart(self.instance):
            self.begin()
            assert self.starts <= 2
        else:
            assert self.take(Event.ACTION_FAILED, facts, is_answer=True, reason="it died")
            assert not is_running(COMMUNITY, self.instance)

    def look(self, facts: Facts) -> None:
        before = self.instance
        facts = replace(facts, now=self.now)
        seen = look(COMMUNITY, before.state, facts, self.now, before.setbacks)
        if seen.step is not None:
            self.follow(seen.step, is_answer=False)
            return
        self.instance = wake_later(before, seen.wake_at)
        self.changes += 1
        assert self.instance == replace(before, version=before.version + 1, due_at=seen.wake_at)

    # -------------------------------------------------------------------------- what is always true

    def check(self) -> None:
        """Every change has a version, every stay a number, every start was counted."""
        instance = self.instance
        assert instance.version == 1 + self.changes
        assert instance.entry == 1 + self.entries
        assert instance.attempts == self.starts
        assert (instance.attempts == 0) is (instance.state in WAITING)
        assert instance.answered or instance.state not in WAITING

        # It runs, or waits for its next try, or for what may happen outside: never for nothing.
        runs = is_running(COMMUNITY, instance)
        is_put_off = not instance.answered and instance.due_at is not None
        is_off = instance.state is State.OFF and instance.answered
        assert [runs, is_put_off, is_off, instance.state in WAITING].count(True) == 1

        noted = [note.state for note in instance.setbacks]
        assert len(noted) == len(set(noted))
        for note in instance.setbacks:
            assert 0 < note.until - note.at <= DEFAULT_BACKOFF.cap + 1e-6


@given(st.binary(min_size=60, max_size=400))
def test_the_ledger_of_any_story_agrees(story: bytes) -> None:
    ledger = Ledger()
    for move, bits in zip(story[::2], story[1::2], strict=False):
        ledger.tell(move % 16, bits)
        ledger.check()
