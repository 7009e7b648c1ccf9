"""What must be true of a table before anything may rest on it.

Every complaint names the row as a reader counts it (from 1) and says what is wrong with it. All
complaints are collected, so that one look is enough to put a table right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from states.lifecycle import Lifecycle, Rule

    _Table: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]
    _Row: TypeAlias = Rule[Any, Any, Any, Any]

_Function: TypeAlias = Callable[..., object]

BY_POSITION: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def complaints(table: _Table) -> list[str]:
    """Everything that is wrong with the table, in words; empty when it is sound."""
    unknown = list(_unknown_names(table))
    if unknown:
        return unknown  # The other checks would stumble over names that do not exist.
    return [
        *_unsound_functions(table),
        *_names_given_twice(table),
        *_shadowed_rows(table),
        *_missing_alternatives(table),
        *_unreachable_states(table),
        *_states_that_cannot_be_left(table),
        *_states_without_their_action(table),
        *_unanswered_failures(table),
        *_idle_levels(table),
        *_idle_words(table),
    ]


def _unknown_names(table: _Table) -> Iterator[str]:
    for number, rule in enumerate(table.rules, 1):
        yield from _unknown_in_row(f"row {number}", rule, table)
    for number, signal, members in _signals(table):
        yield from _unknown(f"row {number}", "signal", members, signal)
    for state, action in table.acts.items():
        yield from _unknown("acts", "state", table.states, state)
        yield from _unknown(f"acts of {state}", "action", table.actions, action)
    for state, levels in table.levels.items():
        yield from _unknown("levels", "state", table.states, state)
        for level in levels:
            yield from _unknown(f"levels of {state}", "event", table.events, level.event)
            yield from _nameless(f"levels of {state}", "condition", level.since)
            for failed in level.held_back_by:
                yield from _unknown(f"levels of {state}", "state", table.states, failed)
    for state in (table.initial, *table.final, *table.main_path):
        yield from _unknown("initial, final or main path", "state", table.states, state)
    if table.failed is not None:
        yield from _unknown("failed", "event", table.events, table.failed)
    yield from _unknown_successors(table)


def _unknown_successors(table: _Table) -> Iterator[str]:
    for name, target in table.renamed.items():
        yield from _unknown(f"renamed {name}", "state", table.states, target)
        if name in table.states.__members__:
            yield f"renamed {name}: the table still has this state"


def _unknown_in_row(place: str, rule: _Row, table: _Table) -> Iterator[str]:
    if not rule.within or not rule.on:
        yield f"{place}: names no {'event' if rule.within else 'state'}, so it is never asked"
    for state in (*rule.within, *([rule.to] if rule.names_target else [])):
        yield from _unknown(place, "state", table.states, state)
    for event in rule.on:
        yield from _unknown(place, "event", table.events, event)
    for guard in rule.given:
        yield from _nameless(place, "guard", guard)


def _unknown(place: str, kind: str, members: type[Enum], value: object) -> Iterator[str]:
    if not isinstance(value, members):
        yield f"{place}: unknown {kind} {value!r}"


def _nameless(place: str, kind: str, function: object) -> Iterator[str]:
    """Diagrams and refusals call a guard by its name, so nothing but a named function will do."""
    if not callable(function):
        yield f"{place}: unknown {kind} {function!r}"
    elif not inspect.isfunction(function) or function.__name__ == "<lambda>":
        yield f"{place}: {kind} {function!r} must be a plain function with a name"


def _signals(
    table: _Table,
) -> Iterator[tuple[int, object, type[Enum]]]:
    """Every signal with its row, and the one enumeration that all of them must come from."""
    told = [(number, signal) for number, rule in enumerate(table.rules, 1) for signal in rule.tell]
    members = next((type(signal) for _, signal in told if isinstance(signal, Enum)), Enum)
    for number, signal in told:
        yield number, signal, members


def _functions(table: _Table) -> Iterator[tuple[str, _Function, str]]:
    """Every guard and level function once: where it stands first, itself, and what it answers."""
    seen: set[tuple[_Function, str]] = set()
    asked: list[tuple[str, _Function, str]] = [
        *(
            (f"row {number}: guard", guard, "bool")
            for number, rule in enumerate(table.rules, 1)
            for guard in rule.given
        ),
        *(
            (f"levels of {state.value}: condition", level.since, "float | None")
            for state, levels in table.levels.items()
            for level in levels
        ),
    ]
    for place, function, answer in asked:
        if (function, answer) not in seen:
            seen.add((function, answer))
            yield place, function, answer


def _unsound_functions(table: _Table) -> Iterator[str]:
    for place, function, answer in _functions(table):
        for flaw in _flaws(function, table.facts, answer):
            yield f"{place} {function.__name__} {flaw}"


def _flaws(function: _Function, facts: type, answer: str) -> Iterator[str]:
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        yield "must answer at once; it is asynchronous or a generator"
        return
    try:
        hints = get_type_hints(function)
    except Exception as error:  # noqa: BLE001  An annotation in quotes may be any expression.
        yield f"has an annotation that cannot be read: {error}"
        return
    if not _answers(hints.get("return"), answer):
        yield f"must be declared to return {answer}"
    parameters = list(inspect.signature(function).parameters.values())
    if (
        len(parameters) != 1
        or parameters[0].kind not in BY_POSITION
        or not _accepts(hints.get(parameters[0].name), facts)
    ):
        yield f"must take {facts.__name__} and nothing else"


def _answers(hint: object, answer: str) -> bool:
    """True for bool itself; for a moment, whatever of float, int and None is declared."""
    if answer == "bool":
        return hint is bool
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return all(part in (float, int, NoneType) for part in parts)


def _accepts(hint: Any, facts: type) -> bool:
    try:
        return issubclass(facts, hint)
    except TypeError:  # Nothing is declared, or something that is no class, as list[int].
        return False


def _names_given_twice(table: _Table) -> Iterator[str]:
    named: dict[str, _Function] = {}
    for place, function, _ in _functions(table):
        if named.setdefault(function.__name__, function) is not function:
            yield f"{place} {function.__name__}: another function has this name already"


def _rows_by_question(
    table: _Table,
) -> dict[tuple[Enum, Enum], list[tuple[int, _Row]]]:
    """All rows for each (state, event), in their order, with their number from 1."""
    rows: dict[tuple[Enum, Enum], list[tuple[int, _Row]]] = {}
    for number, rule in enumerate(table.rules, 1):
        for state in rule.within:
            for event in rule.on:
                rows.setdefault((state, event), []).append((number, rule))
    return rows


def _shadowed_rows(table: _Table) -> Iterator[str]:
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


def _missing_alternatives(table: _Table) -> Iterator[str]:
    for (state, event), rows in _rows_by_question(table).items():
        number, last = rows[-1]
        if last.given:
            yield (
                f"row {number}: {state.value} on {event.value} has no final alternative; "
                "end it with an 'otherwise' row"
            )


def _unreachable_states(table: _Table) -> Iterator[str]:
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


def _states_that_cannot_be_left(table: _Table) -> Iterator[str]:
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


def _states_without_their_action(table: _Table) -> Iterator[str]:
    for state in table.states:
        if state not in table.final:
            if state not in table.acts:
                yield f"state {state.value} has no action"
            continue
        if state in table.acts:
            yield f"final state {state.value} has an action"
        if state in table.levels:
            yield f"final state {state.value} looks at levels"


def _unanswered_failures(table: _Table) -> Iterator[str]:
    answered = _rows_by_question(table)
    for state in table.acts:
        if table.waits(state) or state in table.final:
            continue
        if table.failed is None:
            yield f"state {state.value} runs an action, but no event is named for a failed one"
        elif (state, table.failed) not in answered:
            yield f"state {state.value} does not say what follows when its action fails"
        else:
            for number, rule in answered[state, table.failed]:
                if not rule.is_entry:
                    yield f"row {number}: stays in {state.value} although its action has failed"


def _idle_levels(table: _Table) -> Iterator[str]:
    answered = _rows_by_question(table)
    for state, levels in table.levels.items():
        for level in levels:
            rows = answered.get((state, level.event), [])
            if not rows:
                yield f"state {state.value} looks for {level.event.value} but has no row for it"
            elif not any(rule.is_entry for _, rule in rows):
                yield f"state {state.value} looks for {level.event.value} but no row leads on"


def _idle_words(table: _Table) -> Iterator[str]:
    """Members of an enumeration that no row uses: most often a slip of the pen."""
    used_events = {event for rule in table.rules for event in rule.on}
    for event in table.events:
        if event not in used_events:
            yield f"event {event.value} stands in no row"
    for action in table.actions:
        if action not in table.acts.values():
            yield f"action {action.value} belongs to no state"
