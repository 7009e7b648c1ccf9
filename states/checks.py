"""What must be true of a table before anything may rest on it.

Every complaint names the row as a reader counts it (from 1) and says what is wrong with it. All
complaints are collected, so that one look is enough to put a table right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from states.lifecycle import Lifecycle, Rule


def complaints(table: Lifecycle[Any, Any, Any, Any, Any]) -> list[str]:
    """Everything that is wrong with the table, in words; empty when it is sound."""
    unknown = list(_unknown_names(table))
    if unknown:
        return unknown  # The other checks would stumble over names that do not exist.
    return [
        *_unsound_guards(table),
        *_shadowed_rows(table),
        *_missing_alternatives(table),
        *_unreachable_states(table),
        *_states_that_cannot_be_left(table),
        *_states_without_their_action(table),
        *_idle_words(table),
    ]


def _unknown_names(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    def check(place: str, kind: str, members: type[Enum], value: object) -> Iterator[str]:
        if not isinstance(value, members):
            yield f"{place}: unknown {kind} {value!r}"

    for number, rule in enumerate(table.rules, 1):
        for state in rule.within:
            yield from check(f"row {number}", "state", table.states, state)
        if rule.is_entry and rule.to.value != "again":
            yield from check(f"row {number}", "state", table.states, rule.to)
        for event in rule.on:
            yield from check(f"row {number}", "event", table.events, event)
        for guard in rule.given:
            if not callable(guard):
                yield f"row {number}: unknown guard {guard!r}"
    for state, action in table.acts.items():
        yield from check("acts", "state", table.states, state)
        yield from check(f"acts of {state}", "action", table.actions, action)
    for state, levels in table.levels.items():
        yield from check("levels", "state", table.states, state)
        for level in levels:
            yield from check(f"levels of {state}", "event", table.events, level.event)
            for failed in level.held_back_by:
                yield from check(f"levels of {state}", "state", table.states, failed)
    for state in (table.initial, *table.final, *table.main_path):
        yield from check("initial, final or main path", "state", table.states, state)
    if table.failed is not None:
        yield from check("failed", "event", table.events, table.failed)


def _unsound_guards(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    asked = {guard: number for number, rule in enumerate(table.rules, 1) for guard in rule.given}
    for guard, number in asked.items():
        hints, parameters = _signature(guard)
        name = getattr(guard, "__name__", repr(guard))
        if hints.get("return") is not bool:
            yield f"row {number}: guard {name} must be declared to return bool"
        if len(parameters) != 1 or not issubclass(table.facts, hints.get(parameters[0], object)):
            yield f"row {number}: guard {name} must take {table.facts.__name__} and nothing else"


def _signature(guard: Callable[..., object]) -> tuple[dict[str, Any], list[str]]:
    return get_type_hints(guard), list(inspect.signature(guard).parameters)


def _rows_by_question(
    table: Lifecycle[Any, Any, Any, Any, Any],
) -> dict[tuple[Enum, Enum], list[tuple[int, Rule[Any, Any, Any, Any]]]]:
    """All rows for each (state, event), in their order, with their number from 1."""
    rows: dict[tuple[Enum, Enum], list[tuple[int, Rule[Any, Any, Any, Any]]]] = {}
    for number, rule in enumerate(table.rules, 1):
        for state in rule.within:
            for event in rule.on:
                rows.setdefault((state, event), []).append((number, rule))
    return rows


def _shadowed_rows(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    for (state, event), rows in _rows_by_question(table).items():
        for position, (number, rule) in enumerate(rows):
            for earlier_number, earlier in rows[:position]:
                # A row that asks for less has already answered whatever this one would.
                if set(earlier.given) <= set(rule.given):
                    yield (
                        f"row {number}: never reached in {state.value} on {event.value}, "
                        f"row {earlier_number} answers first"
                    )
                    break


def _missing_alternatives(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    for (state, event), rows in _rows_by_question(table).items():
        number, last = rows[-1]
        if last.given:
            yield (
                f"row {number}: {state.value} on {event.value} has no final alternative; "
                "end it with an 'otherwise' row"
            )


def _unreachable_states(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    reached, frontier = {table.initial}, [table.initial]
    while frontier:
        state = frontier.pop()
        for rule in table.rules:
            target = rule.target(state)
            if state in rule.within and target not in reached:
                reached.add(target)
                frontier.append(target)
    for state in table.states:
        if state not in reached:
            yield f"state {state.value} cannot be reached from {table.initial.value}"


def _states_that_cannot_be_left(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    for state in table.states:
        ways_out = [
            number
            for number, rule in enumerate(table.rules, 1)
            if state in rule.within and rule.target(state) is not state
        ]
        if state in table.final:
            for number in ways_out:
                yield f"row {number}: leads out of {state.value}, which is declared final"
        elif not ways_out:
            yield f"state {state.value} cannot be left and is not declared final"


def _states_without_their_action(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    answered = _rows_by_question(table)
    for state in table.states:
        if state in table.final:
            if state in table.acts or state in table.levels:
                yield f"final state {state.value} has an action"
            continue
        if state not in table.acts:
            yield f"state {state.value} has no action"
        elif table.failed and not table.waits(state) and (state, table.failed) not in answered:
            yield f"state {state.value} does not say what follows when its action fails"
    for state, levels in table.levels.items():
        for level in levels:
            if (state, level.event) not in answered:
                yield f"state {state.value} looks for {level.event.value} but has no row for it"


def _idle_words(table: Lifecycle[Any, Any, Any, Any, Any]) -> Iterator[str]:
    """Members of an enumeration that no row uses: most often a slip of the pen."""
    used_events = {event for rule in table.rules for event in rule.on}
    for event in table.events:
        if event not in used_events:
            yield f"event {event.value} stands in no row"
    for action in table.actions:
        if action not in table.acts.values():
            yield f"action {action.value} belongs to no state"
