"""What the engine does with an event, over the shipped ``decide``, ``look`` and ``advance``.

One transaction applies the writes, reads the facts, takes the step and then keeps looking for as
long as a waiting state sees a condition that holds. ``Engine`` is the model's copy of that protocol
and nothing more; which state follows is decided by the table and the functions of ``states``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from states.community import Action, Event, Facts, Signal, State
from states.instance import advance, is_running, start, survives_restart, wake_later
from states.lifecycle import Lifecycle, Refusal, Step, decide, explain, look
from workflow.check.device import NOW, Device, Late, OneStep, Task, facts_of, tidied
from workflow.check.promises import step_promises

CommunityTable: TypeAlias = Lifecycle[State, Event, Action, Facts, Signal]
CommunityStep: TypeAlias = Step[State, Event, Signal]
Write: TypeAlias = Callable[[Device], Device]

BACKOFF: Final = OneStep()
LOOKS: Final = 8
"""So many steps in a row without an action or a pause between them are a hot loop."""


class Move(NamedTuple):
    """A device after something happened to it, the steps in words, and a broken promise.

    ``copy`` is the answer that moved it, should it be delivered a second time.
    """

    device: Device
    words: str
    broken: str = ""
    copy: Late | None = None


def unchanged(device: Device) -> Device:
    """An event that brings no writes."""
    return device


class Engine:
    """Moves devices by one table and remembers which rows it has needed."""

    def __init__(self, table: CommunityTable, attempts_allowed: int) -> None:
        self.table = table
        self.attempts_allowed = attempts_allowed
        self.rules_taken: set[int] = set()

    def answer(self, device: Device, event: Event, write: Write = unchanged) -> Move:
        """The running action answers; the table must not refuse it."""
        return self._commit(device, event, write, is_answer=True)

    def receive(self, device: Device, event: Event, write: Write = unchanged) -> Move:
        """Something happens outside; a state may refuse it, and then nothing changes."""
        return self._commit(device, event, write, is_answer=False)

    def receive_late(self, device: Device, late: Late) -> Move:
        """An answer comes a second time: it counts only while its entry waits for an answer."""
        device = device._replace(late=None)
        if late.entry == device.place.entry and is_running(self.table, device.place):
            return self.answer(device, Event[late.event])
        return Move(tidied(device), f"{late.event.lower()} once more: dropped, its entry is over")

    def wake(self, device: Device) -> Move:
        """Facts have changed or a due time has come: look again, or start the action again."""
        place = device.place
        if self.table.waits(place.state):
            return self._look(device, [], "")
        if place.due_at is not None and place.due_at <= NOW:
            place = start(place)
            device = device._replace(place=place)
            return Move(_begun(device), f"{place.state.value} is tried again")
        return Move(tidied(device), "")

    def restart(self, device: Device) -> Move:
        """The process dies and comes back: what it only remembered is gone, nothing is live."""
        device = device._replace(
            is_live=False, task=None, late=None, is_caught_up=False, catch_up_deadline=NOW + 1
        )
        if not is_running(self.table, device.place):
            return self.wake(device)
        if survives_restart(device.place):
            started = device._replace(place=start(device.place))
            return Move(_begun(started), f"{device.place.state.value} is started again")
        return self.answer(device, Event.ACTION_FAILED)

    def _commit(self, device: Device, event: Event, write: Write, *, is_answer: bool) -> Move:
        written = write(device)
        facts = facts_of(written, self.attempts_allowed)
        step = decide(self.table, written.place.state, event, facts)
        if isinstance(step, Refusal):
            broken = f"an awaited answer is refused: {step}" if is_answer else ""
            return Move(tidied(device), str(step), broken)
        if step.discard:
            written = device
        moved, broken = self._stepped(device, written, step, facts, is_answer=is_answer)
        words = [explain(self.table, step)]
        copy = Late(event.name, 0 if step.is_entry else 1)
        if self.table.waits(moved.place.state):
            return self._look(moved, words, broken)._replace(copy=copy)
        return Move(tidied(moved), words[0], broken, copy)

    def _look(self, device: Device, words: list[str], broken: str) -> Move:
        for _ in range(LOOKS):
            facts = facts_of(device, self.attempts_allowed)
            place = device.place
            seen = look(self.table, place.state, facts, NOW, place.setbacks)
            if seen.step is None:
                device = device._replace(place=wake_later(place, seen.wake_at))
                return Move(tidied(device), "; ".join(words), broken)
            words.append(explain(self.table, seen.step))
            device, complaint = self._stepped(device, device, seen.step, facts, is_answer=False)
            broken = broken or complaint
            if not self.table.waits(device.place.state):
                return Move(tidied(device), "; ".join(words), broken)
        return Move(tidied(device), "; ".join(words), broken or "it looks for ever, never pausing")

    def _stepped(
        self, before: Device, written: Device, step: CommunityStep, facts: Facts, *, is_answer: bool
    ) -> tuple[Device, str]:
        self.rules_taken.add(step.rule)
        place = advance(self.table, written.place, step, NOW, is_answer=is_answer, backoff=BACKOFF)
        moved = written._replace(place=place)
        if step.is_entry:
            moved = _begun(moved) if is_running(self.table, place) else moved._replace(task=None)
        elif is_answer:
            moved = moved._replace(task=None)
        return moved, step_promises(before, moved, step, facts)


def _begun(device: Device) -> Device:
    """The action of the state that was just entered starts with what it sees now."""
    state = device.place.state
    task = Task()
    if state in (State.FETCHING, State.DOWNLOADING):
        wanted = device.link.locator
        if state is State.DOWNLOADING:
            wanted = device.candidate or device.locator
        task = Task(clock=device.link.clock, locator=wanted)
    elif state is State.CREATING:
        task = Task(messages=device.unarchived)
    return tidied(device._replace(task=task))
