"""Whatever a crash, or somebody, has left where archives lie: it is gone over, mended, or named.

Links are never followed and pipes never waited for: what lies behind them is not ours.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.crash.disk import Tree, tree_of
from tests.crash.weekly import FOLDER, Archiving
from workflow.engine.history import steps_after
from workflow.errors import ContentDamagedError
from workflow.node import Node
from workflow.status import Status
from workflow.testing.world import DAY, HOUR, WEEK, World, text_message

pytestmark = pytest.mark.timeout(30)  # Whoever opens a pipe as if it were a file waits for ever.

KEY: Final = bytes(range(1, 33))
TOPIC: Final = b"\x01\x02\x03\x04"

Replace = Callable[[Path, Path], None]
"""Puts something in the place of the first path; what the second has must stay as it is."""


def link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def link_to_nothing(path: Path, victim: Path) -> None:
    path.symlink_to(victim.with_name("nothing"))


def folder(path: Path, _: Path) -> None:
    path.mkdir()


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def nothing(_: Path, __: Path) -> None:
    pass


IMPOSTORS: Final = (link, link_to_nothing, folder, pipe)


def replaced(path: Path, replace: Replace, victim: Path) -> bytes:
    """The victim's bytes: a copy of what was there, so that a link would even pass for it."""
    content = path.read_bytes() if path.exists() else b"of somebody else"
    with suppress(FileNotFoundError):
        path.unlink()
    victim.write_bytes(content)
    replace(path, victim)
    return content


def names_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


# -- before a generation is made ------------------------------------------------------------------


@pytest.fixture
def archiving(fast_disk: Path) -> Archiving:
    made = Archiving(fast_disk / "run")
    made.root.mkdir()
    return made


@pytest.fixture
def clean(archiving: Archiving) -> list[Tree]:
    """Two generations without trouble; the disk is left as it was after the first."""
    archiving.next_generation(0)
    first = tree_of(archiving.root)
    shutil.copytree(archiving.root, archiving.root.with_name("copy"))
    archiving.next_generation(1)
    second = tree_of(archiving.root)
    shutil.rmtree(archiving.root)
    archiving.root.with_name("copy").rename(archiving.root)
    return [{}, first, second]


@pytest.mark.parametrize("tail", [b"\0", b"junk" * 1000, bytes(300_000)])
def test_bytes_behind_the_committed_length_are_gone_over(
    archiving: Archiving, clean: list[Tree], tail: bytes
) -> None:
    with (archiving.root / FOLDER / "data").open("ab") as data:
        data.write(tail)
    archiving.next_generation(1)
    assert tree_of(archiving.root) == clean[2]


@pytest.mark.parametrize("length", [0, 1, 102_399])
def test_when_committed_bytes_are_missing_nothing_is_written(
    archiving: Archiving, clean: list[Tree], length: int
) -> None:
    os.truncate(archiving.root / FOLDER / "data", length)
    before = tree_of(archiving.root)
    with pytest.raises(ContentDamagedError, match="shorter"):
        archiving.next_generation(1)
    assert tree_of(archiving.root) == before


@pytest.mark.parametrize("replace", [*IMPOSTORS, nothing])
def test_what_is_no_file_is_not_taken_for_the_data(
    archiving: Archiving, clean: list[Tree], fast_disk: Path, replace: Replace
) -> None:
    victim = fast_disk / "victim"
    content = replaced(archiving.root / FOLDER / "data", replace, victim)
    before = names_of(archiving.root)
    with pytest.raises(ContentDamagedError):
        archiving.next_generation(1)
    assert victim.read_bytes() == content
    assert names_of(archiving.root) == before


@pytest.mark.parametrize("replace", IMPOSTORS)
def test_what_is_no_file_does_not_become_the_first_data(
    archiving: Archiving, fast_disk: Path, replace: Replace
) -> None:
    victim = fast_disk / "victim"
    (archiving.root / FOLDER).mkdir(parents=True)
    replaced(archiving.root / FOLDER / "data", replace, victim)
    with pytest.raises(ContentDamagedError):
        archiving.next_generation(0)
    assert victim.read_bytes() == b"of somebody else"


@pytest.mark.parametrize("replace", [link, link_to_nothing, pipe])
@pytest.mark.parametrize("name", ["index.2", "2.torrent", "index.2.draft", "2.torrent.draft"])
def test_what_lies_where_new_files_go_is_replaced(
    archiving: Archiving, clean: list[Tree], fast_disk: Path, name: str, replace: Replace
) -> None:
    victim = fast_disk / "victim"
    replaced(archiving.root / FOLDER / name, replace, victim)
    archiving.next_generation(1)
    assert tree_of(archiving.root) == clean[2]
    assert victim.read_bytes() == b"of somebody else"


def test_files_of_a_generation_that_never_was_committed_are_replaced(
    archiving: Archiving, clean: list[Tree]
) -> None:
    for name in ("index.2", "2.torrent", "index.2.draft", "2.torrent.draft"):
        (archiving.root / FOLDER / name).write_bytes(b"of a run that was killed" * 1000)
    archiving.next_generation(1)
    assert tree_of(archiving.root) == clean[2]


@pytest.mark.parametrize("replace", [*IMPOSTORS, nothing])
def test_the_torrent_before_is_not_needed(
    archiving: Archiving, clean: list[Tree], fast_disk: Path, replace: Replace
) -> None:
    """Its hashes are made again from the bytes; it is for ``seed_torrent`` to mend it."""
    path = archiving.root / FOLDER / "1.torrent"
    replaced(path, replace, fast_disk / "victim")
    archiving.next_generation(1)
    assert (archiving.root / FOLDER / "2.torrent").read_bytes() == clean[2][f"{FOLDER}/2.torrent"]


# -- before a generation is offered ---------------------------------------------------------------


class Owner:
    """A control node with one week of archives, which is stopped while its files are changed."""

    def __init__(self, directory: Path) -> None:
        self.world = World(directory)
        self.id = ""
        self.events: list[str] = []

    async def archive_a_week(self, *, offer: bool = True) -> None:
        world = self.world
        world.check_seconds = 2.0 if offer else DAY
        node = await world.start("owner")
        await node.enable()
        self.id = await node.create_community("chess", private_key=KEY)
        await node.add_topic(self.id, TOPIC)
        await node.add_messages(self.id, [text_message(TOPIC, world.clock.now(), "one")])
        await world.advance(WEEK + 2 * HOUR)
        status = await node.status(self.id)
        assert (status.generation, status.is_live) == (1, offer)
        await world.stop("owner")
        world.check_seconds = 2.0

    @property
    def folder(self) -> Path:
        return self.world.place("owner").directory / "archives" / self.id / "1"

    async def add_member(self) -> None:
        """Another node that has the same archives, and goes on offering them."""
        world = self.world
        await world.start("owner")
        member = await world.start("member")
        await member.enable()
        await member.join(self.id, "chess")
        await member.add_topic(self.id, TOPIC)
        await world.advance(DAY)
        assert (await member.status(self.id)).is_live
        await world.stop("owner")

    async def run(self, seconds: float) -> Status:
        node: Node = await self.world.start("owner")
        await self.world.advance(seconds)
        status = await node.status(self.id)
        self.events = [one.event for one in await node.engine.run(lambda tx: steps_after(tx, 0))]
        await self.world.close()
        assert self.world.violations() == []
        return status


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def damage(path: Path, how: Replace | str, victim: Path) -> None:
    if how == "flipped":
        flip(path, 10)
    elif how == "cut":
        os.truncate(path, path.stat().st_size - 1)
    elif how == "empty":
        path.write_bytes(b"")
    elif callable(how):
        replaced(path, how, victim)


HARM: Final = ("flipped", "cut", "empty", link, pipe, nothing)


@pytest.mark.parametrize("how", HARM)
@pytest.mark.parametrize("names", [("1.torrent",), ("index.1",), ("index.1", "1.torrent")])
async def test_a_lost_index_or_torrent_is_made_again_with_the_same_bytes(
    fast_disk: Path, names: tuple[str, ...], how: Replace | str
) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week()
    before = {name: (owner.folder / name).read_bytes() for name in names}
    announced = len(owner.world.network.published)
    for name in names:
        damage(owner.folder / name, how, fast_disk / f"victim of {name}")
    status = await owner.run(HOUR)
    assert (status.state, status.is_live, status.reason) == ("idle", True, "")
    for name in names:
        assert not (owner.folder / name).is_symlink()
        assert (owner.folder / name).read_bytes() == before[name]
    assert len(owner.world.network.published) == announced


@pytest.mark.parametrize("how", [*HARM, folder])
async def test_damaged_data_is_named_and_neither_offered_nor_announced(
    fast_disk: Path, how: Replace | str
) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week()
    announced = len(owner.world.network.published)
    victim = fast_disk / "victim"
    good = (owner.folder / "data").read_bytes()
    damage(owner.folder / "data", how, victim)
    status = await owner.run(2 * DAY)  # Long enough to announce again, if it could.
    assert not status.is_live
    assert status.reason
    assert "PIECES_MISSING" in owner.events
    assert len(owner.world.network.published) == announced
    if victim.exists():
        assert victim.read_bytes() == good


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", nothing])
async def test_damaged_data_is_fetched_from_a_member_and_offered_again(
    fast_disk: Path, how: Replace | str
) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week()
    await owner.add_member()
    good = (owner.folder / "data").read_bytes()
    damage(owner.folder / "data", how, fast_disk / "victim")
    status = await owner.run(2 * HOUR)
    assert (status.state, status.is_live, status.reason) == ("idle", True, "")
    assert (owner.folder / "data").read_bytes() == good


async def test_a_repair_does_not_write_through_a_link(fast_disk: Path) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week()
    await owner.add_member()
    victim = fast_disk / "victim"
    damage(owner.folder / "data", link, victim)
    victim.write_bytes(b"of somebody else")
    await owner.run(2 * HOUR)
    assert victim.read_bytes() == b"of somebody else"


@pytest.mark.parametrize("lost", ["1.torrent", "index.1"])
async def test_damaged_data_that_never_was_offered_is_named_when_another_file_is_lost_too(
    fast_disk: Path, lost: str
) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week(offer=False)
    flip(owner.folder / "data", 10)
    (owner.folder / "1.torrent").unlink()
    if lost != "1.torrent":
        (owner.folder / lost).unlink()
    status = await owner.run(2 * DAY)
    assert not status.is_live
    assert "content-damaged" in status.reason
    assert owner.world.network.published == []


async def test_data_that_was_damaged_before_it_was_ever_offered_is_not_announced(
    fast_disk: Path,
) -> None:
    owner = Owner(fast_disk / "world")
    await owner.archive_a_week(offer=False)
    flip(owner.folder / "data", 10)
    status = await owner.run(2 * DAY)
    assert owner.world.network.published == []
    assert not status.is_live
