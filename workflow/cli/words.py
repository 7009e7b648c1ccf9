"""How moments, spans, states and steps are put in words: plain text, 80 columns, no colour."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from workflow.chat.plain import escaped, safe

if TYPE_CHECKING:
    from states.community import State
    from workflow.engine.rows import Recorded

WIDEST: Final = 100
PATH_WIDTH: Final = 36
"""Columns that a path takes at most in a table."""
UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def say(text: str = "") -> None:
    """Print data, and nothing that a terminal obeys: names come from strangers."""
    print(_safe(text))


def say_as_is(text: str) -> None:
    """Print data that is safe already, and may have colours."""
    print(text)


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    print(broken(_safe(text)), file=sys.stderr, flush=True)


def say_json(value: object) -> None:
    """Print one JSON document."""
    print(escaped(json.dumps(value, indent=2, ensure_ascii=False)))


def say_event(value: object) -> None:
    """Print one JSON document on one line, at once."""
    print(escaped(json.dumps(value, ensure_ascii=False)), flush=True)


def _safe(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))


def width() -> int:
    """How many columns a line may have: 80 when nobody looks."""
    return min(WIDEST, shutil.get_terminal_size((80, 24)).columns)


def broken(text: str) -> str:
    """For stderr: long lines broken between words, where a terminal would break them anywhere.

    Into a file or a pipe each goes whole, so that it can be searched.
    """
    if not sys.stderr.isatty():
        return text
    return "\n".join(
        line if len(line) <= width() else hanging("", line) for line in text.split("\n")
    )


def hanging(first: str, text: str) -> str:
    """``text`` behind ``first``, its further lines under its first one."""
    wrapped = textwrap.wrap(
        text, max(20, width() - len(first)), break_long_words=False, break_on_hyphens=False
    )
    return ("\n" + " " * len(first)).join([first + (wrapped or [""])[0], *wrapped[1:]])


def unsaved_key(name: str) -> str:
    """How to save a key that is nowhere else; the command stands on a line of its own."""
    return (
        f"{name}: its private key exists only here. Save it before anything else:\n"
        f"  community-archives community export-key {quote(name)} --out {quote(name + '.key')}"
    )


def moment(at: float) -> str:
    """``2026-11-25 10:00:00 UTC``."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float, units: int = 2) -> str:
    """``3 d 4 h``, in so many units."""
    left = int(abs(seconds))
    parts: list[str] = []
    for size, name in UNITS:
        count, left = divmod(left, size)
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:units])


def size(count: int) -> str:
    """``1.2 MB``."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1000**power:
            return f"{count / 1000**power:,.1f} {unit}"
    return f"{count} bytes"


def relative(at: float, now: float, units: int = 2) -> str:
    """``in 3 d 4 h``, ``5 min ago``, ``now``."""
    if abs(at - now) < 1:
        return "now"
    return f"in {span(at - now, units)}" if at > now else f"{span(now - at, units)} ago"


def when(at: float, now: float) -> str:
    """``2026-11-25 10:00:00 UTC (in 3 d 4 h)``."""
    return f"{moment(at)} ({relative(at, now)})"


def path(state: State, *, is_control_node: bool, within: int = PATH_WIDTH) -> str:
    """``idle → creating → NOW seeding → announcing``: the way through the states, and where it is.

    That is said by a word: capitals and brackets are not heard. A member's way is longer; as much
    of it is shown as fits.
    """
    from states import COMMUNITY  # noqa: PLC0415 - the tables take time to load.
    from states.community import State  # noqa: PLC0415

    member = (State.IDLE, State.SETTLING, State.FETCHING, State.DOWNLOADING, State.SEEDING)
    way = COMMUNITY.main_path if is_control_node else member
    if state not in way:
        way = next((other for other in (COMMUNITY.main_path, member) if state in other), (state,))
    names = [f"NOW {one.value}" if one is state else str(one.value) for one in way]
    if len(wide := " → ".join(names)) <= within:
        return wide
    here = way.index(state)
    first, last = 0, len(names)
    while len(shown := "→".join(_cut(names, first, last))) > within:
        if here - first > last - 1 - here:
            first += 1
        else:
            last -= 1
    return shown


def _cut(names: list[str], first: int, last: int) -> list[str]:
    return ["…"] * (first > 0) + names[first:last] + ["…"] * (last < len(names))


def step_data(step: Recorded) -> dict[str, Any]:
    """A step for programs; events and states are called as everywhere else, in small letters."""
    names = {key: getattr(step, key).lower() for key in ("event", "source", "target")}
    return {**asdict(step), **names}


def step_line(step: Recorded) -> str:
    """``#41  2026-11-25 10:00:00  idle --window_closed--> creating``, and why it failed."""
    reason = f" ({step.reason})" if step.reason else ""
    at = moment(step.at).removesuffix(" UTC")
    return hanging(f"#{step.seq:<5} {at}  ", f"{step.words}{reason}")


def table(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    """Lines with columns as wide as their widest cell."""
    kept: list[Any] = list(rows)
    widths = [max(len(row[column]) for row in kept) for column in range(len(kept[0]))]
    for row in kept:
        cells = (cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
