"""What lies over a picture: where one instance is and how it came there, or how many are where.

Nothing is said by colour alone: a live state carries a mark and a thick border, a taken edge its
number in the order of the way, a count is written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from states.drawing.picture import Box, Line, Phrase, Triple, said

MARK: Final = "►"
"""Stands before a live state, and before the numbers of a taken edge."""
TIMES: Final = "\N{MULTIPLICATION SIGN}"
"""Stands before a count."""
NUMBERS: Final = 4
"""Of an edge that was taken more often, the last numbers are shown."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """``way`` lists the steps taken, oldest first, as (source, event, target)."""

    state: Enum | None = None
    way: tuple[tuple[Enum, Enum, Enum], ...] = ()
    counts: Mapping[Enum, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def steps(self) -> tuple[Triple, ...]:
        """The way, in words."""
        return tuple(Triple(said(s), said(e), said(t)) for s, e, t in self.way)

    def is_live(self, state: str) -> bool:
        """True for the state that the instance is in."""
        return self.state is not None and said(self.state) == state

    def is_at(self, box: Box) -> bool:
        """True for the box of the state that the instance is in."""
        return not box.is_shared and self.is_live(box.states[0])

    def name(self, state: str, sign: str = "") -> str:
        """The state's name, with its mark before and its count behind."""
        mark = f"{MARK} " if self.is_live(state) else ""
        count = next(
            (f" {TIMES}{n}" for member, n in self.counts.items() if said(member) == state), ""
        )
        return f"{mark}{sign}{state}{count}"

    def names(self, box: Box) -> tuple[str, ...]:
        """The lines at the head of a box."""
        return box.title if box.is_shared else (self.name(box.states[0], box.sign),)

    def phrases(self, line: Line) -> tuple[Phrase, ...]:
        """The line's phrases; the first one carries the mark when the way leads over it."""
        mark = self.mark(line.triples)
        if not mark:
            return line.phrases
        first, *others = line.phrases
        return (Phrase(first.role, f"{mark} {first.text}"), *others)

    def has_taken(self, lines: Iterable[Line]) -> bool:
        """True when the way leads over one of these lines."""
        return any(self.mark(line.triples) for line in lines)

    def mark(self, triples: Iterable[Triple]) -> str:
        """``►1,4``: the first and the fourth step went here. Empty when none did."""
        tokens = {triple.token for triple in triples}
        return self.mark_of(tokens)

    def mark_of(self, tokens: Iterable[str]) -> str:
        """The same for edges that are known by their tokens."""
        wanted = set(tokens)
        taken = [str(n) for n, step in enumerate(self.steps, 1) if step.token in wanted]
        more = "…" if len(taken) > NUMBERS else ""
        return f"{MARK}{more}{','.join(taken[-NUMBERS:])}" if taken else ""

    def caption(self) -> str:
        """The whole overlay in words, for those who cannot see it; empty when there is none."""
        parts = []
        if self.state is not None:
            parts.append(f"now in {said(self.state)}")
        if self.way:
            way = (f"{n} {s} --{e}--> {t}" for n, (s, e, t) in enumerate(self.steps, 1))
            parts.append("came by " + ", ".join(way))
        if self.counts:
            parts.append(", ".join(f"{n} in {said(state)}" for state, n in self.counts.items()))
        return "; ".join(parts)


NOTHING: Final = Overlay()
