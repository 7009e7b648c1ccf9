"""Backups: made while the node runs, checked, never whole unless they are, and restored."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
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
from workflow.backup import back_up, restore
from workflow.backup.runs import merged, without
from workflow.engine.reading import ReadOnlyJournal
from workflow.errors import (
    BackupInvalidError,
    DataDirectoryError,
    DirectoryLockedError,
    DirectoryNotEmptyError,
    JournalMissingError,
)
from workflow.ports.records import Choice
from workflow.testing.world import HOUR, World
from workflow.viewing import read_journal

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
