"""What a guard and a level's condition must be, by small lifecycles with one that is not."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Optional

import pytest

from states.checks import complaints
from states.errors import LifecycleError
from states.lifecycle import STAY, Level, Lifecycle, Rule, otherwise, row


class State(Enum):
    IDLE = "idle"
    DONE = "done"


class Event(Enum):
    BEGUN = "begun"
    ENDED = "ended"


class Action(Enum):
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


def build(
    begun: Any = is_ready, ended: Any = is_small, since: Any = ready_since
) -> Lifecycle[Any, Any, Any, Any, Any]:
    """Sound as it stands; the arguments are the guards of rows 1 and 3, and the condition."""
    rules: tuple[Rule[Any, Any, Any, Any], ...] = (
        row(State.IDLE, Event.BEGUN, begun, State.DONE),
        row(State.IDLE, Event.BEGUN, otherwise, STAY),
        row(State.IDLE, Event.ENDED, ended, State.DONE),
        row(State.IDLE, Event.ENDED, otherwise, STAY),
    )
    return Lifecycle(
        name="small",
        states=State,
        events=Event,
        actions=Action,
        facts=Facts,
        initial=State.IDLE,
        acts={State.IDLE: Action.LOOK},
        rules=rules,
        levels={State.IDLE: (Level(Event.BEGUN, since),)},
        final=(State.DONE,),
    )


def found(**changes: Any) -> list[str]:
    """What building the changed table complains about, line by line."""
    with pytest.raises(LifecycleError) as caught:
        build(**changes)
    return caught.value.message.split("\n  - ")[1:]


def test_it_is_sound_as_it_stands() -> None:
    assert complaints(build()) == []


class CallableObject:
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, facts: Facts) -> bool:
        return True

    def method(self, facts: Facts) -> bool:
        return True


@functools.lru_cache
def cached(facts: Facts) -> bool:
    return True


NAMELESS: dict[str, Callable[..., object]] = {
    "lambda": lambda facts: True,
    "partial": functools.partial(is_ready),
    "callable object": CallableObject(),
    "bound method": CallableObject().method,
    "class": bool,
    "builtin": len,
    "cached": cached,
}


@pytest.mark.parametrize("function", NAMELESS.values(), ids=NAMELESS.keys())
def test_nothing_but_a_named_function_is_a_guard(function: Any) -> None:
    words = f"{function!r} must be a plain function with a name"
    assert found(begun=function) == [f"row 1: guard {words}"]


@pytest.mark.parametrize("function", NAMELESS.values(), ids=NAMELESS.keys())
def test_nothing_but_a_named_function_is_a_condition(function: Any) -> None:
    words = f"{function!r} must be a plain function with a name"
    assert found(since=function) == [f"levels of State.IDLE: condition {words}"]


async def awaited(facts: Facts) -> bool:
    return True


def generated(facts: Facts) -> Iterator[bool]:
    yield True


async def streamed(facts: Facts) -> AsyncIterator[bool]:
    yield True


def answers_str(facts: Facts) -> str:
    return ""


def answers_bool_or_none(facts: Facts) -> bool | None:
    return None


def answers_list_of_bool(facts: Facts) -> list[bool]:
    return []


def undeclared_answer(facts: Facts):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return True


def of_narrower_facts(facts: NarrowerFacts) -> bool:
    return True


def of_other_facts(facts: Event) -> bool:
    return True


def of_no_class(facts: list[Facts]) -> bool:
    return True


def of_anything_undeclared(facts) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return True


def of_nothing() -> bool:
    return True


def of_two(facts: Facts, more: Facts) -> bool:
    return True


def with_default(facts: Facts, limit: int = 3) -> bool:
    return True


def by_keyword(*, facts: Facts) -> bool:
    return True


def of_many(*facts: Facts) -> bool:
    return True


def of_keywords(**facts: Facts) -> bool:
    return True


def with_hint(name: str, hint: str) -> Callable[[Facts], bool]:
    """A guard whose annotation stands in quotes and cannot be resolved."""

    def guard(facts: Facts) -> bool:
        return True

    guard.__name__ = name
    guard.__annotations__["facts"] = hint
    return guard


AT_ONCE = "must answer at once; it is asynchronous or a generator"
BOOL = "must be declared to return bool"
TAKES = "must take Facts and nothing else"
FLAWED: list[tuple[Callable[..., object], list[str]]] = [
    (awaited, [AT_ONCE]),
    (generated, [AT_ONCE]),
    (streamed, [AT_ONCE]),
    (answers_str, [BOOL]),
    (answers_bool_or_none, [BOOL]),
    (answers_list_of_bool, [BOOL]),
    (undeclared_answer, [BOOL]),
    (of_narrower_facts, [TAKES]),
    (of_other_facts, [TAKES]),
    (of_no_class, [TAKES]),
    (of_anything_undeclared, [TAKES]),
    (of_nothing, [TAKES]),
    (of_two, [TAKES]),
    (with_default, [TAKES]),
    (by_keyword, [TAKES]),
    (of_many, [TAKES]),
    (of_keywords, [TAKES]),
    (ready_since, [BOOL]),
    (
        with_hint("of_missing", "Missing"),
        ["has an annotation that cannot be read: name 'Missing' is not defined"],
    ),
    (
        with_hint("of_failing", "1 / 0"),
        ["has an annotation that cannot be read: division by zero"],
    ),
]


@pytest.mark.parametrize(
    ("function", "flaws"), FLAWED, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_guard_takes_the_facts_and_returns_a_bool(function: Any, flaws: list[str]) -> None:
    assert found(begun=(is_small, function)) == [
        f"row 1: guard {function.__name__} {flaw}" for flaw in flaws
    ]


def test_an_annotation_that_is_no_python_is_told() -> None:
    (words,) = found(begun=with_hint("of_nonsense", "no python"))
    assert words.startswith("row 1: guard of_nonsense has an annotation that cannot be read: ")


def test_a_guard_that_is_wrong_twice_is_told_twice_but_only_at_its_first_row() -> None:
    def wrong(number: int, more: int) -> int:
        return number

    assert found(begun=wrong, ended=wrong) == [
        "row 1: guard wrong must be declared to return bool",
        "row 1: guard wrong must take Facts and nothing else",
    ]


def of_wider_facts(facts: WiderFacts) -> bool:
    return True


def of_any_object(facts: object, /) -> bool:
    return True


@pytest.mark.parametrize("guard", [of_wider_facts, of_any_object])
def test_a_guard_may_ask_for_less_than_the_facts(guard: Any) -> None:
    assert complaints(build(begun=guard)) == []


def until_no_end(facts: Facts) -> None:
    return None


def at_whole_seconds(facts: Facts) -> int:
    return 1


def optional_in_old_words(facts: Facts) -> Optional[float]:  # noqa: UP045
    return None


@pytest.mark.parametrize("since", [until_no_end, at_whole_seconds, optional_in_old_words])
def test_a_condition_may_promise_more_than_a_moment_or_none(since: Any) -> None:
    assert complaints(build(since=since)) == []


async def awaited_since(facts: Facts) -> float | None:
    return None


def list_of_moments(facts: Facts) -> list[float]:
    return []


def moment_or_word(facts: Facts) -> float | str:
    return ""


def undeclared_moment(facts: Facts):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return None


def moment_of_other_facts(facts: Event) -> float | None:
    return None


MOMENT = "must be declared to return float | None"


@pytest.mark.parametrize(
    ("since", "flaw"),
    [
        (awaited_since, AT_ONCE),
        (list_of_moments, MOMENT),
        (moment_or_word, MOMENT),
        (undeclared_moment, MOMENT),
        (is_ready, MOMENT),
        (moment_of_other_facts, TAKES),
    ],
)
def test_a_condition_takes_the_facts_and_returns_a_moment(since: Any, flaw: str) -> None:
    assert found(since=since) == [f"levels of idle: condition {since.__name__} {flaw}"]


def renamed(name: str, answer: object) -> Callable[[Facts], Any]:
    def function(facts: Facts) -> Any:
        return answer

    function.__name__ = name
    function.__annotations__["return"] = bool if isinstance(answer, bool) else float
    return function


def test_two_guards_of_one_name_are_told() -> None:
    assert found(ended=renamed("is_ready", answer=True)) == [
        "row 3: guard is_ready: another function has this name already"
    ]


def test_a_guard_and_a_condition_of_one_name_are_told() -> None:
    assert found(since=renamed("is_ready", 0.0)) == [
        "levels of idle: condition is_ready: another function has this name already"
    ]
