"""Search every state that a model can reach, and explain in words how it got to a bad one.

A model names its first states and, for each state, the **edges** out of it. An edge is *fair* when
it happens by itself sooner or later (an action answers, a due time comes); all others are what
the environment may do or leave undone (a crash, a message that arrives). An edge that leads back to
its own state is nothing that happened and is left out.

Two kinds of question are answered. **Safety**: no edge and no state is broken. **Settling**: when
only fair edges are taken from now on, every path, in whatever order, comes to a settled state.
States from which that is certain are found backwards from the settled ones; in what remains there
is a dead end or a circle that never settles, and it is shown after the shortest way to it.

The search is breadth first, so the trace of a broken safety property is as short as any.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

W = TypeVar("W", bound=Hashable)


class Edge(NamedTuple, Generic[W]):
    """One thing that may happen. ``broken`` says which promise it breaks, if any."""

    label: str
    state: W
    fair: bool
    broken: str = ""


class Model(Protocol[W]):
    """What is searched: a pure description, the same answers for the same state."""

    def start(self) -> Iterable[W]:
        """The states that it may begin in."""

    def edges(self, state: W) -> Iterable[Edge[W]]:
        """Everything that may happen next."""

    def broken(self, state: W) -> str:
        """The promise that does not hold in this state, in words; empty when all hold."""

    def is_settled(self, state: W) -> bool:
        """True when nothing is left to be done until the environment does something."""

    def unsettled(self, state: W) -> str:
        """What is still to be done, in words."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """How a promise is broken: the way to it and, if it never settles, the circle at its end."""

    promise: str
    trace: tuple[str, ...]
    circle: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.promise]
        lines += [f"{number:4}. {label}" for number, label in enumerate(self.trace, 1)]
        if self.circle:
            lines.append("      and then, over and over:")
            first = len(self.trace) + 1
            lines += [f"{number:4}. {label}" for number, label in enumerate(self.circle, first)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has seen. ``is_complete`` is false when it stopped at its bound."""

    states: int
    steps: int
    settled: int
    is_complete: bool
    counterexample: Counterexample | None


class _Graph(Generic[W]):
    """The states in the order in which they were found, and the fair edges between them."""

    def __init__(self) -> None:
        self.states: list[W] = []
        self.numbers: dict[W, int] = {}
        self.parents: list[int] = []
        self.labels: list[str] = []
        self.fair: list[tuple[tuple[int, str], ...]] = []

    def add(self, state: W, parent: int, label: str) -> int:
        number = self.numbers.setdefault(state, len(self.states))
        if number == len(self.states):
            self.states.append(state)
            self.parents.append(parent)
            self.labels.append(label)
        return number

    def trace(self, number: int) -> tuple[str, ...]:
        labels: list[str] = []
        while self.parents[number] >= 0:
            labels.append(self.labels[number])
            number = self.parents[number]
        return tuple(reversed(labels))


def search(model: Model[W], *, limit: int = 1_000_000) -> Found:
    """Visit every reachable state, up to ``limit`` states, and stop at the first broken promise."""
    graph: _Graph[W] = _Graph()
    for state in model.start():
        graph.add(state, -1, "")
    steps = 0
    current = 0
    while current < len(graph.states):
        state = graph.states[current]
        fair: list[tuple[int, str]] = []
        complaint = model.broken(state)
        if complaint:
            shown = Counterexample(complaint, graph.trace(current))
            return Found(len(graph.states), steps, 0, is_complete=False, counterexample=shown)
        for edge in model.edges(state):
            steps += 1
            if edge.broken:
                shown = Counterexample(edge.broken, (*graph.trace(current), edge.label))
                return Found(len(graph.states), steps, 0, is_complete=False, counterexample=shown)
            if edge.state == state:
                continue
            number = graph.add(edge.state, current, edge.label)
            if edge.fair:
                fair.append((number, edge.label))
        graph.fair.append(tuple(fair))
        current += 1
        if len(graph.states) > limit:
            return Found(len(graph.states), steps, 0, is_complete=False, counterexample=None)
    settled = [model.is_settled(state) for state in graph.states]
    shown_or_none = _never_settles(model, graph, settled)
    return Found(
        len(graph.states), steps, sum(settled), is_complete=True, counterexample=shown_or_none
    )


def _never_settles(model: Model[W], graph: _Graph[W], settled: list[bool]) -> Counterexample | None:
    certain = _certain_to_settle(graph, settled)
    doubtful = next((number for number, sure in enumerate(certain) if not sure), None)
    if doubtful is None:
        return None
    # Each doubtful state is a dead end or has a doubtful fair successor: walk until one repeats.
    walked: dict[int, int] = {}
    labels: list[str] = []
    number = doubtful
    while number not in walked:
        walked[number] = len(labels)
        onward = next((edge for edge in graph.fair[number] if not certain[edge[0]]), None)
        if onward is None:
            why = model.unsettled(graph.states[number])
            return Counterexample(
                f"nothing more happens, but it is not settled: {why}",
                (*graph.trace(doubtful), *labels),
            )
        number = onward[0]
        labels.append(onward[1])
    start = walked[number]
    why = model.unsettled(graph.states[number])
    return Counterexample(
        f"it goes round for ever and never settles: {why}",
        (*graph.trace(doubtful), *labels[:start]),
        tuple(labels[start:]),
    )


def _certain_to_settle(graph: _Graph[W], settled: list[bool]) -> list[bool]:
    """True for each state from which every fair path comes to a settled one."""
    before: list[list[int]] = [[] for _ in graph.states]
    open_ways = [0] * len(graph.states)
    for number, edges in enumerate(graph.fair):
        open_ways[number] = len(edges)
        for target, _ in edges:
            before[target].append(number)
    certain = list(settled)
    frontier = [number for number, is_settled in enumerate(settled) if is_settled]
    while frontier:
        for number in before[frontier.pop()]:
            open_ways[number] -= 1
            if open_ways[number] == 0 and not certain[number]:
                certain[number] = True
                frontier.append(number)
    return certain
