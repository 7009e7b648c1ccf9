"""A journal of an earlier version: copied, brought up to date, told; a later one is refused."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.cli.asking import ask_once
from workflow.cli.place import view_of
from workflow.engine.copying import check_copy, copy_database
from workflow.engine.journal import APPLICATION_ID, Journal
from workflow.engine.migrations import ENGINE, newest_numbers
from workflow.errors import (
    JournalDamagedError,
    JournalNewerError,
    JournalOlderError,
    JournalWriteError,
)
from workflow.ports.work import Migration

FIRST = tuple(one for one in (*ENGINE, *STORE) if one.number == 1)
NOW = (*ENGINE, *STORE)
ID = "0x02" + "ab" * 32
KEPT = "journal.sqlite3.engine-1.store-1"


def first_version(folder: Path) -> Path:
    """A journal as the first version wrote it, with one community."""
    path = folder / "journal.sqlite3"
    journal = Journal(path, FIRST)
    journal.run_blocking(
        lambda tx: tx.execute(
            "INSERT INTO community (id, name, control_key, control_device, control_epoch,"
            " claimed_epoch, interval, is_enabled, is_encrypted, generation, candidate, condition)"
            " VALUES (?, 'gardeners', ?, '', 1, 0, 604800, 1, 0, 0, 0, '')",
            (ID, bytes.fromhex(ID[2:])),
        )
    )
    journal.run_blocking(
        lambda tx: tx.execute(
            "INSERT INTO instance VALUES ('community', ?, 'OFF', 0, 0, 0, 0, NULL, '[]')", (ID,)
        )
    )
    journal.close()
    return path


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_a_copy_that_has_no_room_leaves_nothing(tmp_path: Path) -> None:
    """The database itself says that it is full, as on a full disk."""
    connection = sqlite3.connect(first_version(tmp_path))
    connect = sqlite3.connect

    def small(*arguments: Any, **named: Any) -> sqlite3.Connection:
        copy: sqlite3.Connection = connect(*arguments, **named)
        copy.execute("PRAGMA max_page_count = 2")
        return copy

    before = set(tmp_path.iterdir())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite3, "connect", small)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            copy_database(connection, tmp_path / "copy")
    connection.close()
    assert set(tmp_path.iterdir()) == before


def test_the_first_version_is_copied_and_then_brought_up_to_date(tmp_path: Path) -> None:
    path = first_version(tmp_path)
    before = dump(path)
    journal = Journal(path, NOW)
    store = SqliteStore()
    assert journal.kept == path.with_name(KEPT)
    assert journal.run_blocking(store.communities)[0].name == "gardeners"
    assert not journal.run_blocking(lambda tx: store.key_is_saved(tx, ID))
    found = journal.run_blocking(lambda tx: tx.execute("SELECT * FROM schema_version").fetchall())
    journal.close()
    assert sorted(found) == sorted(newest_numbers(NOW).items())
    assert dump(path.with_name(KEPT)) == before
    assert path.with_name(KEPT).stat().st_mode & 0o777 == 0o600
    check_copy(path.with_name(KEPT), APPLICATION_ID)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, KEPT}


def test_the_copy_is_a_journal_that_the_earlier_version_goes_on_with(tmp_path: Path) -> None:
    path = first_version(tmp_path)
    Journal(path, NOW).close()
    shutil.move(path.with_name(KEPT), path)
    Journal(path, FIRST).close()
    assert Journal(path, FIRST).kept is None


def test_nothing_is_copied_when_there_is_nothing_to_bring_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    for _ in range(2):
        journal = Journal(path, NOW)
        journal.close()
        assert journal.kept is None
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_newer_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = first_version(tmp_path)
    Journal(path, NOW).close()
    newer = (*NOW, Migration("store", 9, ("CREATE TABLE later (a)",)))
    Journal(path, newer).close()
    before = dump(path)
    names = {one.name for one in tmp_path.iterdir()}
    with pytest.raises(JournalNewerError, match="'store' tables have version 9") as raised:
        Journal(path, NOW)
    assert raised.value.code == "journal-newer"
    with pytest.raises(JournalNewerError):
        view_of(tmp_path)
    assert dump(path) == before
    assert {one.name for one in tmp_path.iterdir()} == names


def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path) -> None:
    path = first_version(tmp_path)
    before = dump(path)
    path.with_name(KEPT + ".draft").mkdir()
    with pytest.raises(JournalWriteError, match="could not be brought up to date"):
        Journal(path, NOW)
    assert dump(path) == before
    path.with_name(KEPT + ".draft").rmdir()
    Journal(path, NOW).close()


def test_whoever_opens_it_first_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first_version(tmp_path)
    with pytest.raises(JournalOlderError):
        view_of(tmp_path)
    assert ask_once(tmp_path, "look", ID)["is_key_saved"]
    said = capsys.readouterr().err
    assert said == (
        f"The journal was brought up to date; the one of before is {tmp_path / KEPT}.\n"
    )
    ask_once(tmp_path, "look", ID)
    assert capsys.readouterr().err == ""


def test_a_copy_that_is_none_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(JournalDamagedError, match="the copy is damaged"):
        check_copy(path, APPLICATION_ID)
    stranger = sqlite3.connect(tmp_path / "stranger")
    stranger.execute("CREATE TABLE t (a)")
    stranger.close()
    with pytest.raises(JournalDamagedError):
        check_copy(tmp_path / "stranger", APPLICATION_ID)
