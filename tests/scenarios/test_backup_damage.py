"""Damage in the data directory is listed in a backup; damage in the backup heals, or is refused."""

from __future__ import annotations

import errno
import io
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.backed_up import (
    brought_back,
    more,
    owner,
    saved,
)
from workflow.archive.pieces import PIECE_LENGTH
from workflow.backup import Manifest, read_manifest, restore
from workflow.backup.copying import copy_runs
from workflow.errors import (
    BackupInvalidError,
    ContentDamagedError,
    DataDirectoryError,
)
from workflow.files.folder import open_to_read
from workflow.testing.world import World


async def test_what_was_damaged_already_is_said(world: World, tmp_path: Path) -> None:
    _, id = await owner(world, weeks=2)
    folder = world.place("owner").directory / "archives" / id / "1"
    data = bytearray((folder / "data").read_bytes())
    data[5] ^= 1
    (folder / "data").write_bytes(data)
    (problem,) = saved(world, "owner", tmp_path / "one").manifest.problems
    assert problem.endswith("data: pieces that are not those of its info-hash: 1")
    (folder / "data").write_bytes(data[:PIECE_LENGTH])
    (folder / "index.2").unlink()
    problems = saved(world, "owner", tmp_path / "two").manifest.problems
    assert ["shorter than what was committed" in one for one in problems].count(True) == 1
    assert ["no file is there" in one for one in problems].count(True) == 1
    (folder / "data").unlink()
    assert saved(world, "owner", tmp_path / "three").manifest.problems
    assert read_manifest(tmp_path / "three").problems


async def test_damage_in_the_backup_is_healed_by_the_next_one(world: World, tmp_path: Path) -> None:
    _, id = await owner(world, weeks=2)
    target = tmp_path / "backup"
    saved(world, "owner", target)
    data = target / "archives" / id / "1" / "data"
    sound = data.read_bytes()
    data.write_bytes(sound[:7] + b"!!" + sound[9:])
    with pytest.raises(BackupInvalidError, match="another hash") as raised:
        brought_back(world, target, "copy")
    assert raised.value.place == str(data)
    assert not world.place("copy").directory.exists()
    assert saved(world, "owner", target).manifest.problems == ()
    assert data.read_bytes() == sound
    assert brought_back(world, target, "copy").to_take_over == ("chess",)


def broken_sector(monkeypatch: pytest.MonkeyPatch, path: Path, start: int, end: int) -> None:
    """A disk that can give these bytes of a file to nobody, and says so as Linux does."""
    copy_file_range, folder = os.copy_file_range, path.parent

    class Worn(io.FileIO):
        def read(self, count: int | None = -1, /) -> bytes | Any:
            at = self.tell()
            if at < end and (count is None or count < 0 or at + count > start):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(count)

    def opened(file: Path) -> Any:
        return Worn(file) if file == path else open_to_read(file)

    def copying(reading: int, writing: int, count: int, at: int, to: int) -> int:
        is_it = Path(f"/proc/self/fd/{reading}").resolve() == folder.resolve() / path.name
        if is_it and at <= start < at + count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return copy_file_range(reading, writing, count, at, to)

    monkeypatch.setattr("workflow.backup.manifest.open_to_read", opened)
    monkeypatch.setattr("workflow.backup.copying.open_to_read", opened)
    monkeypatch.setattr(os, "copy_file_range", copying)


async def test_what_the_disk_cannot_read_is_left_out_and_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, id = await owner(world, weeks=3)
    folder = world.place("owner").directory / "archives" / id / "1"
    with monkeypatch.context() as patched:
        broken_sector(patched, folder / "data", PIECE_LENGTH + 7, PIECE_LENGTH + 9)
        made = saved(world, "owner", tmp_path / "backup").manifest
    (problem,) = made.problems
    assert "it cannot be read: Input/output error" in problem
    assert f"({folder / 'data'})" in problem
    assert problem.endswith("1 pieces are left out.")
    (kept,) = [one for one in made.files if one.path.endswith("/data")]
    assert kept.runs == ((0, PIECE_LENGTH), (2 * PIECE_LENGTH, 3 * PIECE_LENGTH))
    assert brought_back(world, tmp_path / "backup", "copy").to_take_over == ("chess",)
    assert saved(world, "owner", tmp_path / "backup").manifest.problems == ()
    with monkeypatch.context() as patched:
        broken_sector(patched, folder / "data", PIECE_LENGTH + 7, PIECE_LENGTH + 9)
        assert saved(world, "owner", tmp_path / "backup").manifest.problems == (), "it has it"
    with monkeypatch.context() as patched:
        broken_sector(patched, folder / "index.3", 0, 1)
        (problem,) = saved(world, "owner", tmp_path / "other").manifest.problems
    assert f"it cannot be read: Input/output error ({folder / 'index.3'})" in problem


async def test_a_data_that_cannot_be_opened_leaves_what_the_backup_has(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    await more(world, node, id)
    data = world.place("owner").directory / "archives" / id / "1" / "data"
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    made = saved(world, "owner", tmp_path / "backup").manifest
    (problem,) = made.problems
    assert "no file is there" in problem
    (kept,) = [one for one in made.files if one.path.endswith("/data")]
    assert kept.runs == ((0, PIECE_LENGTH),)
    data.unlink()
    data.symlink_to(data)
    made = saved(world, "owner", tmp_path / "backup").manifest
    (problem,) = made.problems
    assert "it cannot be read: Too many levels of symbolic links" in problem
    assert not [one for one in made.files if one.path.endswith("/data")]


async def test_a_key_that_cannot_be_read_is_said_and_stays_in_the_backup(
    world: World, tmp_path: Path
) -> None:
    await owner(world)
    key = world.place("owner").directory / "keys" / ("02" + "ab" * 32 + ".key")
    key.parent.mkdir()
    key.write_text("11" * 32)
    saved(world, "owner", tmp_path / "backup", with_keys=True)
    key.unlink()
    key.mkdir()
    made = saved(world, "owner", tmp_path / "backup").manifest
    (problem,) = made.problems
    assert str(key) in problem
    assert [one.path for one in made.files if one.path.startswith("keys/")] == [f"keys/{key.name}"]
    other = saved(world, "owner", tmp_path / "other", with_keys=True).manifest
    assert not [one for one in other.files if one.path.startswith("keys/")]


async def test_what_lies_in_the_way_in_the_backup_is_no_damage_here(
    world: World, tmp_path: Path
) -> None:
    _, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    data = tmp_path / "backup" / "archives" / id / "1" / "data"
    data.unlink()
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataDirectoryError, match="in the way: no file is there") as raised:
        saved(world, "owner", tmp_path / "backup")
    assert raised.value.place == str(data)


async def test_a_backup_with_a_lost_or_false_file_is_refused(world: World, tmp_path: Path) -> None:
    _, id = await owner(world)
    target = tmp_path / "backup"
    made: Manifest = saved(world, "owner", target).manifest
    (target / "archives" / id / "1" / "index.1").unlink()
    with pytest.raises(BackupInvalidError, match="a file of the backup is damaged"):
        restore(target, tmp_path / "new", random=bytes)
    saved(world, "owner", target)
    told, journal = json.loads((target / "manifest.json").read_text()), target / "journal-2.sqlite3"
    assert made.number == 1
    journal.write_bytes(b"x" * journal.stat().st_size)
    told["journal"]["sha256"] = sha256(journal.read_bytes()).hexdigest()
    (target / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(BackupInvalidError, match="the copy is damaged"):
        restore(target, tmp_path / "new", random=bytes)


def test_a_file_that_ends_before_is_not_copied_as_if_it_did_not(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    missing = copy_runs(tmp_path / "short", tmp_path / "copy", 9, [(2, 9)], lambda _: None)
    assert [error.message for error in missing.values()] == ["byte 5 is behind the end"]
    with pytest.raises(ContentDamagedError, match="no file is there"):
        copy_runs(tmp_path / "none", tmp_path / "copy", 9, [(2, 9)], lambda _: None)
    with pytest.raises(ContentDamagedError, match="it cannot be read: Not a directory"):
        copy_runs(tmp_path / "short" / "x", tmp_path / "copy", 9, [(2, 9)], lambda _: None)
    # Where nothing is mapped, the kernel says what a disk says of a sector that it cannot read.
    missing = copy_runs(
        Path("/proc/self/mem"), tmp_path / "copy", 9, [(0, PIECE_LENGTH)], lambda _: None
    )
    assert [error.message for error in missing.values()] == [
        "it cannot be read: Input/output error"
    ]


async def test_a_backup_that_is_damaged_while_it_is_restored_is_not_restored(
    world: World, tmp_path: Path
) -> None:
    _, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    data = tmp_path / "backup" / "archives" / id / "1" / "data"

    def cut(done: int, total: int, unit: str) -> None:
        if unit == "bytes copied" and done < PIECE_LENGTH:
            os.truncate(data, 5)

    with pytest.raises(ContentDamagedError, match="is behind the end"):
        restore(tmp_path / "backup", tmp_path / "new", random=bytes, progress=cut)
    assert not (tmp_path / "new" / "journal.sqlite3").exists()
