"""The vocabulary: a lifecycle is one table of rules, and a step is a pure function of it.

A **rule** reads like a sentence: *in* these states, *on* this event, *if* all of these guards hold,
go *to* that state and *tell* those signals. The first rule whose guards hold is taken; so a rule
without guards means "otherwise", and each group of rules ends with one.

A **guard** is a plain function over the lifecycle's **facts**: a frozen snapshot, read in the
deciding transaction and stored with the step, so that every step ever taken can be replayed.

A state is named for what is being done and has exactly one **action**. Some actions only wait: the
state then looks at **levels**, conditions that hold from a moment on. A level is not an event that
can be missed: it is looked at on every entry and again when its moment comes.

Nothing here reads a clock, a disk or a network. ``Lifecycle`` checks its table when it is built;
``decide`` takes one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Generic, TypeAlias, TypeVar

from states.checks import complaints
from states.errors import LifecycleError
from states.machine import Answer, CompiledTable, compile_table

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
A = TypeVar("A", bound=Enum)
F = TypeVar("F")
G = TypeVar("G", bound=Enum)


class Same(Enum):
    """Targets that name no other state."""

    STAY = "stay"
    """Take note and remain: the running action goes on undisturbed."""
    AGAIN = "again"
    """Enter the same state anew: its action starts once more; if it failed, after the back-off."""


STAY, AGAIN = Same.STAY, Same.AGAIN

Guard: TypeAlias = Callable[[F], bool]


@dataclass(frozen=True, slots=True)
class Rule(Generic[S, E, F, G]):
    """One row of the table. ``given`` is a conjunction; empty means *otherwise*.

    ``discard`` undoes the writes that came with the event: for a result that nobody may keep.
    """

    within: tuple[S, ...]
    on: tuple[E, ...]
    given: tuple[Guard[F], ...]
    to: S | Same
    tell: tuple[G, ...] = ()
    discard: bool = False

    def target(self, source: S) -> S:
        """The state that an instance in ``source`` is in after this rule."""
        return source if isinstance(self.to, Same) else self.to

    @property
    def names_target(self) -> bool:
        """True when ``to`` is a state of its own and not just STAY or AGAIN."""
        return not isinstance(self.to, Same)

    @property
    def is_entry(self) -> bool:
        """True when the action of the target state is to be started."""
        return self.to is not STAY


def row(
    within: S | tuple[S, ...],
    on: E | tuple[E, ...],
    given: Guard[F] | tuple[Guard[F], ...],
    to: S | Same,
    tell: G | tuple[G, ...] = (),
    *,
    discard: bool = False,
) -> Rule[S, E, F, G]:
    """A rule as one writes it in a table: single values stand for tuples of one."""
    return Rule(
        within if isinstance(within, tuple) else (within,),
        on if isinstance(on, tuple) else (on,),
        given if isinstance(given, tuple) else (given,),
        to,
        tell if isinstance(tell, tuple) else (tell,),
        discard,
    )


otherwise: tuple[()] = ()


@dataclass(frozen=True, slots=True)
class Level(Generic[S, E, F]):
    """A condition that a waiting state looks at.

    ``since`` gives the moment (seconds, UTC epoch) from which the condition holds, in the past or
    in the future, or None while no such moment is known. A state in ``held_back_by`` that failed
    holds the condition back until that state's next try is due; a condition that began only after
    the failure is a new one and is not held back.
    """

    event: E
    since: Callable[[F], float | None]
    held_back_by: tuple[S, ...] = ()


@dataclass(frozen=True, slots=True)
class Setback:
    """A state failed: when, how often by now, when it is tried again, and why.

    Times are seconds (UTC epoch).
    """

    state: str
    failures: int
    at: float
    until: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step(Generic[S, E, G]):
    """What ``decide`` answers when the table has a rule: where to, and why."""

    source: S
    event: E
    target: S
    rule: int
    is_entry: bool
    tell: tuple[G, ...]
    discard: bool
    tried: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Refusal(Generic[S, E]):
    """What ``decide`` answers when the state does not know the event. Nothing changes."""

    source: S
    event: E
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Lifecycle(Generic[S, E, A, F, G]):
    """A checked, immutable table. Building it raises ``LifecycleError`` with every complaint.

    ``failed`` is the event that the engine sends for an action that raised; None is for lifecycles
    whose states all wait.
    ``final`` lists the states that are meant never to be left; they have no action.
    ``renamed`` says of states that earlier versions of the table had, by their member's name, which
    one of today's goes on for them; whoever is in one is moved there before anything starts.
    """

    name: str
    states: type[S]
    events: type[E]
    actions: type[A]
    facts: type[F]
    initial: S
    acts: Mapping[S, A]
    rules: tuple[Rule[S, E, F, G], ...]
    levels: Mapping[S, tuple[Level[S, E, F], ...]] = field(default_factory=dict)
    final: tuple[S, ...] = ()
    failed: E | None = None
    main_path: tuple[S, ...] = ()
    renamed: Mapping[str, S] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = complaints(self)
        if found:
            raise LifecycleError(
                f"the table of '{self.name}' is not sound:\n  - " + "\n  - ".join(found),
                place=self.name,
            )

    @cached_property
    def compiled(self) -> CompiledTable:
        """The table as one ``transitions`` machine, shared by all instances."""
        return compile_table(self)

    def waits(self, state: S) -> bool:
        """True for a state that only looks at levels and runs no action."""
        return state in self.levels

    def _repr_mimebundle_(self, **asked: object) -> dict[str, str]:
        """How Jupyter shows it: as a picture. Only a picture needs the drawing code."""
        from states.drawing import Drawing  # noqa: PLC0415

        return Drawing(self)._repr_mimebundle_(**asked)


@dataclass(frozen=True, slots=True)
class Look(Generic[S, E, G]):
    """What a waiting state sees: a step to take now, or the moment to look again, or neither."""

    step: Step[S, E, G] | None
    wake_at: float | None


def decide(
    lifecycle: Lifecycle[S, E, A, F, G], state: S, event: E, facts: F
) -> Step[S, E, G] | Refusal[S, E]:
    """Take one step: pure, total, the same answer for the same arguments.

    Raises ``GuardError`` when a guard answers with something that is not a bool.
    """
    taken = lifecycle.compiled.evaluate(state.name, event.name, facts)
    if taken is None:
        words = f"{state.value} does not answer {event.value}"
        return Refusal(state, event, words)
    rule = lifecycle.rules[taken.rule]
    return Step(
        source=state,
        event=event,
        target=lifecycle.states[taken.target],
        rule=taken.rule,
        is_entry=rule.is_entry,
        tell=rule.tell,
        discard=rule.discard,
        tried=taken.answers,
    )


def look(
    lifecycle: Lifecycle[S, E, A, F, G],
    state: S,
    facts: F,
    now: float,
    setbacks: tuple[Setback, ...] = (),
) -> Look[S, E, G]:
    """Look at the levels of a waiting state, in their order.

    The first level that holds, is not held back and leads out of the state is taken. Otherwise
    ``wake_at`` (seconds) is the next moment at which one may come to hold, None when only an
    outside event can change anything.
    """
    wake_at: float | None = None
    for level in lifecycle.levels.get(state, ()):
        since = level.since(facts)
        if since is None:
            continue
        if setbacks:
            since = _held_back(level, since, setbacks, now)
        if since > now:
            wake_at = since if wake_at is None else min(wake_at, since)
            continue
        step = decide(lifecycle, state, level.event, facts)
        if isinstance(step, Step) and step.is_entry:
            return Look(step, None)
    return Look(None, wake_at)


def _held_back(
    level: Level[S, E, F], since: float, setbacks: tuple[Setback, ...], now: float
) -> float:
    names = [state.name for state in level.held_back_by]
    waits = (
        setback.until
        for setback in setbacks
        # One from the future was noted before the clock was put right: its time means nothing.
        if setback.state in names and since <= setback.at <= now
    )
    return max(since, *waits, since)


def explain(lifecycle: Lifecycle[S, E, A, F, G], step: Step[S, E, G]) -> str:
    """A step in words, with what was refused on the way.

    ``seeding --torrent_seeded--> announcing refused: is_control_node is false; taken: idle``
    """
    arrow = f"{step.source.value} --{step.event.value}-->"
    goal = lifecycle.rules[step.rule].to.value
    refused: dict[int, list[str]] = {}
    for answer in step.tried:
        if not answer.holds:
            refused.setdefault(answer.rule, []).append(f"{answer.guard} is false")
    if not refused:
        return f"{arrow} {goal}"
    reasons = "; ".join(
        f"{lifecycle.rules[row].to.value} refused: {', '.join(why)}" for row, why in refused.items()
    )
    return f"{arrow} {reasons}; taken: {goal}"
