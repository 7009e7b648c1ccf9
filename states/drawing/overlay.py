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

from states.drawing.picture import Line, Triple, said

MARK: Final = "►"
"""Stands before a live state, and before the numbers of a taken edge."""
NUMBERS: Final = 4
"""An edge that was taken more often shows its last numbers only."""


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

    def name(self, state: str) -> str:
        """The state's name with its mark and its count."""
        return (
            f"{MARK} {state}{self.count(state)}"
            if self.is_live(state)
            else (f"{state}{self.count(state)}")
        )

    def count(self, state: str) -> str:
        """How many instances are in the state, as it is written behind its name."""
        return next((f" ×{n}" for member, n in self.counts.items() if said(member) == state), "")

    def has_taken(self, lines: Iterable[Line]) -> bool:
        """True when the way leads over one of these lines."""
        return any(self.mark(line.triples) for line in lines)

    def mark(self, triples: Iterable[Triple]) -> str:
        """``►1,4``: the first and fourth step took this edge; empty when none did."""
        wanted = set(triples)
        return marked(number for number, step in enumerate(self.steps, 1) if step in wanted)

    def caption(self) -> str:
        """The whole overlay as a sentence, for those who cannot see it or read the text."""
        parts = []
        if self.state is not None:
            parts.append(f"now in {said(self.state)}")
        if self.way:
            way = (f"{n} {s} –{e}→ {t}" for n, (s, e, t) in enumerate(self.steps, 1))
            parts.append("came by " + ", ".join(way))
        if self.counts:
            parts.append(", ".join(f"{n} in {said(state)}" for state, n in self.counts.items()))
        return "; ".join(parts)


def marked(numbers: Iterable[int]) -> str:
    """The mark with the numbers of the steps, the last ones when there are many."""
    taken = [str(number) for number in numbers]
    if not taken:
        return ""
    more = "…" if len(taken) > NUMBERS else ""
    return MARK + more + ",".join(taken[-NUMBERS:])


NOTHING: Final = Overlay()
