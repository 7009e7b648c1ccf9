"""``verify``: what of the history is here, by channel and week, and what is not, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.completing import communities
from workflow.cli.options import INCOMPLETE, AsJson, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.progress import progress
from workflow.cli.words import hanging, note, say, say_json, table

if TYPE_CHECKING:
    from workflow.archive.windows import Window
    from workflow.coverage import Cell, Coverage, Week

SHOWN: Final = 20
"""Lines of one kind, at most."""
NAMED: Final = 3
"""Channels that are named in one line, at most."""
DAY: Final = 86_400


def verify(
    community: Annotated[
        str,
        typer.Argument(
            metavar="[COMMUNITY]",
            help="One of them; all when left out.",
            autocompletion=communities,
        ),
    ] = "",
    *,
    channels: Annotated[
        bool, typer.Option("--channels", help="Show every channel of every week.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Check that the history is complete, byte by byte.

    By channel and week: how many messages are stored, how many of those are in an archive, how many
    archives are on this disk and imported, what is missing, and why. Every archive is read from the
    disk, compared with its hashes, and its messages are looked for in the store. What you have not
    chosen to fetch is said, and misses nothing. Of a network of chats, the time that it has not
    told, or had forgotten when it was asked, is named. Exit code 4 says that something is missing
    or damaged.
    """
    from workflow.coverage import examine  # noqa: PLC0415 - as all here, when it is needed.

    view = view_of(data_dir)
    found: list[Coverage] = []
    with view.journal as journal:
        store = view.tools.store
        known = journal.run(
            lambda tx: [find(view, tx, community)] if community else store.communities(tx)
        )
        for one in known:
            with progress(one.name) as told:
                found.append(examine(view.tools, journal.run, one.id, told))
    if as_json:
        say_json([_as_json(coverage) for coverage in found])
    else:
        for coverage in found:
            _say(coverage, with_channels=channels)
    if not found:
        note("No community is known here yet.")
    if not all(coverage.is_complete for coverage in found):
        raise typer.Exit(INCOMPLETE)


@dataclass(frozen=True, slots=True)
class _Line:
    """Weeks in a row of which the same is to be said."""

    first: Window
    last: Window
    weeks: int
    stored: int
    archived: int
    archives: int
    imported: int
    not_chosen: int
    why: str


def _say(coverage: Coverage, *, with_channels: bool) -> None:
    verdict = "complete" if coverage.is_complete else "NOT complete"
    stored = sum(cell.stored for cell in coverage.cells)
    say(f"{coverage.community.name}: {verdict}.")
    if any(week.not_chosen for week in coverage.weeks):
        say(f"  chosen: {coverage.choice.words}")
    say(f"  {stored:,} messages, {coverage.bytes_read:,} bytes of archives read and checked")
    lines = list(_lines(coverage))
    head = ("WEEKS", "", "STORED", "ARCHIVED", "ARCHIVES", "IMPORTED", "")
    rows = [
        (
            f"{_day(line.first.start)} to {_day(line.last.end - 1)}",
            f"{line.weeks:,}",
            f"{line.stored:,}",
            f"{line.archived:,}",
            f"{line.archives:,}",
            f"{line.imported:,}",
            line.why or ("not chosen" if line.not_chosen else "complete"),
        )
        for line in lines
    ]
    if rows:
        for row in table([head, *rows]):
            say(f"  {row}")
    _say_cells(coverage.cells, with_channels=with_channels)
    for line in _unheard(coverage):
        say(hanging("  ! ", line))
    for problem in coverage.problems[:SHOWN]:
        say(hanging("  ! ", f"{problem.place}: {problem.text}"))
    _say_rest(len(coverage.problems), "problems")


def _say_cells(cells: Iterable[Cell], *, with_channels: bool) -> None:
    shown = [cell for cell in cells if with_channels or cell.why]
    limit = len(shown) if with_channels else SHOWN
    if not shown:
        return
    say()
    rows = [
        (
            _day(cell.window.start),
            cell.channel.name or cell.channel.topic.hex(),
            f"{cell.stored:,} stored",
            f"{cell.archived:,} archived",
            cell.why or "complete",
        )
        for cell in shown[:limit]
    ]
    for row in table(rows):
        say(f"  {row}")
    if not with_channels:
        _say_rest(len(shown), "channels and weeks (--channels shows all)")


def _unheard(coverage: Coverage) -> Iterator[str]:
    """A line for each stretch of time that was not heard, with its channels."""
    stretches: defaultdict[tuple[float, float, str], list[str]] = defaultdict(list)
    for one in coverage.unheard:
        name = one.channel.name or one.channel.topic.hex()
        stretches[one.since, one.until, one.why].append(name)
    for (since, until, why), names in stretches.items():
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        channels = ", ".join(names[:NAMED]) + more
        yield f"not heard from {_moment(since)} to {_moment(until)}, in {channels}: {why}"


def _say_rest(count: int, what: str) -> None:
    if count > SHOWN:
        say(f"  and {count - SHOWN:,} more {what}")


def _lines(coverage: Coverage) -> Iterator[_Line]:
    """One line for each run of weeks of which the same is to be said, oldest first."""
    weeks = {week.window: week for week in coverage.weeks}
    cells: defaultdict[Window, list[Cell]] = defaultdict(list)
    for cell in coverage.cells:
        cells[cell.window].append(cell)
    line: _Line | None = None
    for window in sorted({*weeks, *cells}):
        more = _line_of(window, weeks.get(window), cells[window])
        if line is not None and (line.why, line.not_chosen > 0) == (more.why, more.not_chosen > 0):
            line = _Line(
                line.first, window, line.weeks + 1, line.stored + more.stored,
                line.archived + more.archived, line.archives + more.archives,
                line.imported + more.imported,
                line.not_chosen + more.not_chosen, line.why,
            )  # fmt: skip
            continue
        if line is not None:
            yield line
        line = more
    if line is not None:
        yield line


def _line_of(window: Window, week: Week | None, cells: list[Cell]) -> _Line:
    stored, archived = sum(one.stored for one in cells), sum(one.archived for one in cells)
    whys = [week.why] if week is not None and week.why else []
    if any(one.why for one in cells):
        whys.append("see below")
    elif stored > archived:
        whys.append("not over yet")
    return _Line(
        window, window, 1, stored, archived,
        week.archives if week else 0, week.imported if week else 0,
        week.not_chosen if week else 0,
        "; ".join(whys),
    )  # fmt: skip


def _as_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "community": coverage.community.id,
        "name": coverage.community.name,
        "is_complete": coverage.is_complete,
        "chosen": asdict(coverage.choice),
        "bytes_read": coverage.bytes_read,
        "weeks": [
            {
                "from": one.window.start,
                "to": one.window.end,
                "archives": one.archives,
                "here": one.here,
                "imported": one.imported,
                "not_chosen": one.not_chosen,
                "why": one.why,
            }
            for one in coverage.weeks
        ],
        "channels": [
            {
                "from": one.window.start,
                "to": one.window.end,
                "channel": one.channel.name,
                "topic": one.channel.topic.hex(),
                "stored": one.stored,
                "archived": one.archived,
                "let_go": one.let_go,
                "why": one.why,
            }
            for one in coverage.cells
        ],
        "unheard": [
            {
                "from": one.since,
                "to": one.until,
                "channel": one.channel.name,
                "topic": one.channel.topic.hex(),
                "why": one.why,
            }
            for one in coverage.unheard
        ],
        "problems": [{"place": one.place, "text": one.text} for one in coverage.problems],
    }


def _moment(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
