"""What is drawn is what the machine has: ``transitions`` draws the same table beside us."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from transitions.extensions import GraphMachine

from states import ARCHIVE_IMPORT, COMMUNITY, STAY
from states import machine as compiling
from states.community import Event, State
from states.drawing import Format, Picture, picture, render
from states.drawing.picture import Line, said
from states.drawing.reading import AnyLifecycle, level_of, short_signal, states_of
from states.node import NODE

LIFECYCLES = pytest.mark.parametrize(
    "lifecycle", [COMMUNITY, ARCHIVE_IMPORT, NODE], ids=lambda each: str(each.name)
)
ROW = re.compile(r"^ *(\w+) --> (\w+): (.+)$", re.MULTILINE)


class Model:
    """Something for a graph machine to hang its graph on."""

    get_graph: Callable[[], Any]


def drawn_by_transitions(
    lifecycle: AnyLifecycle, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str, str]]:
    """Compile with the library's own drawing machine in place of the plain one."""

    def machine(**arguments: Any) -> GraphMachine:
        return GraphMachine(graph_engine="mermaid", **arguments)

    monkeypatch.setattr("transitions.Machine", machine)
    compiled = compiling.compile_table(lifecycle).machine
    model = Model()
    compiled.add_model(model)
    text = str(model.get_graph().source)
    for source, target, labels in ROW.findall(text):
        if source in lifecycle.states.__members__:
            for label in labels.split(" | "):
                event = lifecycle.events[label.partition(" ")[0]]
                yield (
                    said(lifecycle.states[source]),
                    said(event),
                    said(lifecycle.states[target]),
                )


def drawn_by_us(drawn: Picture) -> Iterator[tuple[str, str, str]]:
    for line in drawn.lines:
        yield from line.triples


def lines_on_arrows(drawn: Picture, source: str, target: str) -> list[Line]:
    return [
        line
        for arrow in drawn.arrows
        for line in arrow.lines
        if source in line.sources and line.target == target
    ]


@LIFECYCLES
def test_the_edges_are_those_of_the_compiled_machine(
    lifecycle: AnyLifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Counter(drawn_by_transitions(lifecycle, monkeypatch))
    assert theirs
    assert Counter(drawn_by_us(picture(lifecycle))) == theirs


@LIFECYCLES
def test_every_arrow_joins_the_boxes_that_its_lines_name(lifecycle: AnyLifecycle) -> None:
    drawn = picture(lifecycle)
    ids = [box.id for box in drawn.boxes] + [arrow.id for arrow in drawn.arrows]
    assert len(ids) == len(set(ids))
    for arrow in drawn.arrows:
        for line in arrow.lines:
            assert line.sources == arrow.source.states
            assert (line.target,) == arrow.target.states
    for box in drawn.boxes:
        assert all(line.sources == box.states for line in box.inner)


def test_the_main_path_has_the_four_states_and_what_leads_among_them() -> None:
    four = {"idle", "creating", "seeding", "announcing"}
    drawn = picture(COMMUNITY, main_path_only=True)
    assert {box.states for box in drawn.boxes} == {(state,) for state in four}
    expected = {
        (said(source), said(event), said(rule.target(source)))
        for rule in COMMUNITY.rules
        if rule.to is not STAY
        for source in rule.within
        for event in rule.on
        if {said(source), said(rule.target(source))} <= four
    }
    assert set(drawn_by_us(drawn)) == expected
    main = [arrow for arrow in drawn.arrows if arrow.is_main]
    assert sorted((arrow.source.states[0], arrow.target.states[0]) for arrow in main) == [
        ("announcing", "idle"),
        ("creating", "seeding"),
        ("idle", "creating"),
        ("seeding", "announcing"),
    ]


@pytest.mark.parametrize("main_path_only", [True, False])
def test_one_arrow_leads_to_announcing_and_the_control_node_guard_is_on_it(
    main_path_only: bool,
) -> None:
    drawn = picture(COMMUNITY, main_path_only=main_path_only)
    (way_in,) = [arrow for arrow in drawn.arrows if arrow.target.states == ("announcing",)]
    assert way_in.source.states == ("seeding",)
    (line,) = way_in.lines
    assert "if is_control_node" in [phrase.text for phrase in line.phrases]


@LIFECYCLES
def test_each_line_says_all_that_its_rule_says(lifecycle: AnyLifecycle) -> None:
    lines = list(picture(lifecycle).lines)
    for rule in lifecycle.rules:
        for source in rule.within:
            for event in rule.on:
                edge = (said(source), said(event), said(rule.target(source)))
                texts = {
                    " ".join(phrase.text for phrase in line.phrases)
                    for line in lines
                    if edge in line.triples
                }
                wanted = [said(event), *(guard.__name__ for guard in rule.given)]
                wanted += [short_signal(lifecycle, signal) for signal in rule.tell]
                wanted += ["discard"] if rule.discard else []
                wanted += ["leaves a setback"] if event is lifecycle.failed else []
                wanted += [] if rule.is_entry else ["stay"]
                found = level_of(lifecycle, source, event)
                if found and rule.is_entry:
                    place, level = found
                    wanted += [f"when {said(event)}", *map(said, level.held_back_by)]
                    wanted += [f"({place}"] if len(lifecycle.levels[source]) > 1 else []
                assert any(all(word in text for word in wanted) for text in texts), (edge, wanted)


@LIFECYCLES
def test_what_follows_a_refusal_says_otherwise(lifecycle: AnyLifecycle) -> None:
    for line in picture(lifecycle).lines:
        texts = [phrase.text for phrase in line.phrases]
        rivals = [
            rule
            for rule in lifecycle.rules
            if set(map(said, rule.within)) & set(line.sources)
            and set(map(said, rule.on)) & set(line.events)
        ]
        has_guard = any(text.startswith("if ") for text in texts)
        assert ("otherwise" in texts) == (len(rivals) > 1 and not has_guard)


@LIFECYCLES
@pytest.mark.parametrize("fmt", ["svg", "mmd", "dot"])
def test_every_phrase_is_written_in_every_format(lifecycle: AnyLifecycle, fmt: Format) -> None:
    text = render(lifecycle, fmt)
    drawn = picture(lifecycle)
    for line in drawn.lines:
        for phrase in line.phrases:
            assert phrase.text in text
    for box in drawn.boxes:
        assert all(title in text for title in box.title)
        assert box.action in text


@LIFECYCLES
def test_the_table_in_markdown_names_everything(lifecycle: AnyLifecycle) -> None:
    text = render(lifecycle, "md")
    names = {said(state) for state in states_of(lifecycle, main_path_only=False)}
    for rule in lifecycle.rules:
        names |= {said(each) for each in (*rule.on, *rule.tell)}
        names |= {guard.__name__ for guard in rule.given}
    for levels in lifecycle.levels.values():
        names |= {level.since.__name__ for level in levels}
    names |= {said(action) for action in lifecycle.acts.values()}
    assert not {name for name in names if name not in text}
    assert text.count("\n| ") >= len(lifecycle.rules)


def test_the_main_path_in_markdown_has_its_rows_only() -> None:
    text = render(COMMUNITY, "md", main_path_only=True)
    guards = "is_control_node and torrent_is_live and announcement_is_due and history_is_caught_up"
    assert f"| seeding | torrent_seeded | {guards} |" in text
    assert "downloading |" not in text
    assert "| stay |" not in text


def test_a_shared_rule_is_drawn_once_and_means_each_of_its_states() -> None:
    drawn = picture(COMMUNITY)
    (line,) = [
        line
        for line in drawn.lines
        if line.events == (said(Event.SWITCHED_OFF),)
        and line.target == said(State.OFF)
        and len(line.sources) > 1
    ]
    assert len(line.sources) == len(State) - 1
    assert {triple.source for triple in line.triples} == {said(s) for s in State} - {"off"}
    (box,) = [box for box in drawn.boxes if box.states == line.sources]
    assert box.is_shared
    assert box.title == ("every state but off",)
    assert lines_on_arrows(drawn, "creating", "off") == [line]
