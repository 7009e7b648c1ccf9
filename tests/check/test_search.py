"""The search itself, on worlds small enough to know the answer beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from workflow.check import Counterexample, Edge, search


class Graph:
    """A world drawn by hand: for each state its edges; what is broken, what is settled."""

    def __init__(
        self,
        edges: Mapping[str, Iterable[Edge[str]]],
        settled: str = "",
        broken: Mapping[str, str] | None = None,
    ) -> None:
        self._edges = edges
        self._settled = settled
        self._broken = broken or {}

    def start(self) -> Iterable[str]:
        return ["a"]

    def edges(self, state: str) -> Iterable[Edge[str]]:
        return self._edges.get(state, ())

    def broken(self, state: str) -> str:
        return self._broken.get(state, "")

    def settled(self, state: str) -> tuple[bool, ...]:
        return (state in self._settled,)

    def unsettled(self, state: str, goal: int) -> str:
        return f"{state} is not settled"


def fair(target: str, by: str = "", broken: str = "") -> Edge[str]:
    return Edge(f"to {target}", target, fair=True, broken=broken, by=by)


def may(target: str) -> Edge[str]:
    return Edge(f"perhaps to {target}", target, fair=False)


def found(graph: Graph) -> Counterexample:
    counterexample = search(graph).counterexample
    assert counterexample is not None
    return counterexample


def test_a_world_that_settles_is_seen_whole() -> None:
    seen = search(Graph({"a": [fair("b"), may("c")], "b": [], "c": [fair("b")]}, settled="b"))
    assert (seen.states, seen.steps, seen.settled) == (3, 3, 1)
    assert seen.is_complete
    assert seen.counterexample is None


def test_the_shortest_way_to_a_broken_state_is_told() -> None:
    edges = {"a": [may("b"), may("c")], "b": [may("c")], "c": [may("d")]}
    shown = found(Graph(edges, settled="abcd", broken={"d": "d is bad"}))
    assert shown.promise == "d is bad"
    assert shown.trace == ("perhaps to c", "perhaps to d")


def test_an_edge_can_be_broken_even_if_it_leads_nowhere_new() -> None:
    shown = found(Graph({"a": [fair("a", broken="said twice")]}, settled="a"))
    assert shown == Counterexample("said twice", ("to a",))


def test_a_dead_end_that_is_not_settled_is_found() -> None:
    shown = found(Graph({"a": [fair("b"), may("c")]}, settled="b"))
    assert shown.promise == "it stays unsettled: c is not settled"
    assert shown.trace == ("perhaps to c",)


def test_what_the_environment_may_do_is_no_way_out() -> None:
    shown = found(Graph({"a": [may("b")]}, settled="b"))
    assert shown.promise == "it stays unsettled: a is not settled"


def test_a_circle_is_found_although_there_is_a_way_out_of_it() -> None:
    edges = {"a": [fair("b", "me")], "b": [fair("a", "me"), fair("c", "me")]}
    shown = found(Graph(edges, settled="c"))
    assert shown.circle == ("to b", "to a")
    assert "and then, over and over" in str(shown)


def test_a_circle_in_which_somebody_is_never_given_his_turn_does_not_count() -> None:
    edges = {"a": [fair("b", "me"), fair("c", "you")], "b": [fair("a", "me"), fair("c", "you")]}
    assert search(Graph(edges, settled="c")).counterexample is None


def test_a_circle_in_which_somebody_can_act_only_now_and_then_does_count() -> None:
    edges = {"a": [fair("b", "me"), fair("c", "you")], "b": [fair("a", "me")]}
    assert found(Graph(edges, settled="c")).circle


def test_a_circle_that_starves_time_alone_is_a_hot_loop_and_counts() -> None:
    edges = {"a": [fair("b", "me"), fair("c")], "b": [fair("a", "me"), fair("c")]}
    assert found(Graph(edges, settled="c")).circle


def test_every_goal_has_to_be_reached_but_not_all_at_once() -> None:
    class TwoGoals(Graph):
        def settled(self, state: str) -> tuple[bool, ...]:
            return state == "a", state == "b"

    assert search(TwoGoals({"a": [fair("b")], "b": [fair("a")]})).counterexample is None
    assert "never settles" in found(TwoGoals({"a": [fair("c")], "c": [fair("a")]})).promise


def test_a_search_that_reaches_its_bound_says_so() -> None:
    chain = {chr(n): [fair(chr(n + 1))] for n in range(ord("a"), ord("z"))}
    seen = search(Graph(chain, settled="z"), limit=10)
    assert not seen.is_complete
    assert seen.counterexample is None
    assert seen.states == 11


@pytest.mark.parametrize("length", [5_000])
def test_long_ways_need_no_deep_stack(length: int) -> None:
    class Chain(Graph):
        def edges(self, state: str) -> Iterable[Edge[str]]:
            number = len(state)
            return [fair("a" * (number % length + 1))]

        def settled(self, state: str) -> tuple[bool, ...]:
            return (False,)

    assert len(found(Chain({})).circle) == length
