"""Spans of time as a person writes them: days, moments, or how long."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from workflow.archive.windows import Window

DAY: Final = 86_400
UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
DURATION: Final = re.compile(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?) ?({'|'.join(UNITS)})")


def seconds_of(text: str) -> float:
    """How many seconds ``8d``, ``36h`` or ``90min`` are. Raises ``typer.BadParameter``."""
    found = DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(
            f"{text[:60]!r} is no span of time: a number and one of {', '.join(UNITS)}, as in 8d"
        )
    return float(found[1]) * UNITS[found[2]]


def window_of(since: str, until: str) -> Window:
    """From the first day or moment to the end of the last; without one, always.

    ``typer.BadParameter`` comes for what is neither, and when nothing lies between them.
    """
    from workflow.archive.windows import Window  # noqa: PLC0415
    from workflow.stored import ALWAYS  # noqa: PLC0415

    window = Window(
        _span(since, "--since").start if since else ALWAYS.start,
        _span(until, "--until").end if until else ALWAYS.end,
    )
    if window.start >= window.end:
        raise typer.BadParameter("--until is before --since")
    return window


def _span(text: str, option: str) -> Window:
    """The seconds of a day or of a moment."""
    from workflow.archive.windows import Window  # noqa: PLC0415
    from workflow.chat.post import time_ms_of  # noqa: PLC0415

    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            second = time_ms_of(text) // 1000
        except ValueError:
            raise typer.BadParameter(
                f"{text[:60]!r} is neither a day (2024-01-31) nor a moment (2024-01-31T12:00:00Z)",
                param_hint=option,
            ) from None
        return Window(second, second + 1)
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return Window(start, start + DAY)
