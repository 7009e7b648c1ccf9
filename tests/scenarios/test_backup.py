"""Backups: made while the node runs, checked, never whole unless they are, and restored."""

from __future__ import annotations

import errno
import fcntl
import io
import itertools
import json
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.backed_up import (
    KEY,
    TOPIC,
    brought_back,
    files,
    member_of,
    more,
    owner,
    saved,
    texts,
)
from workflow.archive.pieces import PIECE_LENGTH
from workflow.backup import Manifest, back_up, read_manifest, restore, saving
from workflow.backup.copying import copy_runs
from workflow.backup.runs import merged, without
from workflow.engine.reading import ReadOnlyJournal
from workflow.errors import (
    BackupInvalidError,
    ContentDamagedError,
    DataDirectoryError,
    DirectoryLockedError,
    DirectoryNotEmptyError,
    JournalMissingError,
)
from workflow.files.folder import open_to_read
from workflow.ports.records import Choice
from workflow.testing.world import HOUR, World
from workflow.viewing import read_journal


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World, None]:
    world = World(tmp_path)
    yield world
    assert world.violations() == []
    await world.close()


# ----------------------------------------------------------------------------------------- one node


async def test_a_running_node_is_backed_up_and_restored(world: World, tmp_path: Path) -> None:
    node, id = await owner(world, weeks=2)
    made = saved(world, "owner", tmp_path / "backup").manifest
    here = world.place("owner").directory
    (told,) = made.communities
    assert (told.name, told.archives, told.generation) == ("chess", 2, 2)
    assert (told.is_controlled, told.has_key, made.problems) == (True, False, ())
    assert set(files(tmp_path / "backup")) == {
        "manifest.json", "journal-1.sqlite3",
        f"archives/{id}/1/data", f"archives/{id}/1/index.2", f"archives/{id}/1/2.torrent",
    }  # fmt: skip
    data = f"archives/{id}/1/data"
    assert (tmp_path / "backup" / data).read_bytes() == (here / data).read_bytes()
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert brought_back(world, tmp_path / "backup", "copy").to_take_over == ("chess",)
    copy = await world.start("copy")
    assert await texts(copy, id) == await texts(node, id)
    assert not (await copy.verify(id)).problems


async def test_an_earlier_backup_gets_only_what_is_new(world: World, tmp_path: Path) -> None:
    node, id = await owner(world, weeks=3)
    target = tmp_path / "backup"
    first = saved(world, "owner", target).manifest
    data = target / "archives" / id / "1" / "data"
    data.chmod(0o600)
    before, size = data.read_bytes(), data.stat().st_size
    await more(world, node, id)
    second = saved(world, "owner", target)
    journal = second.manifest.journal.size
    assert second.manifest.number == first.number + 1
    assert second.new - journal < 2 * PIECE_LENGTH
    assert data.read_bytes()[:size] == before
    assert set(files(target)) == {
        "manifest.json", "journal-2.sqlite3",
        f"archives/{id}/1/data", f"archives/{id}/1/index.4", f"archives/{id}/1/4.torrent",
    }  # fmt: skip
    third = saved(world, "owner", target)
    assert third.new == third.manifest.journal.size, "nothing but the journal"


async def test_a_part_stays_a_part_and_its_holes_stay_holes(world: World, tmp_path: Path) -> None:
    _, id = await owner(world, weeks=4)
    member = await member_of(world, "member", id)
    await member.choose(id, Choice(is_latest=True))
    await world.advance(HOUR)
    target = tmp_path / "backup"
    first = saved(world, "member", target).manifest
    (kept,) = [one for one in first.files if one.path.endswith("/data")]
    assert kept.runs == ((3 * PIECE_LENGTH, 4 * PIECE_LENGTH),)
    assert first.problems == ()
    await member.choose(id, Choice())
    await world.advance(HOUR)
    second = saved(world, "member", target).manifest
    (kept,) = [one for one in second.files if one.path.endswith("/data")]
    assert kept.runs == ((0, 4 * PIECE_LENGTH),)
    assert second.problems == (), "what was a hole has been filled"
    assert brought_back(world, target, "copy", "member").to_take_over == ()
    copy = await world.start("copy")
    assert await texts(copy, id) == await texts(member, id)
    assert (await copy.snapshot(id)).condition == ""


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


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EOPNOTSUPP])
async def test_where_the_system_cannot_copy_we_do(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    node, id = await owner(world)

    def refused(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refused)
    assert saved(world, "owner", tmp_path / "backup").manifest.problems == ()
    brought_back(world, tmp_path / "backup", "copy")
    assert await texts(await world.start("copy"), id) == await texts(node, id)


# ------------------------------------------------------------------------------------- broken off


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


async def test_settings_go_with_it_and_give_way_to_those_that_are_there(
    world: World, tmp_path: Path
) -> None:
    await owner(world)
    settings, target = world.place("owner").directory / "settings.toml", tmp_path / "backup"
    settings.write_text('listen = "6881"\n')
    first = saved(world, "owner", target).manifest
    assert first.settings is not None
    assert first.settings.path == "settings-1.toml"
    assert (target / "settings-1.toml").stat().st_mode & 0o777 == 0o600
    settings.write_text('listen = "6882"\n')
    assert saved(world, "owner", target).manifest.number == 2
    assert "settings-1.toml" not in files(target)
    restore(target, tmp_path / "one", random=bytes)
    assert (tmp_path / "one" / "settings.toml").read_text() == 'listen = "6882"\n'
    begun = tmp_path / "two"
    for folder in ("local-network", ".local"):  # Of other nodes of this user.
        (begun / folder).mkdir(parents=True)
    (begun / "settings.toml").write_text('network = "local"\n')
    restore(target, begun, random=bytes)
    assert (begun / "settings.toml").read_text() == 'network = "local"\n'
    (target / "settings-2.toml").write_text('listen = "6883"\n')
    with pytest.raises(BackupInvalidError, match="another hash"):
        restore(target, tmp_path / "three", random=bytes)
    settings.unlink()
    settings.mkdir()
    made = saved(world, "owner", target).manifest
    assert (made.settings, len(made.problems)) == (None, 1)
    settings.rmdir()
    made = saved(world, "owner", target).manifest
    assert (made.settings, made.problems) == (None, ())
    restore(target, tmp_path / "four", random=bytes)
    assert not (tmp_path / "four" / "settings.toml").exists()


async def test_places_that_are_refused(world: World, tmp_path: Path) -> None:
    await owner(world)
    here, target = world.place("owner").directory, tmp_path / "backup"
    for place in (here, here / "backup", here.parent):
        with pytest.raises(DataDirectoryError, match="neither in the data directory nor around"):
            saved(world, "owner", place)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").touch()
    with pytest.raises(DirectoryNotEmptyError):
        saved(world, "owner", full)
    with pytest.raises(BackupInvalidError, match="there is no backup here"):
        restore(full, tmp_path / "new", random=bytes)
    saved(world, "owner", target)
    with pytest.raises(DirectoryNotEmptyError):
        restore(target, full, random=bytes)
    with pytest.raises(DirectoryNotEmptyError):
        restore(target, full / "thesis.txt", random=bytes)
    with pytest.raises(DataDirectoryError, match="cannot be written"):
        saved(world, "owner", full / "thesis.txt" / "x")
    with pytest.raises(JournalMissingError):
        back_up(tmp_path / "nowhere", tmp_path / "b2", now=0.0, with_keys=False)
    with (target / "unfinished").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DirectoryLockedError, match="another backup is being made"):
            saved(world, "owner", target)


def manifest_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


CHANGES: list[dict[str, Any]] = [
    {"path": "archives/../../outside"}, {"path": "inbox.sqlite3"}, {"path": "/etc/passwd"},
    {"path": ""}, {"path": "keys/a\0b"},
    {"runs": [[5, 2]]}, {"runs": [[0, 10**12]]}, {"runs": [[4, 6], [5, 8]]}, {"size": "many"},
]  # fmt: skip


async def test_a_manifest_is_input(world: World, tmp_path: Path) -> None:
    await owner(world)
    target = tmp_path / "backup"
    saved(world, "owner", target)
    told = manifest_of(target)
    changed = [{**told, "files": [told["files"][0] | change]} for change in CHANGES]
    for text in ("{", "[]", '"x"', *map(json.dumps, changed)):
        (target / "manifest.json").write_text(text)
        with pytest.raises(BackupInvalidError, match="cannot be read"):
            restore(target, tmp_path / "new", random=bytes)
    (target / "manifest.json").write_text(json.dumps({**told, "format": 2}))
    with pytest.raises(BackupInvalidError, match="by a newer version"):
        restore(target, tmp_path / "new", random=bytes)
    assert not (tmp_path / "new").exists()


async def test_what_was_retired_meanwhile_is_taken_from_a_later_moment(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look at the journal is of a moment whose files have gone since."""
    node, id = await owner(world)
    with read_journal(world.place("owner").directory / "journal.sqlite3") as journal:
        journal.copy_to(tmp_path / "then")
    await more(world, node, id)
    looks: list[Path] = []
    now = ReadOnlyJournal.copy_to

    def copy_to(self: ReadOnlyJournal, target: Path) -> None:
        looks.append(target)
        if len(looks) == 1:
            shutil.copy(tmp_path / "then", target)
        else:
            now(self, target)

    monkeypatch.setattr(ReadOnlyJournal, "copy_to", copy_to)
    made = saved(world, "owner", tmp_path / "backup").manifest
    assert len(looks) == 2
    assert (made.problems, made.communities[0].generation) == ((), 2)


async def test_a_backup_with_a_lost_or_false_file_is_refused(world: World, tmp_path: Path) -> None:
    _, id = await owner(world)
    target = tmp_path / "backup"
    made: Manifest = saved(world, "owner", target).manifest
    (target / "archives" / id / "1" / "index.1").unlink()
    with pytest.raises(BackupInvalidError, match="a file of the backup is damaged"):
        restore(target, tmp_path / "new", random=bytes)
    saved(world, "owner", target)
    told, journal = manifest_of(target), target / "journal-2.sqlite3"
    assert made.number == 1
    journal.write_bytes(b"x" * journal.stat().st_size)
    told["journal"]["sha256"] = sha256(journal.read_bytes()).hexdigest()
    (target / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(BackupInvalidError, match="the copy is damaged"):
        restore(target, tmp_path / "new", random=bytes)


# ------------------------------------------------------------------------------------------- runs


def test_a_file_that_ends_before_is_not_copied_as_if_it_did_not(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    missing = copy_runs(tmp_path / "short", tmp_path / "copy", 9, [(2, 9)], lambda _: None)
    assert [error.message for error in missing.values()] == ["byte 5 is behind the end"]
    with pytest.raises(ContentDamagedError, match="no file is there"):
        copy_runs(tmp_path / "none", tmp_path / "copy", 9, [(2, 9)], lambda _: None)
    # Where nothing is mapped, the kernel says what a disk says of a sector that it cannot read.
    missing = copy_runs(
        Path("/proc/self/mem"), tmp_path / "copy", 9, [(0, PIECE_LENGTH)], lambda _: None
    )
    assert [error.message for error in missing.values()] == [
        "it cannot be read: Input/output error"
    ]


async def test_a_history_that_began_anew_replaces_the_one_in_the_backup(
    world: World, tmp_path: Path
) -> None:
    """The community was removed and made again: the same names, and other bytes."""
    node, id = await owner(world)
    target = tmp_path / "backup"
    before = saved(world, "owner", target).manifest
    await node.remove(id)
    assert await node.create_community("chess", private_key=KEY) == id
    await node.add_topic(id, TOPIC)
    await more(world, node, id)
    after = saved(world, "owner", target).manifest
    assert after.problems == ()
    assert {one.path for one in after.files} == {one.path for one in before.files}
    data = world.place("owner").directory / "archives" / id / "1" / "data"
    assert (target / "archives" / id / "1" / "data").read_bytes() == data.read_bytes()


def test_runs_are_counted_by_bytes() -> None:
    runs = [(0, 4), (4, 6), (9, 12), (10, 11)]
    others = [(1, 2), (5, 10)]
    assert merged(runs) == [(0, 6), (9, 12)]
    ours = {at for start, end in runs for at in range(start, end)}
    theirs = {at for start, end in others for at in range(start, end)}
    left = [at for start, end in without(merged(runs), others) for at in range(start, end)]
    assert left == sorted(ours - theirs)
    assert without(runs, []) == runs
