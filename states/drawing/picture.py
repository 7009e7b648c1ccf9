"""What is to be drawn, before anything is drawn: boxes, arrows, and the lines written on them.

Each rule of a table becomes **lines**: one for every way in which an event is answered. Lines
between the same two boxes share one **arrow**. A line that stays where it is stands inside its
**box**, as the internal transitions of a UML state do, because a dozen loops would hide the way.

A rule that three or more states share is drawn once: those states get a box of their own with a
dashed border ("every state but off"), and the arrow starts there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple


class Triple(NamedTuple):
    """An edge as the table means it: from this state, on this event, to that state."""

    source: str
    event: str
    target: str

    @property
    def token(self) -> str:
        """The stable name of this edge in a drawing, as a CSS class."""
        return f"edge-{slug(self.source)}-{slug(self.event)}-{slug(self.target)}"


class Phrase(NamedTuple):
    """One written line, and what it says: an event, a condition, or a consequence."""

    role: Literal["event", "condition", "consequence"]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One way in which events are answered, for one state or for several alike.

    ``target`` is empty when the line leads to no other state.
    """

    sources: tuple[str, ...]
    events: tuple[str, ...]
    target: str
    phrases: tuple[Phrase, ...]

    @property
    def triples(self) -> tuple[Triple, ...]:
        """Every edge of the table that this line stands for."""
        return tuple(
            Triple(source, event, self.target or source)
            for source in self.sources
            for event in self.events
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A state, or several states that share rules."""

    states: tuple[str, ...]
    title: tuple[str, ...]
    action: str = ""
    is_shared: bool = False
    is_main: bool = False
    is_initial: bool = False
    is_final: bool = False
    inner: tuple[Line, ...] = ()

    @property
    def id(self) -> str:
        """Stable, and unique within the picture."""
        return ("shared-" if self.is_shared else "state-") + "-".join(map(slug, self.states))

    @property
    def sign(self) -> str:
        """Stands before the name where the lifecycle begins and ends, as in UML."""
        return "● " if self.is_initial else "◉ " if self.is_final else ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """All that leads from one box to another."""

    source: Box
    target: Box
    lines: tuple[Line, ...]
    is_main: bool = False

    @property
    def id(self) -> str:
        """Stable, and unique within the picture."""
        return f"arrow-from-{self.source.id}-to-{self.target.id}"


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is to be drawn of a lifecycle, or of its main path. ``name`` is a file's stem."""

    name: str
    title: str
    is_whole: bool
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    @property
    def direction(self) -> Literal["LR", "TB"]:
        """A small picture reads from left to right; one with shared boxes from top to bottom."""
        return "TB" if any(box.is_shared for box in self.boxes) else "LR"

    @property
    def lines(self) -> Iterator[Line]:
        """Every line, first those inside boxes, then those on arrows."""
        for box in self.boxes:
            yield from box.inner
        for arrow in self.arrows:
            yield from arrow.lines


def slug(name: str) -> str:
    """A name as part of an identifier: unusual characters become ``.`` and their number."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f".{ord(found[0]):x}", name)


def said(member: Enum) -> str:
    """A state, event, action or signal as a person reads it."""
    return str(member.value)


def several(names: Collection[str], every: Collection[str]) -> str:
    """Some of the states in words: all of them, all but one, or by their names."""
    others = [name for name in every if name not in names]
    if len(names) > 1 and len(others) <= 1:
        return "every state" + "".join(f" but {other}" for other in others)
    return ", ".join(names)
