"""``decide`` against a reading of the rules that knows nothing of ``transitions``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, TypeAlias, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import archive_import, community, node
from states.archive_import import ARCHIVE_IMPORT
from states.community import COMMUNITY
from states.errors import GuardError
from states.lifecycle import (
    AGAIN,
    STAY,
    Lifecycle,
    Refusal,
    Rule,
    Same,
    Step,
    decide,
    explain,
    otherwise,
    row,
)
from states.machine import Answer
from states.node import NODE

AnyLifecycle: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]


def read(
    table: AnyLifecycle, state: Enum, event: Enum, facts: object
) -> Step[Any, Any, Any] | None:
    """The first row for this state and event whose guards all hold, as one reads it by eye."""
    tried = []
    for number, rule in enumerate(table.rules):
        if state not in rule.within or event not in rule.on:
            continue
        is_taken = True
        for guard in rule.given:
            tried.append(Answer(number, guard.__name__, guard(facts)))
            if not guard(facts):
                is_taken = False
                break
        if is_taken:
            target = state if isinstance(rule.to, Same) else rule.to
            is_entry = rule.to is not STAY
            return Step(
                state, event, target, number, is_entry, rule.tell, rule.discard, tuple(tried)
            )
    return None


def agree(table: AnyLifecycle, state: Enum, event: Enum, facts: object) -> None:
    step = decide(table, state, event, facts)
    assert decide(table, state, event, facts) == step
    expected = read(table, state, event, facts)
    if expected is None:
        words = f"{state.value} does not answer {event.value}"
        assert step == Refusal(state, event, words)
    else:
        assert step == expected


# ------------------------------------------------------------------------------- the shipped tables

MOMENTS = st.integers(0, 3).map(float) | st.floats(allow_nan=True, allow_infinity=True)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "float": MOMENTS,
    "float | None": st.none() | MOMENTS,
    "int": st.integers(0, 3) | st.integers(),
    "bool": st.booleans(),
    "str": st.sampled_from(["", "ours", "theirs"]) | st.text(max_size=3),
}


def any_facts(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Facts of all sorts, also such as no store would ever hold."""
    return st.builds(kind, **{field.name: FIELDS[str(field.type)] for field in fields(kind)})


@given(any_facts(community.Facts))
def test_a_community_decides_as_its_table_reads(facts: community.Facts) -> None:
    for state in community.State:
        for event in community.Event:
            agree(COMMUNITY, state, event, facts)


@given(any_facts(archive_import.Facts))
def test_an_archive_decides_as_its_table_reads(facts: archive_import.Facts) -> None:
    for state in archive_import.State:
        for event in archive_import.Event:
            agree(ARCHIVE_IMPORT, state, event, facts)


def test_the_switch_decides_as_its_table_reads() -> None:
    for state in node.State:
        for event in node.Event:
            agree(NODE, state, event, node.Facts())


# ---------------------------------------------------------------------------- all tables of a kind


class State(Enum):
    ONE = "one"
    TWO = "two"
    THREE = "three"


class Event(Enum):
    LEFT = "left"
    RIGHT = "right"


class Action(Enum):
    ACT = "act"


class Signal(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Facts:
    """Which guards hold, and what the level functions answer."""

    holds: tuple[bool, bool, bool] = (False, False, False)
    answer: Any = None


def first(facts: Facts) -> bool:
    return facts.holds[0]


def second(facts: Facts) -> bool:
    return facts.holds[1]


def third(facts: Facts) -> bool:
    return facts.holds[2]


def odd(facts: Facts) -> bool:
    """Answers whatever it is told to."""
    return cast("bool", facts.answer)


STATES = st.sampled_from(State)
EVENTS = st.sampled_from(Event)
ROWS = st.builds(
    Rule,
    within=st.lists(STATES, min_size=1, max_size=3, unique=True).map(tuple),
    on=st.lists(EVENTS, min_size=1, max_size=2, unique=True).map(tuple),
    given=st.lists(st.sampled_from([first, second, third]), max_size=3, unique=True).map(tuple),
    to=STATES | st.sampled_from(Same),
    tell=st.lists(st.sampled_from(Signal), max_size=2).map(tuple),
    discard=st.booleans(),
)
HOLDS = st.tuples(st.booleans(), st.booleans(), st.booleans())


def build(rules: tuple[Any, ...]) -> AnyLifecycle:
    """A table that nobody has checked: these need not make sense as a whole."""
    with patch("states.lifecycle.complaints", return_value=[]):
        return Lifecycle(
            name="any",
            states=State,
            events=Event,
            actions=Action,
            facts=Facts,
            initial=State.ONE,
            acts=dict.fromkeys(State, Action.ACT),
            rules=rules,
        )


def ended(rules: list[Any]) -> tuple[Any, ...]:
    """With an 'otherwise' row behind each group, the one thing that a checked table promises."""
    asked = {(state, event) for rule in rules for state in rule.within for event in rule.on}
    ordered = [(state, event) for state in State for event in Event if (state, event) in asked]
    return (*rules, *(row(state, event, otherwise, STAY) for state, event in ordered))


@given(st.lists(ROWS, max_size=6).map(ended), HOLDS)
def test_the_first_row_whose_guards_hold_is_taken(
    rules: tuple[Any, ...], holds: tuple[bool, bool, bool]
) -> None:
    table = build(rules)
    for state in State:
        for event in Event:
            agree(table, state, event, Facts(holds))


@given(st.lists(ROWS, max_size=6).map(ended), HOLDS)
def test_the_words_name_the_first_false_guard_of_each_row_that_was_passed_over(
    rules: tuple[Any, ...], holds: tuple[bool, bool, bool]
) -> None:
    table, facts = build(rules), Facts(holds)
    for state, event in {(one, two) for rule in rules for one in rule.within for two in rule.on}:
        step = decide(table, state, event, facts)
        assert isinstance(step, Step)
        passed = [
            f"{rule.to.value} refused: "
            f"{next(guard.__name__ for guard in rule.given if not guard(facts))} is false"
            for rule in rules[: step.rule]
            if state in rule.within and event in rule.on
        ]
        goal = rules[step.rule].to.value
        ending = f"{'; '.join(passed)}; taken: {goal}" if passed else goal
        assert explain(table, step) == f"{state.value} --{event.value}--> {ending}"


def test_guards_are_asked_in_their_order_and_no_further_than_needed() -> None:
    rules: tuple[Rule[State, Event, Facts, Signal], ...] = (
        row(State.ONE, Event.LEFT, (third, first), State.TWO),
        row(State.ONE, Event.LEFT, second, State.THREE),
        row(State.ONE, Event.LEFT, first, STAY),
        row(State.ONE, Event.LEFT, otherwise, AGAIN),
    )
    step = decide(build(rules), State.ONE, Event.LEFT, Facts((False, True, True)))
    assert isinstance(step, Step)
    assert step.tried == (
        Answer(0, "third", holds=True),
        Answer(0, "first", holds=False),
        Answer(1, "second", holds=True),
    )
    assert step.target is State.THREE


# -------------------------------------------------------------------------------------- odd answers


class Yes(int):
    """Equal to True, but not True: what a numeric library hands out for a comparison."""


def guarded(guard: Callable[[Facts], bool]) -> AnyLifecycle:
    return build(
        (
            row(State.TWO, Event.LEFT, first, STAY),
            row(State.ONE, Event.LEFT, guard, State.TWO),
            row(State.ONE, Event.LEFT, otherwise, STAY),
        )
    )


@pytest.mark.parametrize("answer", [1, 0, "x", "", None, [], 1.0, Yes(1), NotImplemented])
def test_an_answer_that_is_no_bool_decides_nothing(answer: object) -> None:
    table = guarded(odd)
    with pytest.raises(GuardError) as caught:
        decide(table, State.ONE, Event.LEFT, Facts(answer=answer))
    assert caught.value.message == f"odd answered {answer!r}"
    assert caught.value.place == "rule 2"
    for usable, target in ((True, State.TWO), (False, State.ONE)):
        step = decide(table, State.ONE, Event.LEFT, Facts(answer=usable))
        assert isinstance(step, Step)
        assert step.target is target


def test_a_guard_that_was_wrapped_into_a_coroutine_decides_nothing() -> None:
    async def late() -> bool:
        return True

    answer = late()
    with pytest.raises(GuardError, match=r"^odd answered <coroutine object "):
        decide(guarded(odd), State.ONE, Event.LEFT, Facts(answer=answer))
    answer.close()


def test_the_error_of_a_guard_comes_out_as_it_is() -> None:
    def failing(facts: Facts) -> bool:
        if facts.answer is None:
            raise ZeroDivisionError("by me")
        return True

    table = guarded(failing)
    with pytest.raises(ZeroDivisionError, match="by me"):
        decide(table, State.ONE, Event.LEFT, Facts())
    step = decide(table, State.ONE, Event.LEFT, Facts(answer=1))
    assert isinstance(step, Step)
    assert step.target is State.TWO


def test_the_table_is_compiled_once_and_remembers_nobody() -> None:
    table = guarded(first)
    compiled = table.compiled
    for _ in range(3):
        decide(table, State.ONE, Event.LEFT, Facts())
    assert table.compiled is compiled
    assert compiled.machine.models == []
    facts = Facts((True, False, False))
    decide(table, State.ONE, Event.LEFT, facts)
    gc.collect()
    assert not [one for one in gc.get_referrers(facts) if type(one).__name__ == "_Probe"]
