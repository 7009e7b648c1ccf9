"""Time, seven days at a time.

History is archived in **windows**. A window includes its start and excludes its end, so each
second belongs to exactly one window of a grid. Whoever archives chooses where the grid begins (the
*anchor*) and keeps to it: a message that comes late then falls into the window it always had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INTERVAL: Final = 7 * 24 * 60 * 60
"""The specification's window, in seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The seconds from ``start`` up to, but without, ``end`` (unix time)."""

    start: int
    end: int

    def __contains__(self, time: int) -> bool:
        return self.start <= time < self.end


def window_containing(time: int, anchor: int, interval: int = INTERVAL) -> Window:
    """The window that holds ``time``, on the grid through ``anchor``. All in seconds.

    ``time`` may lie before the anchor: the grid has no beginning.
    """
    start = time - (time - anchor) % interval
    return Window(start, start + interval)
