"""``look`` against a naive reading of the levels, and how setbacks hold them back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from states import community
from states.community import COMMUNITY
from states.lifecycle import (
    STAY,
    Level,
    Lifecycle,
    Look,
    Rule,
    Setback,
    Step,
    decide,
    look,
    otherwise,
    row,
)

AnyLifecycle: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]


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


@dataclass(frozen=True)
class Facts:
    """Whether left leads on, and since when the two levels hold."""

    is_open: bool = True
    left: float | None = None
    right: float | None = None


def is_open(facts: Facts) -> bool:
    return facts.is_open


def left_since(facts: Facts) -> float | None:
    return facts.left


def right_since(facts: Facts) -> float | None:
    return facts.right


RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    row(State.ONE, Event.LEFT, is_open, State.TWO),
    row(State.ONE, Event.LEFT, otherwise, STAY),
    row(State.ONE, Event.RIGHT, otherwise, State.THREE),
    row((State.TWO, State.THREE), Event.RIGHT, otherwise, State.ONE),
)


def build(*levels: Level[State, Event, Facts]) -> AnyLifecycle:
    return Lifecycle(
        name="any",
        states=State,
        events=Event,
        actions=Action,
        facts=Facts,
        initial=State.ONE,
        acts=dict.fromkeys(State, Action.ACT),
        rules=RULES,
        levels={State.ONE: levels, State.TWO: (), State.THREE: ()},
    )


def looked(
    table: AnyLifecycle, state: Enum, facts: object, now: float, setbacks: tuple[Setback, ...]
) -> Look[Any, Any, Any]:
    """The same in the words of the documentation: collect, then choose."""

    def moments() -> Iterator[tuple[float, Level[Any, Any, Any]]]:
        for level in table.levels.get(state, ()):
            since = level.since(facts)
            if since is not None:
                held_by = {one.name for one in level.held_back_by}
                until = [
                    one.until for one in setbacks if one.state in held_by and since <= one.at <= now
                ]
                yield max([since, *until]), level

    known = list(moments())
    for moment, level in known:
        if moment <= now:
            step = decide(table, state, level.event, facts)
            if isinstance(step, Step) and step.is_entry:
                return Look(step, None)
    return Look(None, min((moment for moment, _ in known if moment > now), default=None))


SMALL = st.integers(0, 6).map(float)
SETBACKS = st.lists(
    st.builds(
        Setback,
        state=st.sampled_from(["ONE", "TWO", "THREE", "SEEDING", "CREATING"]),
        failures=st.just(1),
        at=SMALL,
        until=SMALL,
    ),
    max_size=4,
).map(tuple)
SINCE = {Event.LEFT: left_since, Event.RIGHT: right_since}
LEVELS = st.lists(
    st.builds(
        lambda event, held: Level(event, SINCE[event], tuple(held)),
        st.sampled_from(Event),
        st.lists(st.sampled_from(State), max_size=2, unique=True),
    ),
    max_size=4,
)
FACTS = st.builds(Facts, is_open=st.booleans(), left=st.none() | SMALL, right=st.none() | SMALL)


@given(LEVELS, FACTS, SMALL, SETBACKS)
def test_a_look_sees_what_the_levels_say(
    levels: list[Level[State, Event, Facts]],
    facts: Facts,
    now: float,
    setbacks: tuple[Setback, ...],
) -> None:
    table = build(*levels)
    seen = look(table, State.ONE, facts, now, setbacks)
    assert seen == looked(table, State.ONE, facts, now, setbacks)
    assert seen == look(table, State.ONE, facts, now, setbacks)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "float": SMALL,
    "float | None": st.none() | SMALL,
    "int": st.integers(0, 3),
    "bool": st.booleans(),
    "str": st.sampled_from(["", "ours", "theirs"]),
}
ANY_COMMUNITY = st.builds(
    community.Facts,
    **{field.name: FIELDS[str(field.type)] for field in fields(community.Facts)},
)


@given(ANY_COMMUNITY, SMALL, SETBACKS)
@example(community.Facts(generation=1), 5.0, (Setback("SEEDING", 1, 0.0, 6.0),))
def test_a_community_sees_what_its_levels_say(
    facts: community.Facts, now: float, setbacks: tuple[Setback, ...]
) -> None:
    for state in community.State:
        seen = look(COMMUNITY, state, facts, now, setbacks)
        assert seen == looked(COMMUNITY, state, facts, now, setbacks)


LOOKS = build(
    Level(Event.LEFT, left_since, (State.TWO,)), Level(Event.RIGHT, right_since, (State.THREE,))
)
READY = Facts(left=10.0)


def target_of(facts: Facts, now: float, *setbacks: Setback) -> State | float | None:
    """Where a look leads, or when the next one is due."""
    seen = look(LOOKS, State.ONE, facts, now, setbacks)
    if seen.step is None:
        return seen.wake_at
    assert seen.wake_at is None
    target = seen.step.target
    assert isinstance(target, State)
    return target


def test_a_level_holds_from_its_moment_on() -> None:
    assert target_of(READY, 9.5) == 10.0
    assert target_of(READY, 10.0) is State.TWO
    assert target_of(READY, 10.5) is State.TWO


def test_the_first_of_two_levels_is_taken_and_the_next_moment_is_kept() -> None:
    both = replace(READY, left=10.0, right=10.0)
    assert target_of(both, 10.0) is State.TWO
    assert target_of(replace(READY, left=20.0, right=10.0), 10.0) is State.THREE
    assert target_of(replace(READY, left=20.0, right=15.0), 10.0) == 15.0
    assert target_of(replace(READY, left=15.0, right=20.0), 10.0) == 15.0
    assert target_of(replace(READY, left=None, right=None), 10.0) is None


def test_a_level_that_would_only_stay_lets_the_next_one_have_its_turn() -> None:
    barred = Facts(is_open=False, left=0.0, right=10.0)
    assert target_of(barred, 10.0) is State.THREE
    assert target_of(barred, 9.0) == 10.0
    assert target_of(replace(barred, left=0.0, right=None), 10.0) is None


@pytest.mark.parametrize(
    ("failed_at", "now", "seen"),
    [
        (9.5, 12.0, State.TWO),  # the condition began after the failure: it is a new one
        (10.0, 12.0, 30.0),  # at the very moment: it may be the one that failed
        (11.0, 12.0, 30.0),
        (11.0, 29.5, 30.0),
        (11.0, 30.0, State.TWO),  # its time has come
        (11.0, 40.0, State.TWO),
        (13.0, 12.0, State.TWO),  # noted by a clock that was ahead
    ],
)
def test_a_setback_holds_back_only_what_began_before_it(
    failed_at: float, now: float, seen: State | float
) -> None:
    assert target_of(READY, now, Setback("TWO", 1, failed_at, 30.0)) == seen


def test_a_setback_of_another_state_holds_nothing_back() -> None:
    assert target_of(READY, 12.0, Setback("THREE", 1, 11.0, 30.0)) is State.TWO


def test_the_longest_setback_counts() -> None:
    table = build(Level(Event.LEFT, left_since, tuple(State)))
    setbacks = (
        Setback("TWO", 1, 11.0, 30.0),
        Setback("THREE", 1, 11.0, 50.0),
        Setback("ONE", 1, 11.0, 40.0),
    )
    assert look(table, State.ONE, READY, 12.0, setbacks) == Look(None, 50.0)


def test_a_setback_that_is_over_does_not_make_a_moment_earlier() -> None:
    later = replace(READY, left=40.0, right=None)
    assert target_of(later, 12.0, Setback("TWO", 1, 50.0, 30.0)) == 40.0


def test_a_working_state_looks_at_nothing() -> None:
    facts = community.Facts(generation=1)
    for state in community.State:
        seen = look(COMMUNITY, state, facts, 1e9)
        is_waiting = state in {community.State.IDLE, community.State.SETTLING}
        assert (seen != Look(None, None)) is is_waiting
