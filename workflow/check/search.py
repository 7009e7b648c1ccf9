"""Search every state that a model can reach, and explain in words how it got to a bad one.

A model names its first states and, for each state, the **edges** out of it. An edge is *fair* when
it happens by itself sooner or later (an action answers, a due time comes); all others are what
the environment may do or leave undone (a crash, a message that arrives). An edge that leads back to
its own state is nothing that happened and is left out.

Two kinds of question are answered. **Safety**: no edge and no state is broken. **Settling**: when
only fair edges are taken from now on, in whatever order, every goal is reached from every state:
there is no dead end and no circle that avoids it. A circle in which somebody could act all the time
and is never given his turn does not count; a circle in which only time is not given its turn does:
it is a hot loop.

The search is breadth first, so the trace of a broken safety property is as short as any.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

W = TypeVar("W", bound=Hashable)


class Edge(NamedTuple, Generic[W]):
    """One thing that may happen. ``broken`` says which promise it breaks, if any.

    ``by`` names who acts, as far as he may count on being given his turn.
    """

    label: str
    state: W
    fair: bool
    broken: str = ""
    by: str = ""


class Model(Protocol[W]):
    """What is searched: a pure description, the same answers for the same state."""

    def start(self) -> Iterable[W]:
        """The states that it may begin in."""

    def edges(self, state: W) -> Iterable[Edge[W]]:
        """Everything that may happen next."""

    def broken(self, state: W) -> str:
        """The promise that does not hold in this state, in words; empty when all hold."""

    def settled(self, state: W) -> tuple[bool, ...]:
        """For each goal, whether nothing is left to be done until the environment acts."""

    def unsettled(self, state: W, goal: int) -> str:
        """What is still to be done for this goal, in words."""


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


class _Fair(NamedTuple):
    """A fair edge in the graph: where to, who acts, and in words."""

    target: int
    by: str
    label: str


class _Graph(Generic[W]):
    """The states in the order in which they were found, and the fair edges between them."""

    def __init__(self) -> None:
        self.states: list[W] = []
        self.numbers: dict[W, int] = {}
        self.parents: list[int] = []
        self.labels: list[str] = []
        self.fair: list[tuple[_Fair, ...]] = []

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
        fair: list[_Fair] = []
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
                fair.append(_Fair(number, edge.by, edge.label))
        graph.fair.append(tuple(fair))
        current += 1
        if len(graph.states) > limit:
            return Found(len(graph.states), steps, 0, is_complete=False, counterexample=None)
    settled = sum(all(model.settled(state)) for state in graph.states)
    shown_or_none = _first_unsettled(model, graph)
    return Found(len(graph.states), steps, settled, is_complete=True, counterexample=shown_or_none)


def _first_unsettled(model: Model[W], graph: _Graph[W]) -> Counterexample | None:
    goals = [model.settled(state) for state in graph.states]
    for goal in range(len(goals[0])):
        settled = [each[goal] for each in goals]
        doubtful = _doubtful(graph, settled)
        bad = _dead_end(graph, doubtful) or _fair_circle(graph, doubtful)
        if bad is None:
            continue
        number, circle = bad
        why = model.unsettled(graph.states[number], goal)
        said = "it goes round for ever and never settles" if circle else "it stays unsettled"
        return Counterexample(f"{said}: {why}", graph.trace(number), circle)
    return None


def _doubtful(graph: _Graph[W], settled: list[bool]) -> set[int]:
    """The states from which some path of fair edges, fair to all or not, never settles."""
    before: list[list[int]] = [[] for _ in graph.states]
    open_ways = [0] * len(graph.states)
    for number, edges in enumerate(graph.fair):
        open_ways[number] = len(edges)
        for edge in edges:
            before[edge.target].append(number)
    certain = list(settled)
    frontier = [number for number, is_settled in enumerate(settled) if is_settled]
    while frontier:
        for number in before[frontier.pop()]:
            open_ways[number] -= 1
            if open_ways[number] == 0 and not certain[number]:
                certain[number] = True
                frontier.append(number)
    return {number for number, sure in enumerate(certain) if not sure}


def _dead_end(graph: _Graph[W], doubtful: set[int]) -> tuple[int, tuple[str, ...]] | None:
    """A doubtful state in which nothing happens by itself any more."""
    ends = [number for number in doubtful if not graph.fair[number]]
    return (min(ends), ()) if ends else None


def _fair_circle(graph: _Graph[W], doubtful: set[int]) -> tuple[int, tuple[str, ...]] | None:
    """A circle of doubtful states in which everybody who could always act does act.

    In a set of states that all reach each other, such a circle exists when everybody has, somewhere
    in it, either an edge of his own or a state in which he has nothing to do.
    """
    for knot in _knots(graph, doubtful):
        inside = {number: [e for e in graph.fair[number] if e.target in knot] for number in knot}
        if not any(inside.values()):
            continue
        acting = {edge.by for edges in inside.values() for edge in edges}
        starved = {edge.by for number in knot for edge in graph.fair[number]} - acting - {""}
        if any(
            all(any(edge.by == actor for edge in graph.fair[number]) for number in knot)
            for actor in starved
        ):
            continue
        start = min(knot)
        return start, _circle(inside, start)
    return None


def _circle(inside: dict[int, list[_Fair]], start: int) -> tuple[str, ...]:
    """The labels of a shortest way within a knot from a state back to itself."""
    came: dict[int, tuple[int, str]] = {}
    frontier = [start]
    for number in frontier:
        for edge in inside[number]:
            if edge.target not in came:
                came[edge.target] = (number, edge.label)
                frontier.append(edge.target)
    labels: list[str] = []
    number = start
    while not labels or number != start:
        number, label = came[number]
        labels.append(label)
    return tuple(reversed(labels))


def _knots(graph: _Graph[W], doubtful: set[int]) -> Iterator[set[int]]:
    """The strongly connected components of the doubtful states (Tarjan), without recursion."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    for root in sorted(doubtful):
        if root in order:
            continue
        work = [(root, iter(graph.fair[root]))]
        order[root] = lowest[root] = len(order)
        path.append(root)
        on_path.add(root)
        while work:
            number, edges = work[-1]
            target = next((edge.target for edge in edges if edge.target in doubtful), None)
            if target is None:
                work.pop()
                if work:
                    parent = work[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[number])
                if lowest[number] == order[number]:
                    knot = set()
                    while number not in knot:
                        knot.add(path.pop())
                    on_path -= knot
                    yield knot
            elif target not in order:
                order[target] = lowest[target] = len(order)
                path.append(target)
                on_path.add(target)
                work.append((target, iter(graph.fair[target])))
            elif target in on_path:
                lowest[number] = min(lowest[number], order[target])
