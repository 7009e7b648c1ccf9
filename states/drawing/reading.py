"""From the table to the picture. The rules themselves are read, so no word of theirs is lost.

What stands on a line are the words of the table's columns:

    on archives_written          what has happened
    when window_closed (3rd)     a level: looked at on entry and again at its moment, in this order
    if is_control_node           the guards; "otherwise" where an earlier row has asked before
    held back by creating        a level that waits while that state's failure waits for its retry
    stay / again                 no other state; "again" starts the action anew
    discard the result           the writes that came with the event are undone
    leaves a setback             it failed: how often, why and until when is remembered
    tell historyArchivesCreated  the signals, without the prefix that all of them have

The picture of the main path is the simple one: without what only stays, without the words about
setbacks, without shared boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from textwrap import wrap
from typing import Any, Final, TypeAlias

from states.drawing.picture import Arrow, Box, Line, Phrase, Picture, said, several
from states.lifecycle import STAY, Level, Lifecycle

AnyLifecycle: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]

SHARED_FROM: Final = 3
"""A rule of this many states is drawn from a box of its own."""
WIDTH: Final = 30
"""Characters on a line, unless a single name is longer."""


def picture(lifecycle: AnyLifecycle, *, main_path_only: bool = False) -> Picture:
    """Read the table; ``main_path_only`` shows the main path's states and what leads among them."""
    states = states_of(lifecycle, main_path_only=main_path_only)
    return _Reading(lifecycle, states, is_whole=not main_path_only).picture()


def states_of(lifecycle: AnyLifecycle, *, main_path_only: bool) -> tuple[Enum, ...]:
    """The states to be drawn, in their order."""
    every: type[Enum] = lifecycle.states
    return lifecycle.main_path if main_path_only else tuple(every)


def short_signal(lifecycle: AnyLifecycle, signal: Enum) -> str:
    """The signal without the part up to the first dot, when all of this table share that part."""
    told = {said(each) for rule in lifecycle.rules for each in rule.tell}
    prefixes = {name[: name.find(".") + 1] for name in told}
    return said(signal).removeprefix(prefixes.pop()) if len(prefixes) == 1 else said(signal)


def level_of(
    lifecycle: AnyLifecycle, state: Enum, event: Enum
) -> tuple[int, Level[Any, Any, Any]] | None:
    """The level by which a waiting state sees the event, and its place (from 1) in the look."""
    for place, level in enumerate(lifecycle.levels.get(state, ()), 1):
        if level.event is event:
            return place, level
    return None


@dataclass(frozen=True, slots=True)
class _Reading:
    lifecycle: AnyLifecycle
    states: tuple[Enum, ...]
    is_whole: bool

    def picture(self) -> Picture:
        name = self.lifecycle.name
        lines = [line for row in range(len(self.lifecycle.rules)) for line in self._lines(row)]
        boxes = {box.states: box for box in self._boxes(lines)}
        return Picture(
            name=name if self.is_whole else f"{name}-main-path",
            title=f"{name}: the whole lifecycle" if self.is_whole else f"{name}: the main path",
            is_whole=self.is_whole,
            boxes=tuple(boxes.values()),
            arrows=tuple(self._arrows(boxes, lines)),
        )

    def _lines(self, row: int) -> Iterator[Line]:
        """The rule's lines: states that look for the event stand alone, many others together."""
        rule = self.lifecycle.rules[row]
        if rule.to is STAY and not self.is_whole:
            return
        sources = [s for s in self.states if s in rule.within and rule.target(s) in self.states]
        looking = [s for s in sources if any(level_of(self.lifecycle, s, e) for e in rule.on)]
        alike = tuple(state for state in sources if state not in looking)
        is_shared = self.is_whole and len(alike) >= SHARED_FROM
        groups = [alike] if is_shared else [(state,) for state in alike]
        # What only stays needs no line for each of its events.
        answered = [rule.on] if rule.to is STAY else [(event,) for event in rule.on]
        for group in [*((state,) for state in looking), *groups]:
            for events in answered:
                yield self._line(row, group, events)

    def _line(self, row: int, sources: tuple[Enum, ...], events: tuple[Enum, ...]) -> Line:
        rule = self.lifecycle.rules[row]
        stays = all(rule.target(source) is source for source in sources)
        what = (
            *self._events(sources[0], events),
            *self._conditions(row, sources, events),
            *self._consequences(row, events, stays=stays),
        )
        return Line(
            sources=tuple(map(said, sources)),
            events=tuple(map(said, events)),
            target="" if stays else said(rule.to),
            phrases=what,
        )

    def _events(self, source: Enum, events: tuple[Enum, ...]) -> Iterator[Phrase]:
        word, ordinal = "on", ""
        found = level_of(self.lifecycle, source, events[0])
        if found and len(events) == 1:
            word, place = "when", found[0]
            if len(self.lifecycle.levels[source]) > 1:
                ordinal = {1: " (1st)", 2: " (2nd)", 3: " (3rd)"}.get(place, f" ({place}th)")
        for text in _wrapped(f"{word} {', '.join(map(said, events))}{ordinal}"):
            yield Phrase("event", text)

    def _conditions(
        self, row: int, sources: tuple[Enum, ...], events: tuple[Enum, ...]
    ) -> Iterator[Phrase]:
        given = self.lifecycle.rules[row].given
        for guard in given:
            yield Phrase("condition", f"{'if' if guard is given[0] else 'and'} {guard.__name__}")
        asked_before = any(
            set(earlier.within) & set(sources) and set(earlier.on) & set(events)
            for earlier in self.lifecycle.rules[:row]
        )
        if not given and asked_before:
            yield Phrase("condition", "otherwise")
        found = level_of(self.lifecycle, sources[0], events[0])
        if self.is_whole and found and len(events) == 1 and found[1].held_back_by:
            held = ", ".join(map(said, found[1].held_back_by))
            for text in _wrapped(f"held back by {held}"):
                yield Phrase("condition", text)

    def _consequences(self, row: int, events: tuple[Enum, ...], *, stays: bool) -> Iterator[Phrase]:
        rule = self.lifecycle.rules[row]
        words = (
            *(["stay" if rule.to is STAY else "again"] if stays else []),
            *(["discard the result"] if rule.discard else []),
            *(["leaves a setback"] if self.is_whole and self.lifecycle.failed in events else []),
        )
        if words:
            yield Phrase("consequence", ", ".join(words))
        for signal in rule.tell:
            yield Phrase("consequence", f"tell {short_signal(self.lifecycle, signal)}")

    def _boxes(self, lines: list[Line]) -> Iterator[Box]:
        def inner(sources: tuple[str, ...]) -> tuple[Line, ...]:
            return tuple(line for line in lines if line.sources == sources and not line.target)

        for state in self.states:
            action = self.lifecycle.acts.get(state)
            verb = "wait" if self.lifecycle.waits(state) else "do"
            yield Box(
                states=(said(state),),
                title=(said(state),),
                action=f"{verb}: {said(action)}" if action else "the end",
                is_main=state in self.lifecycle.main_path,
                is_initial=state is self.lifecycle.initial,
                is_final=state in self.lifecycle.final,
                inner=inner((said(state),)),
            )
        for sources in dict.fromkeys(line.sources for line in lines if len(line.sources) > 1):
            title = tuple(_wrapped(several(sources, [said(state) for state in self.states])))
            yield Box(sources, title, is_shared=True, inner=inner(sources))

    def _arrows(self, boxes: dict[tuple[str, ...], Box], lines: list[Line]) -> Iterator[Arrow]:
        path = tuple(map(said, self.lifecycle.main_path))
        steps = set(zip(path, (*path[1:], *path[:1]), strict=True))
        leading = [line for line in lines if line.target]
        for sources, target in dict.fromkeys((line.sources, line.target) for line in leading):
            yield Arrow(
                boxes[sources],
                boxes[(target,)],
                tuple(line for line in leading if (line.sources, line.target) == (sources, target)),
                is_main=len(sources) == 1 and (sources[0], target) in steps,
            )


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, break_long_words=False) or [text]
