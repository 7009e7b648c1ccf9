"""A lifecycle as Markdown: the table of rules, the states, and what every guard asks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

from states.drawing.overlay import NOTHING, Overlay
from states.drawing.picture import Triple, said, several
from states.drawing.reading import AnyLifecycle, states_of
from states.lifecycle import STAY, Rule


def to_markdown(
    lifecycle: AnyLifecycle, overlay: Overlay | None = None, *, main_path_only: bool = False
) -> str:
    """The table as a person reads it, with the same columns; rows are numbered as in messages.

    For the main path: the rows that lead among its states.
    """
    over = overlay or NOTHING
    states = states_of(lifecycle, main_path_only=main_path_only)
    title = "the main path" if main_path_only else "the whole lifecycle"
    paragraphs = (
        [f"# {escaped(lifecycle.name)}: {title}"],
        [escaped(over.caption())],
        [*_rules(lifecycle, states, over, is_whole=not main_path_only)],
        [*_states(lifecycle, states, over)],
        [*_questions(lifecycle, states)],
    )
    return "\n\n".join("\n".join(lines) for lines in paragraphs if any(lines)) + "\n"


def escaped(text: str) -> str:
    """Text that means nothing to Markdown, on one line; ``_`` within a word is harmless."""
    plain = re.sub(r"([\\`*\[\]|~&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", text)
    return re.sub(r"\s+", " ", plain.replace("<", "&lt;").replace(">", "&gt;"))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def _rules(
    lifecycle: AnyLifecycle, states: tuple[Enum, ...], over: Overlay, *, is_whole: bool
) -> Iterator[str]:
    def rows() -> Iterator[tuple[str, ...]]:
        for number, rule in enumerate(lifecycle.rules, 1):
            within = [s for s in states if s in rule.within and rule.target(s) in states]
            if within and (is_whole or rule.to is not STAY):
                yield _row(lifecycle, number, within, over)

    return _table(("row", "in", "on", "if", "to", "tell"), rows())


def _row(
    lifecycle: AnyLifecycle, number: int, within: list[Enum], over: Overlay
) -> tuple[str, ...]:
    rule = lifecycle.rules[number - 1]
    mark = over.mark(_triples(rule, within))
    every = [said(state) for state in lifecycle.states]
    discard = ", discard the result" if rule.discard else ""
    return (
        f"{mark} {number}".strip(),
        escaped(several([said(state) for state in within], every)),
        escaped(", ".join(map(said, rule.on))),
        escaped(" and ".join(guard.__name__ for guard in rule.given) or "otherwise"),
        escaped(said(rule.to) + discard),
        escaped(", ".join(map(said, rule.tell))),
    )


def _triples(rule: Rule[Any, Any, Any, Any], within: list[Enum]) -> Iterator[Triple]:
    for source in within:
        for event in rule.on:
            yield Triple(said(source), said(event), said(rule.target(source)))


def _states(lifecycle: AnyLifecycle, states: tuple[Enum, ...], over: Overlay) -> Iterator[str]:
    def rows() -> Iterator[tuple[str, ...]]:
        for state in states:
            action = lifecycle.acts.get(state)
            yield (
                escaped(over.name(said(state))),
                escaped(said(action)) if action else "nothing: the end",
                "; ".join(_levels(lifecycle, state)),
            )

    return _table(("state", "does", "and looks, in this order, for"), rows())


def _levels(lifecycle: AnyLifecycle, state: Enum) -> Iterator[str]:
    for level in lifecycle.levels.get(state, ()):
        held = ", ".join(map(said, level.held_back_by))
        back = f", held back by setbacks of {held}" if held else ""
        yield escaped(f"{said(level.event)} ({level.since.__name__}{back})")


def _questions(lifecycle: AnyLifecycle, states: tuple[Enum, ...]) -> Iterator[str]:
    """What guards and levels ask: the first sentence of their docstrings."""
    rules = [rule for rule in lifecycle.rules if set(rule.within) & set(states)]
    asked: list[Callable[..., Any]] = [guard for rule in rules for guard in rule.given]
    asked += [level.since for state in states for level in lifecycle.levels.get(state, ())]
    return _table(
        ("question", "asks"),
        ((escaped(each.__name__), escaped(_first_line(each))) for each in dict.fromkeys(asked)),
    )


def _first_line(asked: Callable[..., Any]) -> str:
    return (inspect.getdoc(asked) or "").partition("\n")[0]
