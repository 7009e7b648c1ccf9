"""Each check of a table by a small lifecycle that breaks exactly it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY
from states.checks import complaints
from states.errors import CommunityArchivesError, GuardError, LifecycleError
from states.lifecycle import AGAIN, STAY, Level, Lifecycle, Rule, otherwise, row
from states.node import NODE


class State(Enum):
    IDLE = "idle"
    WORKING = "working"
    DONE = "done"


class Event(Enum):
    BEGUN = "begun"
    ENDED = "ended"
    FAILED = "failed"


class Action(Enum):
    LOOK = "look"
    WORK = "work"


class Signal(Enum):
    TOLD = "told"


class Stranger(Enum):
    """Of no lifecycle; one value looks like a target that names no state, one like a state."""

    AGAIN = "again"
    IDLE = "idle"


class OnlyLook(Enum):
    LOOK = "look"


@dataclass(frozen=True)
class WiderFacts:
    number: int = 0


@dataclass(frozen=True)
class Facts(WiderFacts):
    pass


@dataclass(frozen=True)
class NarrowerFacts(Facts):
    pass


def is_ready(facts: Facts) -> bool:
    return facts.number > 0


def is_small(facts: Facts) -> bool:
    return facts.number < 10


def ready_since(facts: Facts) -> float | None:
    return 0.0


S, E = State, Event
RULES: tuple[Any, ...] = (
    row(S.IDLE, E.BEGUN, is_ready, S.WORKING, Signal.TOLD),
    row(S.IDLE, E.BEGUN, otherwise, STAY),
    row(S.WORKING, E.ENDED, is_small, S.DONE),
    row(S.WORKING, E.ENDED, otherwise, S.IDLE),
    row(S.WORKING, E.FAILED, otherwise, AGAIN),
)
ACTS: dict[Any, Any] = {S.IDLE: Action.LOOK, S.WORKING: Action.WORK}
LEVELS: dict[Any, Any] = {S.IDLE: (Level(E.BEGUN, ready_since),)}
SOUND: dict[str, Any] = {
    "name": "small",
    "states": State,
    "events": Event,
    "actions": Action,
    "facts": Facts,
    "initial": S.IDLE,
    "acts": ACTS,
    "rules": RULES,
    "levels": LEVELS,
    "final": (S.DONE,),
    "failed": E.FAILED,
    "main_path": (S.IDLE, S.WORKING, S.DONE),
}


def build(**changes: Any) -> Lifecycle[Any, Any, Any, Any, Any]:
    return Lifecycle(**(SOUND | changes))


def found(**changes: Any) -> list[str]:
    """What building the changed table complains about, line by line."""
    with pytest.raises(LifecycleError) as caught:
        build(**changes)
    headline, *lines = caught.value.message.split("\n  - ")
    assert headline == "the table of 'small' is not sound:"
    return lines


def rows(number: int, *instead: Any) -> tuple[Any, ...]:
    """The sound rows with the one of this number (from 1) replaced."""
    return (*RULES[: number - 1], *instead, *RULES[number:])


def first_row(
    within: Any = S.IDLE,
    on: Any = E.BEGUN,
    given: Any = is_ready,
    to: Any = S.WORKING,
    tell: Any = Signal.TOLD,
) -> tuple[Any, ...]:
    return rows(1, row(within, on, given, to, tell))


class Broken(NamedTuple):
    """What is changed in the sound table, and all that must be said about it."""

    name: str
    changes: dict[str, Any]
    said: list[str]


# ------------------------------------------------------------------------------------------- sound


def test_a_sound_table_has_no_complaints() -> None:
    assert complaints(build()) == []


@pytest.mark.parametrize("shipped", [COMMUNITY, ARCHIVE_IMPORT, NODE], ids=lambda one: one.name)
def test_the_shipped_tables_have_no_complaints(shipped: Any) -> None:
    assert complaints(shipped) == []


def test_all_complaints_come_in_one_error() -> None:
    with pytest.raises(LifecycleError) as caught:
        build(rules=RULES[:4], levels={S.IDLE: (Level(E.ENDED, ready_since),)})
    assert str(caught.value) == (
        "the table of 'small' is not sound:\n"
        "  - state working does not say what follows when its action fails\n"
        "  - state idle looks for ended but has no row for it\n"
        "  - event failed stands in no row (small)"
    )
    assert caught.value.place == "small"


def test_all_unknown_names_come_before_everything_else() -> None:
    rules = (*first_row(to="x", given="y"), row(S.DONE, Stranger.IDLE, otherwise, STAY))
    assert found(rules=rules, failed="z") == [
        "row 1: unknown state 'x'",
        "row 1: unknown guard 'y'",
        "row 6: unknown event <Stranger.IDLE: 'idle'>",
        "failed: unknown event 'z'",
    ]


# ------------------------------------------------------------------------------------ unknown names

NO_ENUM = "nowhere"
LOOKS_FOR_BEGUN: Level[Any, Any, Any] = Level(E.BEGUN, ready_since)

UNKNOWN = [
    Broken("state in a row", {"rules": first_row(within=(S.IDLE, NO_ENUM))},
           ["row 1: unknown state 'nowhere'"]),
    Broken("state of a stranger", {"rules": first_row(within=(S.IDLE, Stranger.IDLE))},
           ["row 1: unknown state <Stranger.IDLE: 'idle'>"]),
    Broken("target that is no state", {"rules": first_row(to=NO_ENUM)},
           ["row 1: unknown state 'nowhere'"]),
    Broken("target whose value says again", {"rules": first_row(to=Stranger.AGAIN)},
           ["row 1: unknown state <Stranger.AGAIN: 'again'>"]),
    Broken("event in a row", {"rules": first_row(on=(E.BEGUN, "rained"))},
           ["row 1: unknown event 'rained'"]),
    Broken("guard by its name only", {"rules": first_row(given=(is_ready, "is_ready"))},
           ["row 1: unknown guard 'is_ready'"]),
    Broken("signal that is no member", {"rules": first_row(tell=(Signal.TOLD, "told"))},
           ["row 1: unknown signal 'told'"]),
    Broken("no signal is a member", {"rules": first_row(tell="told")},
           ["row 1: unknown signal 'told'"]),
    Broken("signal of a stranger",
           {"rules": rows(4, row(S.WORKING, E.ENDED, otherwise, S.IDLE, Stranger.IDLE))},
           ["row 4: unknown signal <Stranger.IDLE: 'idle'>"]),
    Broken("row without a state", {"rules": (*RULES, row((), E.BEGUN, otherwise, STAY))},
           ["row 6: names no state, so it is never asked"]),
    Broken("row without an event", {"rules": (*RULES, row(S.DONE, (), otherwise, STAY))},
           ["row 6: names no event, so it is never asked"]),
    Broken("state that acts", {"acts": ACTS | {NO_ENUM: Action.WORK}},
           ["acts: unknown state 'nowhere'"]),
    Broken("action", {"acts": ACTS | {S.IDLE: "sleep"}},
           ["acts of State.IDLE: unknown action 'sleep'"]),
    Broken("state that looks", {"levels": LEVELS | {NO_ENUM: ()}},
           ["levels: unknown state 'nowhere'"]),
    Broken("event that is looked for", {"levels": {S.IDLE: (Level(Stranger.IDLE, ready_since),)}},
           ["levels of State.IDLE: unknown event <Stranger.IDLE: 'idle'>"]),
    Broken("condition by its name only", {"levels": {S.IDLE: (Level(E.BEGUN, "ready"),)}},  # type: ignore[arg-type]
           ["levels of State.IDLE: unknown condition 'ready'"]),
    Broken("state that holds back",
           {"levels": {S.IDLE: (Level(E.BEGUN, ready_since, (S.WORKING, Stranger.IDLE)),)}},
           ["levels of State.IDLE: unknown state <Stranger.IDLE: 'idle'>"]),
    Broken("initial state", {"initial": NO_ENUM},
           ["initial, final or main path: unknown state 'nowhere'"]),
    Broken("final state", {"final": (S.DONE, Stranger.IDLE)},
           ["initial, final or main path: unknown state <Stranger.IDLE: 'idle'>"]),
    Broken("state on the main path", {"main_path": (S.IDLE, NO_ENUM)},
           ["initial, final or main path: unknown state 'nowhere'"]),
    Broken("event of failure", {"failed": Stranger.AGAIN},
           ["failed: unknown event <Stranger.AGAIN: 'again'>"]),
    Broken("state that goes on for another", {"renamed": {"OLD": NO_ENUM}},
           ["renamed OLD: unknown state 'nowhere'"]),
    Broken("another that is still there", {"renamed": {"IDLE": S.WORKING}},
           ["renamed IDLE: the table still has this state"]),
]  # fmt: skip


@pytest.mark.parametrize("broken", UNKNOWN, ids=lambda one: one.name)
def test_an_unknown_name_is_told_with_its_row(broken: Broken) -> None:
    assert found(**broken.changes) == broken.said


# --------------------------------------------------------------------------------- the shape of it

WAITS_WHEN_DONE = {"acts": ACTS | {S.DONE: Action.LOOK}, "levels": LEVELS | {S.DONE: ()}}

SHAPES = [
    Broken("shadowed by a row that asks for less",
           {"rules": rows(2, row(S.IDLE, E.BEGUN, (is_small, is_ready), S.WORKING), RULES[1])},
           ["row 2: never reached in idle on begun, row 1 answers first"]),
    Broken("shadowed by the same question",
           {"rules": rows(2, RULES[0], RULES[1])},
           ["row 2: never reached in idle on begun, row 1 answers first"]),
    Broken("shadowed by otherwise, in one of two states",
           {"rules": (*RULES, row((S.WORKING, S.DONE), E.ENDED, otherwise, STAY))},
           ["row 6: never reached in working on ended, row 4 answers first"]),
    Broken("shadowed twice is told once",
           {"rules": (*RULES, RULES[1], RULES[1])},
           ["row 6: never reached in idle on begun, row 2 answers first",
            "row 7: never reached in idle on begun, row 2 answers first"]),
    Broken("shadowed by itself",
           {"rules": rows(5, row((S.WORKING, S.WORKING), E.FAILED, otherwise, AGAIN))},
           ["row 5: never reached in working on failed, row 5 answers first"]),
    Broken("no final alternative",
           {"rules": rows(2)},
           ["row 1: idle on begun has no final alternative; end it with an 'otherwise' row"]),
    Broken("no final alternative after two rows",
           {"rules": rows(2, row(S.IDLE, E.BEGUN, is_small, STAY))},
           ["row 2: idle on begun has no final alternative; end it with an 'otherwise' row"]),
    Broken("unreachable",
           {"rules": rows(3)},
           ["state done cannot be reached from idle"]),
    Broken("reached only from itself",
           {"rules": (*rows(3), row(S.DONE, E.BEGUN, otherwise, S.DONE))},
           ["state done cannot be reached from idle"]),
    Broken("no row out",
           {"final": ()} | WAITS_WHEN_DONE,
           ["state done cannot be left and is not declared final"]),
    Broken("only rows that stay",
           {"final": (), "rules": (*RULES, row(S.DONE, E.ENDED, otherwise, STAY))}
           | WAITS_WHEN_DONE,
           ["state done cannot be left and is not declared final"]),
    Broken("only rows that go again",
           {"final": (), "rules": (*RULES, row(S.DONE, E.ENDED, otherwise, AGAIN))}
           | WAITS_WHEN_DONE,
           ["state done cannot be left and is not declared final"]),
    Broken("only rows to itself",
           {"final": (), "rules": (*RULES, row(S.DONE, E.ENDED, otherwise, S.DONE))}
           | WAITS_WHEN_DONE,
           ["state done cannot be left and is not declared final"]),
    Broken("a way out of a final state",
           {"rules": (*RULES, row(S.DONE, E.ENDED, otherwise, S.IDLE))},
           ["row 6: leads out of done, which is declared final"]),
    Broken("no action",
           {"actions": OnlyLook, "acts": {S.IDLE: OnlyLook.LOOK}},
           ["state working has no action"]),
    Broken("action of a final state",
           {"acts": ACTS | {S.DONE: Action.LOOK}},
           ["final state done has an action"]),
    Broken("levels of a final state",
           {"levels": LEVELS | {S.DONE: ()}},
           ["final state done looks at levels"]),
    Broken("no event for a failure",
           {"failed": None},
           ["state working runs an action, but no event is named for a failed one"]),
    Broken("no row for a failure",
           {"rules": rows(5, row(S.IDLE, E.FAILED, otherwise, STAY))},
           ["state working does not say what follows when its action fails"]),
    Broken("a failure that leads nowhere",
           {"rules": rows(5, row(S.WORKING, E.FAILED, is_small, AGAIN),
                          row(S.WORKING, E.FAILED, otherwise, STAY))},
           ["row 6: stays in working although its action has failed"]),
    Broken("a level without a row",
           {"levels": {S.IDLE: (LOOKS_FOR_BEGUN, Level(E.ENDED, ready_since))}},
           ["state idle looks for ended but has no row for it"]),
    Broken("a level whose rows all stay",
           {"levels": {S.IDLE: (LOOKS_FOR_BEGUN, Level(E.ENDED, ready_since))},
            "rules": (*RULES, row(S.IDLE, E.ENDED, otherwise, STAY))},
           ["state idle looks for ended but no row leads on"]),
    Broken("an event in no row",
           {"rules": RULES[:4], "failed": E.ENDED},
           ["event failed stands in no row"]),
    Broken("an action of no state",
           {"acts": {S.IDLE: Action.LOOK, S.WORKING: Action.LOOK}},
           ["action work belongs to no state"]),
]  # fmt: skip


@pytest.mark.parametrize("broken", SHAPES, ids=lambda one: one.name)
def test_a_broken_shape_is_told_with_its_row_and_reason(broken: Broken) -> None:
    assert found(**broken.changes) == broken.said


SOUND_SHAPES: dict[str, dict[str, Any]] = {
    "a row that asks for more comes first": {
        "rules": rows(1, row(S.IDLE, E.BEGUN, (is_ready, is_small), S.DONE), RULES[0])
    },
    "rows that overlap in part": {
        "rules": rows(2, row(S.IDLE, E.BEGUN, is_small, S.DONE), RULES[1])
    },
    "a final state that takes note": {"rules": (*RULES, row(S.DONE, E.ENDED, otherwise, STAY))},
    "nothing can fail where all states wait": {
        "failed": None,
        "levels": LEVELS | {S.WORKING: ()},
    },
    "a state that waits for an outside event": {
        "levels": {S.IDLE: (LOOKS_FOR_BEGUN,), S.WORKING: ()},
    },
    "no main path": {"main_path": ()},
}


@pytest.mark.parametrize("changes", SOUND_SHAPES.values(), ids=SOUND_SHAPES.keys())
def test_what_is_unusual_but_sound_passes(changes: dict[str, Any]) -> None:
    assert complaints(build(**changes)) == []


def test_a_row_may_be_written_without_the_shorthand() -> None:
    short = row(S.IDLE, E.BEGUN, is_ready, S.WORKING, Signal.TOLD, discard=True)
    assert short == Rule((S.IDLE,), (E.BEGUN,), (is_ready,), S.WORKING, (Signal.TOLD,), True)  # noqa: FBT003
    assert row((S.IDLE,), (E.BEGUN,), (is_ready,), S.WORKING, (Signal.TOLD,), discard=True) == short


# ----------------------------------------------------------------------------------- the error tree


def test_an_error_tells_its_story_in_one_line() -> None:
    error = LifecycleError("row 3 is odd", place="community")
    assert str(error) == "row 3 is odd (community)"
    assert error.explained() == (
        "[lifecycle-invalid] row 3 is odd (community). Correct the rows that are named."
    )


def test_an_error_without_place_and_remedy_is_short() -> None:
    assert CommunityArchivesError("it broke").explained() == "[error] it broke."


def test_the_place_where_it_is_raised_knows_the_better_remedy() -> None:
    error = GuardError("is_odd answered 1", remedy="Ask again.")
    assert error.explained() == "[guard-not-bool] is_odd answered 1. Ask again."
    assert not isinstance(error, LifecycleError)  # The table was sound when it was built.
