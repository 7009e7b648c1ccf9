"""What was broken off is begun again, and costs nothing that was whole."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.backed_up import (
    brought_back,
    files,
    more,
    owner,
    saved,
)
from workflow.archive.pieces import PIECE_LENGTH
from workflow.backup import read_manifest, restore, saving
from workflow.errors import (
    BackupInvalidError,
    DataDirectoryError,
    DirectoryLockedError,
    DirectoryNotEmptyError,
)
from workflow.testing.world import World


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """A disk that takes nothing at the ``at``-th time that a file is copied or put in place."""
    replace, copy_file_range, times = Path.replace, os.copy_file_range, itertools.count(1)

    def step() -> None:
        if next(times) == at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def replacing(self: Path, other: Path) -> Path:
        step()
        return replace(self, other)

    def copying(*arguments: Any) -> int:
        step()
        return copy_file_range(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replacing)
        patched.setattr(os, "copy_file_range", copying)
        yield


async def test_a_first_backup_that_was_broken_off_is_none(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every write that there is; and the next one is whole."""
    await owner(world)
    for at in range(1, 6):  # Journal, index, .torrent, data, manifest.
        target = tmp_path / str(at)
        with (
            full_disk(monkeypatch, at),
            pytest.raises(DataDirectoryError, match="cannot be written: No space left"),
        ):
            saved(world, "owner", target)
        with pytest.raises(BackupInvalidError, match="was broken off"):
            restore(target, tmp_path / "never", random=bytes)
        assert saved(world, "owner", target).manifest.problems == ()
        assert restore(target, tmp_path / f"copy-{at}", random=bytes).manifest.number == 1
    with full_disk(monkeypatch, 6):
        saved(world, "owner", tmp_path / "6")


async def test_a_later_backup_that_was_broken_off_leaves_the_earlier_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, id = await owner(world)
    saved(world, "owner", tmp_path / "backup")
    await more(world, node, id)
    for at in range(1, 6):
        target = tmp_path / str(at)
        shutil.copytree(tmp_path / "backup", target)
        with full_disk(monkeypatch, at), pytest.raises(DataDirectoryError, match="No space left"):
            saved(world, "owner", target)
        told = restore(target, tmp_path / f"earlier-{at}", random=bytes).manifest
        assert (told.number, told.communities[0].archives) == (1, 1)
        saved(world, "owner", target)
        told = restore(target, tmp_path / f"later-{at}", random=bytes).manifest
        assert (told.number, told.communities[0].archives) == (2, 2)
    with full_disk(monkeypatch, 6):
        saved(world, "owner", tmp_path / "backup")


async def test_damage_that_is_new_does_not_cost_the_earlier_backup(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces that the earlier one does not have are wrong here; then the disk is full."""
    node, id = await owner(world)
    target = tmp_path / "backup"
    saved(world, "owner", target)
    await more(world, node, id)
    data = world.place("owner").directory / "archives" / id / "1" / "data"
    with data.open("r+b") as file:
        file.seek(PIECE_LENGTH + 5)
        file.write(b"!!")
    # Once the journal, index, .torrent and data are there: when the manifest is put in place.
    with full_disk(monkeypatch, 6), pytest.raises(DataDirectoryError, match="No space left"):
        saved(world, "owner", target)
    told = restore(target, tmp_path / "earlier", random=bytes).manifest
    assert (told.number, told.problems) == (1, ())
    assert len(saved(world, "owner", target).manifest.problems) == 1


async def test_another_backup_that_ends_at_the_last_moment_is_the_earlier_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole after we have looked into the folder and before we hold it."""
    await owner(world)
    target, flock, prepare = tmp_path / "backup", fcntl.flock, saving._prepare

    def prepared(target: Path) -> None:
        prepare(target)
        monkeypatch.setattr(saving, "_prepare", prepare)
        assert saved(world, "owner", target).manifest.number == 1

    monkeypatch.setattr(saving, "_prepare", prepared)
    assert saved(world, "owner", target).manifest.number == 2

    def held(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        (target / "unfinished").unlink()
        saved(world, "owner", target)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", held)
    with pytest.raises(DirectoryLockedError, match="another backup is being made"):
        saved(world, "owner", target)
    assert read_manifest(target).number == 3
    assert restore(target, tmp_path / "copy", random=bytes).manifest.number == 3


async def test_a_restoring_that_was_broken_off_is_begun_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner(world)
    saved(world, "owner", tmp_path / "backup")

    def refused(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", refused)
    with pytest.raises(DataDirectoryError, match="cannot be restored: No space left"):
        brought_back(world, tmp_path / "backup", "copy")
    half = world.place("copy").directory
    assert not (half / "journal.sqlite3").exists()
    monkeypatch.undo()
    with pytest.raises(DirectoryNotEmptyError, match="something else than a backup"):
        saved(world, "owner", half)
    brought_back(world, tmp_path / "backup", "copy")
    assert "restoring" not in files(half)
    (half / "restoring").touch()
    with pytest.raises(DirectoryNotEmptyError):  # Whatever is said there: it has a journal.
        brought_back(world, tmp_path / "backup", "copy")


async def test_a_backup_is_never_taken_for_an_empty_place(world: World, tmp_path: Path) -> None:
    """Not even one that was broken off, and whatever else is said there."""
    await owner(world)
    target, other = tmp_path / "backup", tmp_path / "other"
    saved(world, "owner", target)
    saved(world, "owner", other)
    for marker in ("unfinished", "restoring"):
        for folder in (target, other):
            (folder / marker).touch()
        before = files(target), files(other)
        for place in (target, target / "new", tmp_path):
            with pytest.raises(DataDirectoryError, match="neither into itself nor around itself"):
                restore(target, place, random=bytes)
        with pytest.raises(DirectoryNotEmptyError):
            restore(target, other, random=bytes)
        assert (files(target), files(other)) == before
    (other / "restoring").unlink()
    (other / "manifest.json").unlink()  # A first one that was broken off.
    with pytest.raises(DirectoryNotEmptyError):
        restore(target, other, random=bytes)
