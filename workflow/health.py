"""What is not as it should be: told in a line each, from rows.

Nothing is read from the archives: that is ``coverage``, which takes as long as reading takes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from states.community import State, announce_due_since, is_control_node, link_is_wanted
from workflow.actions.tools import Tools
from workflow.ports.work import Transaction
from workflow.status import Standing, key_is_saved, standings

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
MAX_AGE: Final = 8 * DAY
"""Seconds: a week of messages, and a day to archive and announce it."""
AT_WORK: Final = 600.0
"""Seconds that checking, fetching or importing may take until its end is looked for."""
OVERDUE: Final = 120.0
"""Seconds after which somebody who is well would have done what was due."""
LEAST_ROOM: Final = 1_000_000_000
"""Bytes that should be free on the disk."""
SKEW: Final = 60.0
"""Seconds that the clock may be behind the newest step."""
THE_PAST: Final = 1_735_689_600.0
"""2025-01-01: a clock before it was never set."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be; ``code`` is for programs, ``text`` for people.

    ``community`` and ``id`` are empty when it concerns the whole node.
    """

    code: str
    text: str
    community: str = ""
    id: str = ""

    @property
    def line(self) -> str:
        """All of it on one line, whatever an error's text looks like."""
        text = " ".join(self.text.split())
        return f"{self.community}: {text}" if self.community else text


@dataclass(frozen=True, slots=True)
class Health:
    """How many communities were looked at (``at``: seconds, UTC epoch), and every problem."""

    at: float
    communities: int
    problems: tuple[Problem, ...]

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def health_data(found: Health) -> dict[str, Any]:
    """A health for programs."""
    return {"is_healthy": found.is_healthy, **asdict(found)}


def health_of(tx: Transaction, tools: Tools, max_age: float, *, is_held: bool) -> Health:
    """Look at everything. ``max_age`` is in seconds; ``is_held``: somebody runs on this directory.

    ``max_age`` is how old the newest announcement may be, sent or heard, and the oldest message
    that is in no archive; a community with longer windows has that much longer.
    """
    now, known = tools.clock.now(), tools.store.communities(tx)
    problems = list(of_the_clock(newest_step_at(tx), now))
    problems += of_the_disk(tools.folder.root)
    if not is_held:
        text = "nobody runs on this data directory: nothing is live, and nothing is archived"
        problems.append(Problem("nobody-runs", text))
    else:
        problems += _of_the_engine(tx, now)
    for one in standings(tx, tools, known):
        if one.facts.is_meant_to_be_on:
            problems += of_a_community(one, now, max_age, is_held=is_held)
            problems += _of_its_key(tx, tools, one)
    return Health(now, len(known), tuple(problems))


def _of_its_key(tx: Transaction, tools: Tools, one: Standing) -> Iterator[Problem]:
    """A private key that is nowhere else."""
    known = one.community
    if not key_is_saved(tx, tools, one.facts, known.id):
        text = "its private key exists only here: save it by 'community export-key'"
        yield Problem("key-not-saved", text, known.name, known.id)


def of_the_clock(newest_step: float, now: float) -> Iterator[Problem]:
    """A clock that cannot be right."""
    if now < THE_PAST:
        yield Problem("clock", f"the clock says {_day(now)}: it was never set")
    elif newest_step > now + SKEW:
        text = f"the clock is {_span(newest_step - now)} behind the newest step: it was put back"
        yield Problem("clock", text)


def of_the_disk(folder: Path) -> Iterator[Problem]:
    """A disk that is nearly full."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    free = shutil.disk_usage(there).free
    if free < LEAST_ROOM:
        text = f"the disk is nearly full: {free / 1e6:,.0f} MB are free, 1,000 MB should be"
        yield Problem("disk", text)


def newest_step_at(tx: Transaction) -> float:
    """When the newest step was taken (seconds, UTC epoch); 0 before the first."""
    row = tx.execute("SELECT at FROM history ORDER BY seq DESC LIMIT 1", ()).fetchone()
    return cast("float", row[0]) if row else 0.0


def _of_the_engine(tx: Transaction, now: float) -> Iterator[Problem]:
    row = tx.execute("SELECT min(due_at) FROM instance WHERE due_at IS NOT NULL", ()).fetchone()
    due = cast("float | None", row[0]) if row else None
    if due is not None and due + OVERDUE < now:
        text = f"the process that runs does nothing: something has been due for {_span(now - due)}"
        yield Problem("stuck", text)


def of_a_community(
    one: Standing, now: float, max_age: float, *, is_held: bool
) -> Iterator[Problem]:
    """What is wrong with a community that is meant to be on."""
    known, facts = one.community, one.facts
    has_rested = one.moved_at is not None and one.moved_at + AT_WORK < now

    def problem(code: str, text: str) -> Problem:
        return Problem(code, text, known.name, known.id)

    if known.condition:
        yield problem("condition", known.condition)
    for setback in one.instance.setbacks:
        again = f"in {_span(setback.until - now)}" if setback.until > now else "now"
        text = f"{setback.state.lower()} failed: {setback.reason}; tried again {again}"
        yield problem("failed", text)
    if one.instance.state is State.OFF and is_held:
        yield problem("off", "it is off, and is meant to be on")
    elif is_held and facts.generation and not facts.torrent_is_live and has_rested:
        text = f"its archives are not live: {one.instance.state.value} for"
        yield problem("not-live", f"{text} {_span(now - cast('float', one.moved_at))}")
    if link_is_wanted(facts) and facts.link_first_at + HOUR < now:
        waits = " its key is missing," if facts.link_key_is_missing else ""
        text = f"a link has been known for {_span(now - facts.link_first_at)},{waits}"
        yield problem("not-fetched", f"{text} and what it leads to is not here")
    if is_held and one.unheard_since is not None:
        since = f"{datetime.fromtimestamp(one.unheard_since, UTC):%Y-%m-%d %H:%M} UTC"
        text = f"what was said in its channels since {since} is not known"
        yield problem("not-heard", f"{text}: no Waku node has told it")
    yield from _of_its_archives(one, problem, has_rested=has_rested)
    yield from _of_its_age(one, now, max_age, problem, has_rested=has_rested)


def _of_its_archives(
    one: Standing, problem: Callable[[str, str], Problem], *, has_rested: bool
) -> Iterator[Problem]:
    """Archives that were chosen and are not imported, nor on their way."""
    held = one.holding
    aside = {"in quarantine": held.quarantined, "without its key": held.locked}
    others = held.chosen - held.imported - sum(aside.values())
    if held.is_complete or not (any(aside.values()) or has_rested):
        return
    whys = [f"{count:,} {why}" for why, count in {**aside, "not here yet": others}.items() if count]
    text = f"{held.imported:,} of {held.chosen:,} chosen archives are imported"
    yield problem("incomplete", f"{text}; {', '.join(whys)}")


def _of_its_age(
    one: Standing,
    now: float,
    max_age: float,
    problem: Callable[[str, str], Problem],
    *,
    has_rested: bool,
) -> Iterator[Problem]:
    """What should have been archived, announced or heard of by now."""
    known, facts = one.community, one.facts
    age = max(max_age, known.interval + DAY)
    if is_control_node(facts):
        due = facts.window_due_at
        if due is not None and due + age - known.interval < now:
            yield problem("archive-late", f"messages should have been archived {_ago(due, now)}")
        wanted, told = announce_due_since(facts), one.announced_at
        if wanted is not None and told is not None and max(wanted, told + max_age) < now:
            yield problem("announcement-late", f"it was last announced {_ago(told, now)}")
        elif wanted is not None and wanted < now and told is None and has_rested:
            yield problem("announcement-late", "it was never announced")
    elif one.heard_at is not None and one.heard_at + age < now:
        text = f"the last announcement was heard {_ago(one.heard_at, now)}"
        yield problem("announcement-late", text)
    elif one.heard_at is None and one.moved_at is not None and one.moved_at + age < now:
        yield problem("announcement-late", "no announcement was ever heard")


def _ago(at: float, now: float) -> str:
    return f"{_span(now - at)} ago"


def _span(seconds: float) -> str:
    """A number of seconds as people say it, in one unit."""
    for size, name in ((DAY, "days"), (HOUR, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
