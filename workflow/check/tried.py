"""A look at any lifecycle's table with its own guards, asked about facts that are tried.

Which facts: those that the author names, or every mix of what the types of the fields tell (both of
a bool, all of an enumeration, None of what may be None). Of a number or a text the types tell
nothing: it keeps its default, or 0 stands for any. What rests on such a field is not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice, product
from math import prod
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from states.lifecycle import Refusal, decide, look
from workflow.check.structure import AnyTable

AT_MOST: Final = 1024
"""Mixes that are tried; of a table with more, so many that are spread over all."""
FOREVER: Final = 1e15
"""Seconds: by then every moment that is known has come."""
UNTOLD: Final = object()
"""Stands for the values of which a type tells nothing."""


class Tried(NamedTuple):
    """What was seen: facts tried, states reached, steps decided, problems and remarks.

    A remark is what would be a problem if these facts were all that there can be.
    """

    facts: int
    states: int
    steps: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def try_out(table: AnyTable, samples: Sequence[object] = ()) -> Tried:
    """Ask each state for each event with each of the facts; then wait, with facts that stay."""
    facts, left_out = (list(samples), []) if samples else _made_up(table.facts)
    failing = tuple(_failing(table, facts))
    if failing or not facts:
        return Tried(len(facts), 0, 0, failing, tuple(left_out))
    taken: set[int] = set()
    reached, frontier, steps = {table.initial}, [table.initial], 0
    while frontier:
        state = frontier.pop()
        for event in table.events:
            for one in facts:
                step = decide(table, state, event, one)
                steps += 1
                if isinstance(step, Refusal):
                    break  # It has no row for this event, whatever the facts.
                taken.add(step.rule)
                if step.target not in reached:
                    reached.add(step.target)
                    frontier.append(step.target)
    never = [str(number) for number, _ in enumerate(table.rules, 1) if number - 1 not in taken]
    unseen = [str(state.value) for state in table.states if state not in reached]
    told = (
        *([f"no facts that were tried take row {', '.join(never)}"] if never else ()),
        *([f"no facts that were tried lead to {', '.join(unseen)}"] if unseen else ()),
        *_circles(table, reached, facts),
    )
    if left_out:
        return Tried(len(facts), len(reached), steps, (), (*left_out, *told))
    return Tried(len(facts), len(reached), steps, told, ())


def _made_up(kind: type[Any]) -> tuple[list[Any], list[str]]:
    """Every mix of the values that the types of the fields tell; and what these leave out."""
    if not dataclasses.is_dataclass(kind):
        told = list(_values(kind))
        if UNTOLD in told:
            return [], [f"no facts of type {kind.__name__} can be made up"]
        return told, []
    try:
        hints = get_type_hints(kind)
    except NameError as error:  # A type that is imported for type checkers only.
        return [], [f"no facts can be made up: {error}"]
    choices: dict[str, list[object]] = {}
    vague: list[str] = []
    for field in dataclasses.fields(kind):
        told = list(_values(hints[field.name]))
        if UNTOLD in told:
            vague.append(field.name)
            told.remove(UNTOLD)
            told.append(_default_of(field) or 0)
        choices[field.name] = told
    count = prod(map(len, choices.values()))
    mixes = islice(product(*choices.values()), 0, None, max(1, -(-count // AT_MOST)))
    facts = [kind(**dict(zip(choices, mix, strict=True))) for mix in mixes]
    left_out = []
    if vague:
        left_out.append(f"one value only was tried of: {', '.join(vague)}")
    if len(facts) < count:
        left_out.append(f"{len(facts):,} of {count:,} mixes of facts were tried")
    return facts, left_out


def _default_of(field: dataclasses.Field[Any]) -> object:
    """The default of a field; None when it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _values(hint: Any) -> Iterator[object]:
    """What a type tells of its values, ``UNTOLD`` for those of which it tells nothing."""
    if hint is bool:
        yield from (False, True)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield from hint
    elif hint is NoneType:
        yield None
    elif get_origin(hint) is Literal:
        yield from get_args(hint)
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _values(part)
    else:
        yield UNTOLD


def _failing(table: AnyTable, facts: Sequence[Any]) -> Iterator[str]:
    """Guards and levels that raise, or answer what they must not, each with the first facts."""
    guards = dict.fromkeys(guard for rule in table.rules for guard in rule.given)
    moments = dict.fromkeys(level.since for levels in table.levels.values() for level in levels)
    for function in (*guards, *moments):
        for one in facts:
            try:
                answer = function(one)
            except Exception as error:  # noqa: BLE001 - whatever somebody's function raises.
                yield f"{function.__name__} raises {type(error).__name__}: {error}, for {one}"
                break
            is_right = (
                isinstance(answer, bool)
                if function in guards
                else answer is None or isinstance(answer, int | float)
            )
            if not is_right:
                yield f"{function.__name__} answers {answer!r}, for {one}"
                break


def _circles(table: AnyTable, reached: set[Any], facts: Sequence[Any]) -> Iterator[str]:
    """Waiting states that lead to each other at once, over and over, while the facts stay."""
    known: set[frozenset[Any]] = set()
    for first, one in product([state for state in table.states if state in reached], facts):
        way = [first]
        while (step := look(table, way[-1], one, FOREVER).step) is not None:
            way.append(step.target)
            if step.target in way[:-1]:
                circle = way[way.index(step.target) :]
                if frozenset(circle) not in known:
                    known.add(frozenset(circle))
                    yield f"{' → '.join(s.value for s in circle)} for ever, while it is {one}"
                break
