"""Whatever is wrong: one sentence with a code, what happened, where, and what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.faces.command_line import CommandLine, Started
from tests.faces.in_process import InProcess

READING = (["status"], ["diagram", "gardeners"])
READING_OR_ASKING = (*READING, ["send", "gardeners", "switched_off"])
ALL = (*READING_OR_ASKING, ["run"])


def joined(arguments: list[str]) -> str:
    return arguments[0]


def refuses(line: CommandLine | InProcess, arguments: list[str], code: str, *words: str) -> None:
    said = line(*arguments)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith(f"[{code}] "), said.err
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err


@pytest.mark.parametrize("arguments", READING_OR_ASKING, ids=joined)
def test_no_journal_yet(nothing: InProcess, arguments: list[str]) -> None:
    refuses(nothing, arguments, "journal-missing", str(nothing.data_dir), "community-archives init")
    assert not nothing.data_dir.exists(), "looking leaves nothing behind"


@pytest.mark.parametrize("arguments", READING_OR_ASKING, ids=joined)
def test_an_empty_file_is_no_journal_yet(nothing: InProcess, arguments: list[str]) -> None:
    nothing.data_dir.mkdir()
    (nothing.data_dir / "journal.sqlite3").touch()
    refuses(nothing, arguments, "journal-missing")


@pytest.mark.parametrize("arguments", ALL, ids=joined)
def test_a_file_that_is_no_database(here: InProcess, arguments: list[str]) -> None:
    (here.data_dir / "journal.sqlite3").write_bytes(b"something else entirely" * 100)
    refuses(here, arguments, "journal-damaged", "restore the last backup")


def test_damage_in_the_middle_is_found_by_who_writes(here: InProcess) -> None:
    file = here.data_dir / "journal.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    refuses(here, ["run"], "journal-damaged")
    refuses(here, ["status"], "journal-damaged")


@pytest.mark.parametrize("arguments", ALL, ids=joined)
def test_a_database_of_another_program(nothing: InProcess, arguments: list[str]) -> None:
    nothing.data_dir.mkdir()
    with closing(sqlite3.connect(nothing.data_dir / "journal.sqlite3")) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
        database.commit()
    refuses(nothing, arguments, "journal-foreign", "--data-dir")


@pytest.mark.parametrize("arguments", ALL, ids=joined)
def test_a_journal_of_a_newer_version(here: InProcess, arguments: list[str]) -> None:
    with closing(sqlite3.connect(here.data_dir / "journal.sqlite3")) as database:
        database.execute("UPDATE schema_version SET number = 99 WHERE component = 'store'")
        database.commit()
    refuses(here, arguments, "journal-newer", "version 99", "Upgrade")


def test_a_journal_of_an_older_version(here: InProcess) -> None:
    with closing(sqlite3.connect(here.data_dir / "journal.sqlite3")) as database:
        database.execute("UPDATE schema_version SET number = 0 WHERE component = 'store'")
        database.commit()
    refuses(here, ["status"], "journal-older", "Start 'community-archives run' once")


def test_a_data_directory_that_is_a_file(nothing: InProcess) -> None:
    nothing.data_dir.write_text("a file")
    refuses(nothing, ["run"], "data-directory", "cannot be written", "--data-dir")
    refuses(nothing, ["status"], "journal-missing")


def below_a_file(line: InProcess) -> None:
    line.data_dir.parent.joinpath("nothing").write_text("a file")


def not_ours(line: InProcess) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    line.data_dir.mkdir(mode=0o500)


@pytest.mark.parametrize("spoil", [below_a_file, not_ours])
def test_a_directory_that_cannot_be_written(
    nothing: InProcess, spoil: Callable[[InProcess], None]
) -> None:
    spoil(nothing)
    line = InProcess(nothing.data_dir / "data" if spoil is below_a_file else nothing.data_dir)
    said = line("run")
    assert said.code == 1
    assert said.err.startswith("[data-directory] the data directory cannot be written: ")


def test_an_inbox_that_cannot_be_used(here: InProcess) -> None:
    (here.data_dir / "inbox.sqlite3").mkdir()
    refuses(here, ["send", "gardeners", "switched_off"], "data-directory", "the inbox")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "weavers"],
        ["why", "weavers"],
        ["history", "weavers"],
        ["diagram", "weavers"],
        ["send", "weavers", "switched_off"],
        ["status", "0x03"],
    ],
    ids=joined,
)
def test_an_unknown_community(here: InProcess, arguments: list[str]) -> None:
    refuses(here, arguments, "community-unknown", arguments[1], "community-archives status")


@pytest.mark.parametrize("id", ["0x02" + "z" * 64, "0x07" + "0" * 64, "0x02" + "0" * 70])
def test_a_malformed_id(here: InProcess, id: str) -> None:
    refuses(here, ["status", id], "id-malformed", id[:20])


@pytest.mark.parametrize("id", ["two words", "x" * 65, "ü"])
def test_a_malformed_command_id(here: InProcess, id: str) -> None:
    refuses(here, ["send", "gardeners", "switched_off", "--command-id", id], "id-malformed")


def test_an_unknown_event_is_answered_with_those_there_are(here: InProcess) -> None:
    refuses(here, ["send", "gardeners", "explode"], "event-unknown", "switched_off", "'explode'")


def test_an_unknown_event_is_answered_by_who_runs(garden: CommandLine, running: Started) -> None:
    refuses(garden, ["send", "gardeners", "explode"], "event-unknown", "switched_off")


def test_a_second_process_is_told_who_holds_the_directory(
    garden: CommandLine, running: Started
) -> None:
    refuses(
        garden,
        ["run"],
        "data-directory-locked",
        f"process {running.process.pid}: node",
        "End that process first",
    )
    assert running.process.poll() is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["send", "gardeners"],
        ["history", "--after", "-1"],
        ["history", "--limit", "many"],
        ["diagram", "--out", "picture.jpeg"],
        ["diagram", "gardeners", "--lifecycle", "archive"],
        ["check", "--only", "no such world"],
        ["demo", "--weeks", "0"],
    ],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_2(here: InProcess, arguments: list[str]) -> None:
    said = here(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("Usage: community-archives")
