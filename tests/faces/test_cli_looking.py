from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.faces.command_line import CommandLine, Started
from tests.faces.documented import complaints
from tests.faces.in_process import InProcess


def fits_80_columns(text: str) -> bool:
    return all(len(line) <= 80 for line in text.splitlines())


def test_status_says_in_one_line_where_a_community_stands(here: InProcess) -> None:
    said = here("status")
    assert said.code == 0
    head, line = said.out.splitlines()
    assert head.split() == ["COMMUNITY", "PATH", "LIVE", "PEERS", "HAS", "DUE", "IN"]
    assert line.startswith("gardeners  NOW idle→creating→seeding→announcing  no    -      1/1  ")
    assert fits_80_columns(said.out)
    assert "nobody runs" in said.err


def test_status_is_honest_about_what_is_live(garden: CommandLine, running: Started) -> None:
    said = garden("status")
    assert "  live  " in said.out
    assert f"live: now; process {running.process.pid}: node" in said.err
    (told,) = json.loads(garden("status", "--json").out)
    assert told["is_live"] is True
    assert told["is_live_known"] == "now"
    assert told["held_by"] == f"process {running.process.pid}: node"


def test_status_for_programs(here: InProcess) -> None:
    said = here("status", "--json")
    (told,) = json.loads(said.out)
    assert said.err == ""
    assert (told["name"], told["state"], told["generation"]) == ("gardeners", "idle", 1)
    assert told["is_control_node"] is True
    assert told["is_live"] is False
    assert told["held_by"] is None
    assert told["guards"]["has_generation"] is True


@pytest.mark.parametrize("which", ["gardeners", "whole id", "beginning of the id"])
def test_a_community_is_named_in_three_ways(here: InProcess, which: str) -> None:
    (told,) = json.loads(here("status", "--json").out)
    name = {"gardeners": "gardeners", "whole id": told["id"]}.get(which, told["id"][:9])
    said = here("status", name)
    assert said.code == 0
    assert said.out.startswith(f"gardeners\n  {told['id']}\n")
    assert "  node       control node\n" in said.out
    assert "  archives   1 of 1 chosen are here and imported; generation 1\n" in said.out
    assert "  live       no, as recorded at the last step\n" in said.out
    assert fits_80_columns(said.out)


def test_without_its_key_it_is_a_member(here: InProcess) -> None:
    for key in (here.data_dir / "keys").iterdir():
        key.unlink()
    said = here("status")
    assert "gardeners  NOW idle→settling→fetching→…  no " in said.out
    assert "  node       member\n" in here("status", "gardeners").out


def test_an_empty_directory_has_no_communities(nowhere: CommandLine) -> None:
    started = nowhere.start("run")
    started.wait_until_it_says("Running on")
    assert nowhere("status").err == "No community is known here yet.\n"
    assert json.loads(nowhere("status", "--json").out) == []
    started.process.terminate()
    assert started.ended() == 0


def test_why_tells_everything_in_words(here: InProcess) -> None:
    said = here("why", "gardeners")
    assert said.code == 0
    assert fits_80_columns(said.out)
    assert "  It is the control node, idle since " in said.out
    assert "  condition  none\n  last error none\n" in said.out
    assert "  archives   1 of 1 chosen are here and imported\n" in said.out
    assert "  chosen     all archives\n  next due   20" in said.out
    assert "How it came here" in said.out
    assert "announcing --link_sent--> idle" in said.out
    assert "  yes  is_control_node       The key is here" in said.out
    assert "  no   link_is_wanted " in said.out
    assert "  torrent_missing  holds now, and leads to seeding\n" in said.out
    assert "  link_waiting     is not in sight\n" in said.out
    assert "What failed" not in said.out
    assert "What was refused" not in said.out


def test_what_was_refused_is_counted_for_people_and_programs(here: InProcess) -> None:
    id = json.loads(here("why", "gardeners", "--json").out)["id"]
    with closing(sqlite3.connect(here.data_dir / "journal.sqlite3")) as journal, journal:
        journal.execute("INSERT INTO refusal VALUES (?, 'wrong signer', 3)", (id,))
    assert json.loads(here("why", "gardeners", "--json").out)["refusals"] == {"wrong signer": 3}
    told = json.loads(here("status", "gardeners", "--json").out)
    assert told[0]["refusals"] == {"wrong signer": 3}
    assert "What was refused\n  3 x wrong signer\n" in here("why", "gardeners").out
    assert "3 x wrong signer" in here("status", "gardeners").out


def test_why_for_programs(here: InProcess) -> None:
    told = json.loads(here("why", "gardeners", "--json").out)
    assert told["state"] == "idle"
    assert told["steps"][-1]["event"] == "link_sent"
    assert told["since"] == told["steps"][-1]["at"]
    assert told["guards"]["link_is_wanted"] is False
    assert told["next"][0] == {"event": "torrent_missing", "at": 0.0, "outcome": "leads to seeding"}
    assert told["next"][1]["at"] is None


def test_why_of_a_community_that_is_off(here: InProcess) -> None:
    here("send", "gardeners", "switched_off")
    said = here("why", "gardeners")
    assert "It is the control node, off since " in said.out
    assert "Its action is drop_torrent, started once." in said.out
    assert "Its action answers, or fails and is tried again." in said.out
    assert "  NOW off " in here("status").out


def test_why_of_a_state_that_works(garden: CommandLine) -> None:
    (data,) = (garden.data_dir / "archives").glob("*/*/data")
    data.write_bytes(b"broken" + data.read_bytes()[6:])
    started = garden.start("run", "--json")
    started.wait_until_it_says("pieces_missing")
    started.process.terminate()
    assert started.ended() == 0
    told = [line for line in started.said.splitlines() if line.startswith("{")]
    assert complaints("run", "\n".join(told)) == []
    said = garden("why", "gardeners")
    assert said.code == 0
    assert "It is the control node, downloading since " in said.out


def test_history_shows_the_newest_steps_oldest_first(here: InProcess) -> None:
    said = here("history", "gardeners", "--limit", "2")
    lines = said.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("#")
    assert lines[1].endswith("announcing --link_sent--> idle")
    assert fits_80_columns(here("history").out)


def test_history_has_no_gaps_and_can_be_resumed(here: InProcess) -> None:
    whole = json.loads(here("history", "--limit", "1000", "--json").out)
    assert [step["seq"] for step in whole] == list(range(1, len(whole) + 1))
    heard: list[int] = []
    while batch := json.loads(
        here("history", "--json", "--limit", "20", "--after", str(heard[-1] if heard else 0)).out
    ):
        heard += [step["seq"] for step in batch]
    assert heard == [step["seq"] for step in whole]


def test_history_of_one_community_can_be_resumed(here: InProcess) -> None:
    told = json.loads(here("history", "gardeners", "--after", "3", "--json").out)
    assert told[0]["seq"] > 3
    assert {step["lifecycle"] for step in told} == {"community"}
    newest = told[-1]["seq"]
    said = here("history", "gardeners", "--after", "100000")
    assert (said.out, said.err) == ("", "No step behind 100000 was taken.\n")
    assert newest < 100000
