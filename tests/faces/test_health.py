"""``health``: every problem is told, in a line, and what is well is not."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from states.community import Facts, State
from states.instance import Instance
from states.lifecycle import Setback
from tests.faces.chatter import node_in
from tests.faces.in_process import InProcess
from workflow import health
from workflow.adapters.clock.manual import ManualClock
from workflow.cli.health import USUAL_AGE
from workflow.cli.spans import seconds_of
from workflow.ports.records import ALL, Holding
from workflow.status import Standing

DAY, HOUR = 86_400.0, 3_600.0
NOW = 1_800_000_000.0
WHOLE = Holding(archives=52, chosen=52, here=52, imported=52)
GARDENERS: Any = SimpleNamespace(
    id="0x02", name="gardeners", condition="", interval=7 * 86_400, reannounce_after=8 * HOUR
)
TWO_DEVICES: Any = SimpleNamespace(**{**vars(GARDENERS), "condition": "another"})
CONTROL = Facts(
    now=NOW, holds_control_key=True, is_control_device=True, epoch_matches=True, is_caught_up=True,
    generation=3, locator="magnet:", torrent_is_live=True, announced_clock=9,
    announce_due_at=NOW + HOUR,
)  # fmt: skip
OWNED = Standing(
    GARDENERS, Instance("0x02", State.IDLE), CONTROL, WHOLE, ALL,
    moved_at=NOW - DAY, announced_at=NOW - 7 * HOUR, heard_at=None,
)  # fmt: skip
MEMBER = replace(
    OWNED,
    facts=replace(
        CONTROL, holds_control_key=False, is_control_device=False, announce_due_at=None,
        link_clock=9, link_locator="magnet:", link_first_at=NOW - DAY, link_last_at=NOW - DAY,
    ),
    announced_at=None,
    heard_at=NOW - DAY,
)  # fmt: skip


def told(one: Standing, *, is_held: bool = True, max_age: float = health.MAX_AGE) -> list[str]:
    found = health.of_a_community(one, NOW, max_age, is_held=is_held)
    return [f"{problem.code} {problem.line}" for problem in found]


def with_facts(one: Standing, **facts: Any) -> Standing:
    return replace(one, facts=replace(one.facts, **facts))


def test_while_nobody_runs_nobody_listens() -> None:
    assert told(replace(OWNED, told_until=NOW - DAY), is_held=False) == []


@pytest.mark.parametrize("one", [OWNED, MEMBER], ids=["control", "member"])
def test_what_is_well_is_not_told(one: Standing) -> None:
    assert told(one) == []
    assert told(one, is_held=False) == [], "that nobody runs is one problem, told once"


LOST = Setback("FETCHING", 3, NOW - HOUR, NOW + 10 * 60, "[no-peers] nobody\nis there")
AGO = NOW - 20 * DAY


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            replace(OWNED, community=TWO_DEVICES),
            "condition gardeners: another",
        ),
        (
            replace(MEMBER, instance=Instance("0x02", State.IDLE, setbacks=(LOST,))),
            "failed gardeners: fetching failed: [no-peers] nobody is there; tried again in 10 min",
        ),
        (replace(OWNED, instance=Instance("0x02", State.OFF)), "off gardeners: it is off, and is"),
        (
            with_facts(OWNED, torrent_is_live=False),
            "not-live gardeners: its archives are not live: idle for 24 hours",
        ),
        (
            with_facts(MEMBER, link_clock=10, link_locator="new", link_first_at=NOW - 3 * HOUR),
            "not-fetched gardeners: a link has been known for 3 hours, and what it leads to is not",
        ),
        (
            with_facts(
                MEMBER, link_clock=10, link_locator="magnet:new", link_first_at=NOW - 3 * HOUR,
                link_key_is_missing=True,
            ),
            "not-fetched gardeners: a link has been known for 3 hours, its key is missing, and",
        ),
        (
            replace(MEMBER, holding=replace(WHOLE, imported=49, quarantined=1, locked=2)),
            "incomplete gardeners: 49 of 52 chosen archives are imported; 1 in quarantine, 2 with",
        ),
        (
            replace(MEMBER, holding=replace(WHOLE, here=51, imported=51)),
            "incomplete gardeners: 51 of 52 chosen archives are imported; 1 not here yet",
        ),
        (
            with_facts(OWNED, window_due_at=NOW - 2 * DAY),
            "archive-late gardeners: messages should have been archived 2 days ago",
        ),
        (
            with_facts(replace(OWNED, announced_at=AGO), announce_due_at=AGO + 8 * HOUR),
            "announcement-late gardeners: it was last announced 20 days ago",
        ),
        (
            with_facts(replace(OWNED, announced_at=None), announce_due_at=0.0),
            "announcement-late gardeners: it was never announced",
        ),
        (
            replace(MEMBER, heard_at=AGO),
            "announcement-late gardeners: the last announcement was heard 20 days ago",
        ),
        (
            replace(MEMBER, heard_at=None, moved_at=AGO),
            "announcement-late gardeners: no announcement was ever heard",
        ),
        (
            replace(OWNED, told_until=NOW - 2 * HOUR),
            "not-heard gardeners: what was said in its channels since 2027-01-15 06:00 UTC is not",
        ),
    ],
    ids=lambda one: one.split()[0] if isinstance(one, str) else "",
)  # fmt: skip
def test_a_problem_is_told_in_a_line(one: Standing, said: str) -> None:
    (line,) = told(one)
    assert line.startswith(said)
    assert "\n" not in line


@pytest.mark.parametrize(
    "one",
    [
        with_facts(replace(OWNED, moved_at=NOW - 60), torrent_is_live=False),
        with_facts(replace(OWNED, moved_at=None), torrent_is_live=False),
        with_facts(MEMBER, link_clock=10, link_locator="magnet:new", link_first_at=NOW - 60),
        replace(MEMBER, moved_at=NOW - 60, holding=replace(WHOLE, here=51, imported=51)),
        replace(OWNED, holding=replace(WHOLE, archives=104)),
        with_facts(OWNED, window_due_at=NOW - 60),
        with_facts(replace(OWNED, announced_at=AGO), announce_due_at=None),
        with_facts(replace(OWNED, announced_at=None), announce_due_at=0.0, is_caught_up=False,
                   catch_up_deadline=NOW + 60),
        replace(OWNED, told_until=NOW - 50 * 60),
        with_facts(replace(OWNED, told_until=NOW - DAY), is_caught_up=False,
                   catch_up_deadline=NOW + 60),
    ],
    ids=["being checked", "no step yet", "being fetched", "being imported", "not chosen",
         "being archived", "timer off", "catching up", "asked every minute", "being asked for"],
)  # fmt: skip
def test_what_is_being_done_or_was_not_asked_for_is_no_problem(one: Standing) -> None:
    assert told(one) == []


def test_how_old_is_too_old_is_asked_for() -> None:
    assert told(replace(MEMBER, heard_at=NOW - 9 * DAY), max_age=30 * DAY) == []
    assert told(replace(MEMBER, heard_at=NOW - 9 * DAY), max_age=HOUR) != []
    assert told(replace(MEMBER, heard_at=NOW - 7 * DAY), max_age=HOUR) == [], "a week is its pace"


def test_a_clock_that_cannot_be_right_is_told() -> None:
    assert [one.text for one in health.of_the_clock(NOW, NOW)] == []
    (never_set,) = health.of_the_clock(0.0, 86_400.0)
    assert never_set.text == "the clock says 1970-01-02: it was never set"
    (put_back,) = health.of_the_clock(NOW + 7200, NOW)
    assert put_back.text == "the clock is 2 hours behind the newest step: it was put back"


def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(free=12_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    (problem,) = health.of_the_disk(tmp_path / "not" / "there")
    assert problem.text == "the disk is nearly full: 12 MB are free, 1,000 MB should be"


# --------------------------------------------------------------------------------- the command


def test_nobody_runs(here: InProcess) -> None:
    said = here("health")
    assert said.code == 4
    assert said.err == ""
    assert said.out == (
        "nobody runs on this data directory: nothing is live, and nothing is archived\n"
    )
    assert json.loads(here("health", "--json").out)["problems"][0]["code"] == "nobody-runs"


def test_a_span_of_time_is_understood(here: InProcess) -> None:
    assert here("health", "--max-age", "36h").code == 4
    said = here("health", "--max-age", "soon")
    assert said.code == 2
    assert "a number and one of s, min, h, d, w, as in 8d" in " ".join(said.err.split())


async def test_all_is_well_and_then_the_process_does_nothing(here: InProcess) -> None:
    clock = ManualClock(time.time() - 300)
    node = node_in(here.data_dir, clock)
    async with node:
        await clock.advance(60)
        (one,) = await node.communities()
        said = await asyncio.to_thread(here, "health")
        assert (said.code, said.out, said.err) == (0, "", ""), "cron sends what is said"
        assert (await node.health()).is_healthy
        await node.engine.run(
            lambda tx: tx.execute("UPDATE instance SET due_at = ?", (clock.now() - 100,))
        )
        said = await asyncio.to_thread(here, "health")
        assert said.code == 4
        assert said.out.startswith("the process that runs does nothing: something has been due for")
        await node.engine.run(
            lambda tx: tx.execute("UPDATE community SET condition = ?", ("another device",))
        )
        told = await node.health()
        assert [problem.line for problem in told.problems] == ["gardeners: another device"]
        weavers = await node.create_community("weavers")
        (_, key) = (await node.health()).problems
        assert key.line.startswith("weavers: its private key exists only here: save it by")
        await node.set_key_saved(weavers)
        await node.switch_off(one.id)
        assert (await node.health()).is_healthy, "who is switched off has no problems"


def test_the_command_s_usual_age_is_that_of_the_library() -> None:
    assert seconds_of(USUAL_AGE) == health.MAX_AGE
