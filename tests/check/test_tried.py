"""What ``check`` finds in somebody's own table by asking its guards, and what it leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from typing import Any, Literal

import pytest

from states.lifecycle import Level, Lifecycle, otherwise, row
from workflow.check import check_lifecycle, report
from workflow.check.tried import AT_MOST, try_out


class State(Enum):
    DRAFT = "draft"
    REVIEW = "review"
    PUBLISHED = "published"


class Event(Enum):
    SUBMITTED = "submitted"
    DUE = "due"
    RETURNED = "returned"


class Action(Enum):
    WAIT = "wait"


class Kind(Enum):
    NEWS = "news"
    ESSAY = "essay"


@dataclass(frozen=True)
class Facts:
    is_long: bool = False
    kind: Kind = Kind.NEWS
    grade: Literal["a", "b"] = "a"
    due_at: None = None


def is_long(facts: Facts) -> bool:
    return facts.is_long


def is_news(facts: Facts) -> bool:
    return facts.kind is Kind.NEWS


def is_both(facts: Facts) -> bool:
    return facts.is_long and facts.kind is Kind.NEWS and facts.grade == "b"


def is_neither(facts: Facts) -> bool:
    return facts.is_long and not facts.is_long


def fails_for_essays(facts: Facts) -> bool:
    return {Kind.NEWS: True}[facts.kind]


def says_nothing(facts: Facts) -> bool:
    return None  # type: ignore[return-value]


def at_once(facts: Facts) -> float | None:
    return 0.0


def once_long(facts: Facts) -> float | None:
    return 100.0 if facts.is_long else None


def on_a_day(facts: Facts) -> float | None:
    return "Monday"  # type: ignore[return-value]


def table(guard: Any = is_long, due: Any = at_once, back: Any = at_once, facts: Any = Facts) -> Any:
    s, e = State, Event
    return Lifecycle(
        name="page",
        states=State,
        events=Event,
        actions=Action,
        facts=facts,
        initial=s.DRAFT,
        acts=dict.fromkeys((s.DRAFT, s.REVIEW), Action.WAIT),
        rules=(
            row(s.DRAFT, e.SUBMITTED, otherwise, s.REVIEW),
            row(s.REVIEW, e.DUE, guard, s.PUBLISHED),
            row(s.REVIEW, e.DUE, otherwise, s.DRAFT),
            row(s.REVIEW, e.RETURNED, otherwise, s.DRAFT),
        ),
        levels={s.DRAFT: (), s.REVIEW: (Level(e.DUE, due),)},
        final=(s.PUBLISHED,),
    )


def test_every_mix_of_what_the_types_tell_is_tried() -> None:
    tried = try_out(table(is_both))
    assert (tried.facts, tried.states, tried.problems, tried.remarks) == (8, 3, (), ())
    result = check_lifecycle(table(is_both))
    assert result.is_good
    assert "its guards and levels, 8 made-up facts: 3 states" in report([result])
    assert report([result]).endswith("Every promise holds; 6 states visited.")


def test_a_row_that_no_facts_take_and_what_lies_behind_it() -> None:
    assert try_out(table(is_neither)).problems == (
        "no facts that were tried take row 2",
        "no facts that were tried lead to published",
    )
    result = check_lifecycle(table(is_neither))
    assert not result.is_good
    assert "  !! no facts that were tried take row 2" in report([result])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"guard": fails_for_essays}, "fails_for_essays raises KeyError: <Kind.ESSAY"),
        ({"guard": says_nothing}, "says_nothing answers None, for Facts("),
        ({"due": on_a_day}, "on_a_day answers 'Monday', for Facts("),
    ],
)
def test_guards_and_levels_that_fail_are_told_with_the_facts(
    changes: dict[str, Any], said: str
) -> None:
    (problem,) = try_out(table(**changes)).problems
    assert problem.startswith(said)


def circling(due: Any) -> Lifecycle[Any, Any, Any, Any, Any]:
    s, e = State, Event
    return Lifecycle(
        name="page",
        states=State,
        events=Event,
        actions=Action,
        facts=Facts,
        initial=s.DRAFT,
        acts=dict.fromkeys(State, Action.WAIT),
        rules=(
            row(s.DRAFT, e.SUBMITTED, otherwise, s.REVIEW),
            row(s.REVIEW, e.DUE, otherwise, s.PUBLISHED),
            row(s.PUBLISHED, e.RETURNED, otherwise, s.REVIEW),
        ),
        levels={
            s.DRAFT: (),
            s.REVIEW: (Level(e.DUE, at_once),),
            s.PUBLISHED: (Level(e.RETURNED, due),),
        },
    )


def test_waiting_states_that_lead_to_each_other_for_ever() -> None:
    (problem,) = try_out(circling(once_long)).problems
    assert problem.startswith(
        "review → published → review for ever, while it is Facts(is_long=True"
    )
    assert try_out(circling(once_long), [Facts(is_long=False)]).problems == ()


# -- what is left open -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Vague:
    reviews: int = 0
    editor: str | None = None
    tags: Sequence[str] = field(default_factory=tuple)


def has_reviews(facts: Vague) -> bool:
    return facts.reviews >= 2


def at_no_time(facts: Vague) -> float | None:
    return None


def test_what_rests_on_numbers_is_not_judged_and_said_so() -> None:
    vague = table(has_reviews, at_no_time, facts=Vague)
    assert try_out(vague) == (
        2,
        2,
        try_out(vague).steps,
        (),
        (
            "one value only was tried of: reviews, editor, tags",
            "no facts that were tried take row 2",
            "no facts that were tried lead to published",
        ),
    )
    result = check_lifecycle(vague)
    assert result.is_good
    said = report([result])
    assert "not judged, name facts with Workflow(samples=...)" in said
    assert "No contradiction was found in what was judged; " in said


def test_named_facts_are_taken_for_all_there_are() -> None:
    vague = table(has_reviews, at_no_time, facts=Vague)
    tried = try_out(vague, [Vague(reviews=0), Vague(reviews=2)])
    assert (tried.facts, tried.problems, tried.remarks) == (2, (), ())
    tried = try_out(vague, [Vague(reviews=2)])
    assert tried.problems == ("no facts that were tried take row 3",)


def test_of_too_many_mixes_some_are_tried() -> None:
    fields = [(f"more_{number}", bool, field(default=False)) for number in range(12)]
    many = make_dataclass("Many", fields, bases=(Facts,), frozen=True)
    tried = try_out(table(is_both, facts=many))
    assert 0 < tried.facts <= AT_MOST
    assert "of 32,768 mixes of facts were tried" in tried.remarks[0]


def test_facts_that_cannot_be_made_up() -> None:
    class Reading:
        pass

    @dataclass(frozen=True)
    class Hidden:
        day: Tomorrow = None  # type: ignore[name-defined] # noqa: F821 - for a type checker only.

    def always(facts: object) -> bool:
        return True

    def now(facts: object) -> float | None:
        return 0.0

    of_class = try_out(table(always, now, facts=Reading))
    assert (of_class.facts, of_class.problems) == (0, ())
    assert of_class.remarks == ("no facts of type Reading can be made up",)
    assert try_out(table(always, now, facts=Kind)).facts == 2
    (remark,) = try_out(table(always, now, facts=Hidden)).remarks
    assert remark == "no facts can be made up: name 'Tomorrow' is not defined"
