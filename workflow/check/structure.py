"""A look at any lifecycle's table, without knowing what its guards mean.

Every guard may answer yes or no at any time, so this sees more than can happen; what it finds
unreachable is unreachable for certain. Where ``workflow.check.world`` asks whether a community
keeps its promises, this asks only whether a table hangs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from states.lifecycle import Lifecycle

AnyTable: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]


class Way(NamedTuple):
    """One way out of a state: what happens, which row answers (from 0), and where it leads."""

    event: Enum
    rule: int
    target: Enum
    words: str


class Structure(NamedTuple):
    """What was seen: states reached, questions asked, rows taken, and what is wrong in words."""

    states: int
    questions: int
    rules_taken: frozenset[int]
    problems: tuple[str, ...]


def examine(table: AnyTable) -> Structure:
    """Walk through a table, asking each state for each event with every mix of guards' answers."""
    ways: dict[Enum, list[Way]] = {}
    frontier = [table.initial]
    questions = 0
    while frontier:
        state = frontier.pop()
        if state in ways:
            continue
        ways[state] = []
        for event in table.events:
            for asked, way in _answers(table, state, event):
                questions += asked
                if way is not None:
                    ways[state].append(way)
                    frontier.append(way.target)
    taken = frozenset(way.rule for found in ways.values() for way in found)
    problems = [
        *(f"state {one.value} is never reached" for one in table.states if one not in ways),
        *(f"row {number + 1} is never taken" for number in range(len(table.rules))
          if number not in taken),
        *_never_at_rest(table, ways),
    ]  # fmt: skip
    return Structure(len(ways), questions, taken, tuple(problems))


def _answers(table: AnyTable, state: Enum, event: Enum) -> Iterator[tuple[int, Way | None]]:
    """The first row that fits, for each mix of answers that the guards in question can give."""
    rows = [
        (number, rule)
        for number, rule in enumerate(table.rules)
        if state in rule.within and event in rule.on
    ]
    guards: list[Callable[[Any], bool]] = []
    for _, rule in rows:
        guards += [guard for guard in rule.given if guard not in guards]
    seen: set[int] = set()
    for mix in product((True, False), repeat=len(guards)):
        yes = {guard for guard, answer in zip(guards, mix, strict=True) if answer}
        found = next((row for row in rows if set(row[1].given) <= yes), None)
        if found is None or found[0] in seen:
            yield 1, None
            continue
        number, rule = found
        seen.add(number)
        words = f"{state.value} --{event.value}--> {rule.target(state).value}"
        yield 1, Way(event, number, rule.target(state), words)


def _never_at_rest(table: AnyTable, ways: dict[Enum, list[Way]]) -> Iterator[str]:
    """States from which neither a waiting nor a final state can be reached."""
    rests = {state for state in ways if table.waits(state) or state in table.final}
    if not rests:
        return  # A table without waiting states comes to rest between two events of its user.
    grown = True
    while grown:
        more = {
            state
            for state, found in ways.items()
            if state not in rests and any(way.target in rests for way in found)
        }
        rests |= more
        grown = bool(more)
    for state in ways:
        if state not in rests:
            yield f"state {state.value} never comes to rest, neither waiting nor at an end"
