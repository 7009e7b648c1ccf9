"""A table compiled into one ``transitions`` machine that knows no models.

``transitions`` evaluates the guards and draws the table; it holds no state. Registering a model
costs kilobytes and a list scan each time, so models are never registered: an event is triggered
with a throw-away object that carries the state and the facts in, and the answer out. That this
works is not promised by the library's documentation; its version is pinned and a contract test
pins the behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from states.errors import GuardError

if TYPE_CHECKING:
    from transitions import EventData, Machine

    from states.lifecycle import Lifecycle


class Answer(NamedTuple):
    """A guard that was asked for the rule with this number (from 0), and what it said."""

    rule: int
    guard: str
    holds: bool


class Taken(NamedTuple):
    """The rule that is taken, the name of the state it leads to, and the guards on the way."""

    rule: int
    target: str
    answers: tuple[Answer, ...]


class _Probe:
    """The throw-away model: one question, one answer."""

    __slots__ = ("answers", "facts", "rule", "state")

    def __init__(self, state: str, facts: object) -> None:
        self.state = state
        self.facts = facts
        self.rule = -1
        self.answers: list[Answer] = []


class CompiledTable:
    """One machine for all instances of a lifecycle; it never remembers any of them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def evaluate(self, state: str, event: str, facts: object) -> Taken | None:
        """Ask the table; None when it has no rule for this event in this state."""
        transitions = self.machine.events.get(event)
        if transitions is None or state not in transitions.transitions:
            return None
        probe = _Probe(state, facts)
        transitions.trigger(probe)
        return Taken(probe.rule, probe.state, tuple(probe.answers))


def compile_table(lifecycle: Lifecycle[Any, Any, Any, Any, Any]) -> CompiledTable:
    """Compile the rules in their order; ``transitions`` takes the first whose conditions hold."""
    from transitions import Machine  # noqa: PLC0415 - who only reads tables does not wait for it.

    machine = Machine(
        model=None,
        states=[state.name for state in lifecycle.states],
        initial=lifecycle.initial.name,
        auto_transitions=False,
        send_event=True,
        name=lifecycle.name,
    )
    for number, rule in enumerate(lifecycle.rules):
        for event in rule.on:
            for source in rule.within:
                machine.add_transition(
                    event.name,
                    source.name,
                    rule.target(source).name if rule.is_entry else None,
                    conditions=[_asked(number, guard) for guard in rule.given],
                    before=_taken(number),
                )
    return CompiledTable(machine)


def _asked(number: int, guard: Callable[[Any], bool]) -> Callable[[EventData], bool]:
    name = guard.__name__
    yes, no = Answer(number, name, holds=True), Answer(number, name, holds=False)

    def condition(event: EventData) -> bool:
        probe = cast("_Probe", event.model)
        answer = guard(probe.facts)
        if answer is not True and answer is not False:
            raise GuardError(f"{name} answered {answer!r}", place=f"rule {number + 1}")
        probe.answers.append(yes if answer else no)
        return answer

    return condition


def _taken(number: int) -> Callable[[EventData], None]:
    def remember(event: EventData) -> None:
        cast("_Probe", event.model).rule = number

    return remember
