"""How things are put in words, without a process around them."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from states.community import Facts, State
from states.instance import Instance
from states.lifecycle import Setback
from workflow import cli
from workflow.adapters.clock.system import SystemClock
from workflow.check import Counterexample, Found, Result, Searched
from workflow.cli import checking, standing, story, why
from workflow.cli.progress import progress
from workflow.cli.words import PATH_WIDTH, hanging, path, relative, span, width
from workflow.ports.records import ALL, Holding
from workflow.status import Standing, Status


@pytest.mark.parametrize(
    ("state", "is_control_node", "shown"),
    [
        (State.IDLE, True, "NOW idle→creating→seeding→announcing"),
        (State.ANNOUNCING, True, "idle→creating→seeding→NOW announcing"),
        (State.OFF, True, "NOW off"),
        (State.IDLE, False, "NOW idle→settling→fetching→…"),
        (State.FETCHING, False, "…→settling→NOW fetching→…"),
        (State.SEEDING, False, "…→fetching→downloading→NOW seeding"),
        (State.DOWNLOADING, True, "…→fetching→NOW downloading→seeding"),
    ],
)
def test_the_path_shows_where_it_is(state: State, is_control_node: bool, shown: str) -> None:
    assert path(state, is_control_node=is_control_node) == shown


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("is_control_node", [True, False])
def test_every_path_fits(state: State, is_control_node: bool) -> None:
    shown = path(state, is_control_node=is_control_node)
    assert len(shown) <= PATH_WIDTH
    assert f"NOW {state.value}" in shown


def test_a_path_with_a_line_of_its_own_is_whole() -> None:
    shown = path(State.SEEDING, is_control_node=False, within=standing.WHOLE_WIDTH)
    assert shown == "idle → settling → fetching → downloading → NOW seeding"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h")],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_moments_are_told_from_now() -> None:
    assert relative(100, 40) == "in 1 min"
    assert relative(40, 100) == "1 min ago"
    assert relative(100, 100.4) == "now"


def test_long_words_are_left_whole() -> None:
    assert hanging("  x ", "y" * 200) == "  x " + "y" * 200
    assert hanging("  x ", "") == "  x "
    assert width() <= 100


# -------------------------------------------------------------------------------------- prospects

LOST = Setback("FETCHING", 3, at=900.0, until=1500.0, reason="[no-peers] nobody is there")
IDLE = Instance("c", State.IDLE)
MEMBER = Facts(link_clock=5, link_locator="magnet:?", link_last_at=800.0, window_due_at=700.0)


def stands(instance: Instance[State], facts: Facts) -> Standing:
    known: Any = SimpleNamespace(id="c", name="c", condition="")
    return Standing(known, instance, facts, Holding(), ALL, None, None, None)


def outcomes(instance: Instance[State], facts: Facts) -> dict[str, tuple[float | None, str]]:
    return {one.event: (one.at, one.outcome) for one in why.prospects(instance, facts, 1000.0)}


def test_a_failure_holds_its_condition_back() -> None:
    seen = outcomes(replace(IDLE, setbacks=(LOST,)), MEMBER)
    assert seen["link_waiting"] == (1500.0, "leads to settling, held back after a failure")


def test_a_condition_that_changes_nothing_says_which_guard_is_false() -> None:
    seen = outcomes(IDLE, replace(MEMBER, is_caught_up=True))
    assert seen["window_closed"][1] == "changes nothing: is_control_node is false"
    assert seen["torrent_missing"] == (None, "is not in sight")


def test_a_state_that_works_looks_at_nothing() -> None:
    assert outcomes(replace(IDLE, state=State.SEEDING), MEMBER) == {}


def test_failures_are_told_with_their_next_try(capsys: pytest.CaptureFixture[str]) -> None:
    ready = Setback("SEEDING", 1, at=100.0, until=200.0, reason="[carrier] full")
    why._say_failures((LOST, ready), 1000.0)
    said = " ".join(capsys.readouterr().out.split())
    assert "fetching failed 3 times, last 1 min 40 s ago: [no-peers] nobody is there;" in said
    assert "tried again 1970-01-01 00:25:00 UTC (in 8 min 20 s)" in said
    assert "seeding failed once, last 15 min ago: [carrier] full; to be tried again" in said


def test_an_action_that_waits_for_its_next_try(capsys: pytest.CaptureFixture[str]) -> None:
    instance = Instance("c", State.SEEDING, attempts=1, answered=False, due_at=1060.0)
    why._say_prospects(why.Reasons(stands(instance, MEMBER), [], {}), 1000.0)
    assert "Its action is started again 1970-01-01 00:17:40 UTC (in 1 min)" in (
        capsys.readouterr().out
    )


def test_a_community_without_steps(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = why.Reasons(stands(Instance("c", State.OFF), Facts()), [], {})
    why._say_steps(reasons)
    why._say_prospects(reasons, 1000.0)
    said = capsys.readouterr().out
    assert "No step was taken yet." in said
    assert "Nothing by itself: it waits for switched_on." in said
    assert reasons.since is None


# ----------------------------------------------------------------------------------------- status

TROUBLED = Status(
    id="0x02", name="a community with a long name", state="idle", is_control_node=False,
    is_live=False, peers=None, generation=0, chosen="the latest archives",
    holding=Holding(archives=52, chosen=4, here=3, imported=3), due_at=900.0,
    reason="[no-peers] nobody is there", condition="another device announces",
    refusals={"wrong signer": 3}, guards={},
)  # fmt: skip


def look_at(*found: Status) -> standing.Look:
    return standing.Look(found, "process 1: node", 41, 1000.0, is_now=True)


def test_status_shows_what_a_person_should_know(capsys: pytest.CaptureFixture[str]) -> None:
    standing.say_lines(look_at(TROUBLED))
    head, line, trouble, chosen = capsys.readouterr().out.splitlines()
    assert head.split() == ["COMMUNITY", "PATH", "LIVE", "PEERS", "HAS", "DUE", "IN"]
    assert line.startswith(
        "a community with a long…  NOW idle→settling→fetching→…  no    -      3/4  now"
    )
    assert trouble == "  ! another device announces; [no-peers] nobody is there"
    assert chosen == "  chosen: the latest archives"


def test_a_table_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    full = Holding(archives=104, chosen=104, here=104, imported=104)
    widest = replace(
        TROUBLED, state="announcing", is_control_node=True, is_live=True, peers=1234,
        holding=full, due_at=1000.0 + 59 * 60, reason="", condition="", chosen="all archives",
    )  # fmt: skip
    standing.say_lines(look_at(widest))
    line = capsys.readouterr().out.splitlines()[1]
    assert (
        line == "a community…  idle→creating→seeding→NOW announcing  live  1234   104/104  59 min"
    )
    assert len(line) == 80


def test_status_in_detail_shows_more(capsys: pytest.CaptureFixture[str]) -> None:
    standing.say_detail(look_at(TROUBLED))
    said = capsys.readouterr().out
    assert "  state      idle\n" in said
    assert "  live       no, now\n" in said
    assert "  peers      not known\n" in said
    assert "  archives   3 of 4 chosen are here and imported, of 52 in all\n" in said
    assert "  chosen     the latest archives\n" in said
    assert "  next due   since 1970-01-01 00:15:00 UTC (1 min 40 s ago)\n" in said
    assert "  held by    process 1: node\n" in said
    assert "  condition  another device announces\n" in said
    assert "  last error [no-peers] nobody is there\n" in said
    assert "  refused    3 x wrong signer\n" in said


# --------------------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "is_shown"), [(io.StringIO, False), (Terminal, True)])
def test_a_bar_is_for_a_terminal(
    stream: type[io.StringIO], is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress("gardeners") as told:
        told(1, 2, "bytes")
    assert ("gardeners" in shown.getvalue()) == is_shown


# --------------------------------------------------------------------------------------- the ends


def test_check_ends_with_1_when_a_promise_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Counterexample("it announces while not live", ("c: window_closed",))
    found = Found(7, 8, 9, is_complete=False, counterexample=shown)
    broken = Result("community", (Searched("a world", found),), 30, ())
    monkeypatch.setattr("workflow.check.check_all", lambda: [broken])
    with pytest.raises(typer.Exit) as end:
        checking.check(only="")
    assert end.value.exit_code == 1
    said = capsys.readouterr()
    assert "it announces while not live" in said.out
    assert "takes a minute" in said.err


async def test_a_broken_promise_is_told_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = story.Node.kept
    monkeypatch.setattr(story.Node, "kept", lambda self: replace(real(self), data=self.name))
    assert not await story.Story(tmp_path, 1, None, SystemClock()).told()
    said = capsys.readouterr().out
    assert "  BROKEN  ana's archives are control's, byte for byte\n" in said
    assert "  complete   NOT everything; see above\n" in said


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int | str | None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("typer.Typer.__call__", fails)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_a_bug_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, ZeroDivisionError("oh")) == 1
    said = capsys.readouterr().err
    assert said.startswith("[unexpected] ZeroDivisionError: oh. This is a bug")
    assert said.count("\n") == 1
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        ended(monkeypatch, ZeroDivisionError("oh"))


def test_an_interruption_needs_no_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""
