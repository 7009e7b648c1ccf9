"""A member has what it chose, and offers it: all archives, the latest, or a range of time."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.scenarios.test_stories import (
    KEY,
    OTHER_KEY,
    end_of,
    fast_disk,
    files_of,
    found_community,
    status_of,
    tell_with_crashes,
    write,
)
from workflow.commanding import asked, perform
from workflow.coverage import Coverage
from workflow.errors import AdoptionError, ChoiceRefusedError, UnknownCommunityError
from workflow.inspection import inspect
from workflow.node import Node
from workflow.ports.records import ALL, Choice
from workflow.testing.world import DAY, HOUR, START, WEEK, World, text_message

__all__ = ["fast_disk"]

LATEST = Choice(is_latest=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


async def owner_with(world: World, *weeks: str) -> str:
    """A control node that has archived and announced so many weeks."""
    id = await found_community(world)
    for week in weeks:
        await write(world, "owner", id, f"{week} a", f"{week} b")
        await world.advance(WEEK)
    await world.advance(2 * HOUR)
    return id


async def member_with(world: World, id: str, choice: Choice, name: str = "member") -> Node:
    node = await world.start(name)
    await node.enable()
    await node.join(id, "chess")
    await node.choose(id, choice)
    await world.advance(HOUR)
    return node


async def texts(node: Node, id: str) -> list[str]:
    found = [(one.encoded or b"").decode(errors="ignore") for one in await node.messages(id)]
    names = ("one", "two", "three", "four")
    return [next(name for name in names if f"{name} " in text) for text in found]


async def weeks_here(node: Node, id: str) -> list[int]:
    """How many archives of each week are on the disk; whatever was read must be sound."""
    found: Coverage = await node.verify(id)
    assert found.is_complete, found
    assert all(week.here + week.not_chosen == week.archives for week in found.weeks)
    return [week.here for week in found.weeks]


def folder_of(world: World, name: str, id: str) -> Path:
    return world.place(name).directory / "archives" / id


def on_disk(data: Path) -> int:
    """Bytes that the file takes: holes take none."""
    return data.stat().st_blocks * 512


# -- the stories ------------------------------------------------------------------------------


async def the_latest_is_chosen_and_then_all(world: World) -> object:
    id = await found_community(world)
    await world.start("member")
    await world.do("member", lambda node: node.enable())
    for week in ("one", "two"):
        await write(world, "owner", id, f"{week} a", f"{week} b")
        await world.advance(WEEK)
    await world.advance(2 * HOUR)
    await world.do("member", lambda node: node.join(id, "chess"))
    await world.do("member", lambda node: node.choose(id, LATEST))
    await world.advance(HOUR)
    part = await end_of(world, "member", id)
    assert (part.state, part.is_live, len(part.messages)) == ("idle", True, 2)
    await write(world, "owner", id, "three a")
    await world.advance(WEEK)
    grown = await end_of(world, "member", id)
    assert (grown.state, grown.is_live, len(grown.messages)) == ("idle", True, 3)
    assert (await world.do("member", lambda node: node.verify(id))).is_complete
    await world.do("member", lambda node: node.choose(id, ALL))
    await world.advance(HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert (member.is_live, member.files) == (True, owner.files)
    assert member.messages == owner.messages
    return part, grown, member


async def test_the_latest_and_then_all_with_crashes(fast_disk: Path) -> None:
    await tell_with_crashes(the_latest_is_chosen_and_then_all, fast_disk, at_most=16)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_the_latest_and_then_all_with_a_crash_at_every_point(fast_disk: Path) -> None:
    await tell_with_crashes(the_latest_is_chosen_and_then_all, fast_disk, at_most=1_000_000)


@pytest.mark.parametrize(
    ("choice", "here"),
    [
        (ALL, [1, 1, 1]),
        (LATEST, [0, 0, 1]),
        (Choice(since=int(START + 8 * DAY), until=int(START + 9 * DAY)), [0, 1, 0]),
        (Choice(until=int(START + 7 * DAY + 1)), [1, 1, 0]),
        (Choice(since=int(START + 14 * DAY)), [0, 0, 1]),
        (Choice(since=int(START + 99 * DAY)), [0, 0, 0]),
    ],
)
async def test_only_what_is_chosen_is_fetched(
    world: World, choice: Choice, here: list[int]
) -> None:
    id = await owner_with(world, "one", "two", "three")
    member = await member_with(world, id, choice)
    assert await weeks_here(member, id) == here
    names = [name for name, is_here in zip(("one", "two", "three"), here, strict=True) if is_here]
    assert await texts(member, id) == [name for name in names for _ in range(2)]
    assert await member.imports(id) == (sum(here), 0)
    if any(here):
        assert (await member.status(id)).is_live
        data = folder_of(world, "member", id) / "1" / "data"
        assert on_disk(data) == 102_400 * sum(here)


async def test_what_is_not_chosen_is_not_called_damage(world: World, tmp_path: Path) -> None:
    id = await owner_with(world, "one", "two", "three")
    await member_with(world, id, Choice(since=int(START + WEEK), until=int(START + 2 * WEEK)))
    folder = folder_of(world, "member", id)
    seen = inspect(folder)
    assert seen.problems == ()
    assert [one.form for one in seen.archives] == ["absent", "plain", "absent"]
    assert seen.torrent is not None
    assert (seen.torrent.damaged, seen.torrent.absent) == ((), 2)
    other = await world.start("copy")
    await other.enable()
    again = await other.create_community("chess", private_key=KEY)
    with pytest.raises(AdoptionError, match=r"2 of 3 archives are not here"):
        await other.adopt(again, folder)
    data = folder / "1" / "data"
    whole = data.read_bytes()
    data.write_bytes(whole[:102_401] + b"\xff" + whole[102_402:])
    assert inspect(folder).problems != ()
    found = await world.node("member").verify(id)
    assert next(one.text for one in found.problems) == (
        "bytes 102400 to 204800: the piece has another hash"
    )


async def test_a_part_is_offered_when_the_owner_is_gone(world: World) -> None:
    """To whom it is enough; who wants more gets this much, and is told that it is not all."""
    id = await owner_with(world, "one", "two")
    member = await member_with(world, id, LATEST)
    line = await member.announcement(id)
    await world.stop("owner")
    same = await member_with(world, id, LATEST, "same")
    await same.receive_announcement(line)
    await world.advance(HOUR)
    assert await texts(same, id) == ["two", "two"]
    assert (await same.status(id)).is_live
    more = await member_with(world, id, ALL, "more")
    await more.receive_announcement(line)
    await world.advance(HOUR)
    assert await texts(more, id) == ["two", "two"]
    assert (await more.status(id)).generation == 0
    await world.start("owner")
    await world.advance(DAY)
    assert await texts(more, id) == ["one", "one", "two", "two"]


async def test_a_part_survives_a_restart_and_the_loss_of_what_describes_it(world: World) -> None:
    id = await owner_with(world, "one", "two")
    await member_with(world, id, LATEST)
    folder = folder_of(world, "member", id) / "1"
    for lost in (("index.1", "1.torrent"), ("1.torrent",), ("data",), ()):
        await world.stop("member")
        for name in lost:
            (folder / name).unlink()
        await world.start("member")
        await world.advance(2 * HOUR)
        assert (await status_of(world, "member", id)).is_live
        assert await weeks_here(world.node("member"), id) == [0, 1]
    assert await texts(world.node("member"), id) == ["two", "two"]


async def test_a_choice_is_changed_in_the_middle(world: World) -> None:
    """Narrower: what is under way may come or not. Wider: it comes."""
    id = await owner_with(world, "one", "two", "three")
    world.seconds_per_archive = HOUR
    member = await member_with(world, id, LATEST)
    assert (await member.status(id)).state == "downloading"
    await member.choose(id, Choice(until=int(START + WEEK)))
    await world.advance(4 * HOUR)
    assert await weeks_here(member, id) == [1, 0, 1]
    await member.choose(id, ALL)
    await world.advance(HOUR / 2)
    assert (await member.status(id)).state == "downloading"
    await member.choose(id, LATEST)
    await world.advance(6 * HOUR)
    assert (await member.status(id)).state == "idle"
    found = await member.verify(id)
    assert found.is_complete
    await member.choose(id, ALL)
    await world.advance(6 * HOUR)
    assert await weeks_here(member, id) == [1, 1, 1]
    data = "1/data"
    assert (folder_of(world, "member", id) / data).read_bytes() == (
        folder_of(world, "owner", id) / data
    ).read_bytes()


async def test_a_part_of_a_rewritten_history(world: World) -> None:
    """The owner loses everything and begins anew: a new lineage, of which the same is chosen."""
    id = await owner_with(world, "one", "two")
    member = await member_with(world, id, LATEST)
    await world.stop("owner")
    shutil.rmtree(world.place("owner").directory)
    node = await world.start("owner")
    await node.enable()
    await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, b"\x01\x02\x03\x04")
    await member.switch_off(id)
    await world.advance(8 * DAY)
    for week, name in ((0, "three"), (1, "four")):
        at = START + week * WEEK + HOUR
        await node.add_messages(id, [text_message(b"\x01\x02\x03\x04", at, f"{name} a")])
    await world.advance(DAY)
    await member.switch_on(id)
    await world.advance(DAY)
    assert (folder_of(world, "member", id) / "2" / "data").exists()
    assert "four" in await texts(member, id)
    assert "three" not in await texts(member, id)
    assert (await member.status(id)).is_live
    await member.choose(id, ALL)
    await world.advance(HOUR)
    assert "three" in await texts(member, id)
    found = await member.verify(id)
    assert [(week.here, week.why) for week in found.weeks] == [(1, ""), (1, "")]
    assert found.problems == []


async def test_a_part_of_an_encrypted_history(world: World) -> None:
    id = await found_community(world)
    key = await world.node("owner").create_ratchet_key(id)
    for week in ("one", "two"):
        await write(world, "owner", id, f"{week} a")
        await world.advance(WEEK)
    await world.advance(2 * HOUR)
    member = await member_with(world, id, LATEST)
    assert (await member.status(id)).generation == 0
    await member.add_ratchet_key(id, key)
    await world.advance(HOUR)
    assert await texts(member, id) == ["two"]
    await world.restart("member")
    member = world.node("member")
    await world.advance(HOUR)
    assert (await member.status(id)).is_live
    assert await weeks_here(member, id) == [0, 1]
    await member.choose(id, ALL)
    await world.advance(HOUR)
    assert files_of(folder_of(world, "member", id)) == files_of(folder_of(world, "owner", id))


async def test_an_owner_has_all(world: World) -> None:
    """It may not choose a part, and who has a part may not become owner."""
    id = await owner_with(world, "one", "two")
    with pytest.raises(ChoiceRefusedError):
        await world.node("owner").choose(id, LATEST)
    await world.node("owner").choose(id, ALL)
    member = await member_with(world, id, LATEST)
    with pytest.raises(ChoiceRefusedError):
        await member.become_control_node(id, OTHER_KEY)
    await world.stop("owner")
    await member.choose(id, ALL)
    with pytest.raises(ChoiceRefusedError):  # It is not here yet.
        await member.become_control_node(id, OTHER_KEY)
    await world.advance(DAY)
    sent = len(world.network.published)
    assert not (await member.status(id)).is_control_node
    await world.start("owner")
    await world.advance(DAY)
    await member.become_control_node(id, OTHER_KEY)
    assert (await member.status(id)).is_control_node
    await world.advance(DAY)
    assert len(world.network.published) > sent


async def test_a_choice_can_be_asked_for(world: World) -> None:
    id = await owner_with(world, "one", "two")
    member = await member_with(world, id, ALL)
    at = world.clock.now()
    command = replace(asked(str(uuid4()), "choose", id, at, is_latest=True), actor="cron")
    assert (await perform(member, command)).details == {
        "since": None, "until": None, "is_latest": True,
    }  # fmt: skip
    assert (await member.verify(id)).choice == LATEST
    assert await weeks_here(member, id) == [1, 1], "nothing is deleted"
    with pytest.raises(UnknownCommunityError):
        await member.choose("0x02", ALL)
    with pytest.raises(ChoiceRefusedError):
        await perform(member, asked(str(uuid4()), "choose", id, at, since=2, until=2))
    with pytest.raises(ChoiceRefusedError):
        Choice(since=1, is_latest=True)


async def test_nothing_that_came_is_hashed_to_be_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What describes a generation comes with its index; the carrier alone reads the archives."""
    id = await owner_with(world, "one", "two")

    def refuse(path: Path, length: int) -> bytes:
        raise AssertionError(f"{length} bytes of {path} were hashed again")

    monkeypatch.setattr("workflow.files.torrents.hash_data", refuse)
    await member_with(world, id, ALL)
    assert (await status_of(world, "member", id)).is_live


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (ALL, "all archives"),
        (LATEST, "the latest archives"),
        (Choice(since=0), "archives from 1970-01-01 00:00"),
        (Choice(0, 86_400), "archives from 1970-01-01 00:00 before 1970-01-02 00:00"),
    ],
)
def test_a_choice_in_words(choice: Choice, words: str) -> None:
    assert choice.words == words
