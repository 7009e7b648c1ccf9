"""What is kept: archives adopted, history verified, messages let go and still read."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from workflow.archive.history import History, HistoryOptions, archive_history
from workflow.archive.message import ArchivedMessage
from workflow.chat.post import Author, Post
from workflow.chat.readable import post_of
from workflow.errors import (
    AdoptionError,
    ArchiveInvalidError,
    ArchivesNotFoundError,
    IndexInvalidError,
    JournalClosedError,
    NotControlNodeError,
)
from workflow.node import Node
from workflow.testing.world import DAY, HOUR, START, WEEK, World, text_message

TOPIC = b"chat"
KEY = bytes(range(1, 33))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


async def owner(world: World) -> tuple[Node, str]:
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    return node, id


def said(week: int, count: int = 3) -> list[ArchivedMessage]:
    start = START - 10 * WEEK + week * WEEK
    return [text_message(TOPIC, start + n * HOUR, f"week {week}, {n}") for n in range(count)]


def left_by_status_go(root: Path, id: str, messages: list[ArchivedMessage]) -> History:
    """Files as status-go's control node has them, with the .torrent where it puts it."""
    start = int(START - 10 * WEEK)
    made = archive_history(
        id, [TOPIC], messages, start, start + 3 * int(WEEK), HistoryOptions(reference=True)
    )
    assert made.index is not None
    assert made.torrent is not None
    (root / "archivedata" / id).mkdir(parents=True)
    (root / "torrents").mkdir()
    (root / "archivedata" / id / "data").write_bytes(made.data)
    (root / "archivedata" / id / "index").write_bytes(made.index)
    (root / "torrents" / f"{id}.torrent").write_bytes(made.torrent)
    return made


def tree(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


async def encoded(node: Node, id: str) -> list[bytes]:
    return [one.encoded or b"" for one in await node.messages(id)]


async def test_archives_of_status_go_are_adopted_and_continued(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    old = [message for week in range(3) for message in said(week)]
    made = left_by_status_go(tmp_path / "go", id, old)
    before = tree(tmp_path / "go")
    await node.adopt(id, tmp_path / "go" / "archivedata" / id)
    await world.advance(2 * HOUR)
    assert tree(tmp_path / "go") == before
    assert await encoded(node, id) == [message.encode() for message in old]
    found = await node.verify(id)
    assert found.is_complete
    assert [(week.archives, week.here, week.imported) for week in found.weeks] == [(1, 1, 1)] * 3
    await node.add_messages(id, said(5))
    await world.advance(DAY)
    folder = tmp_path / "owner" / "archives" / id / "2"
    assert (folder / "data").read_bytes()[: len(made.data)] == made.data
    assert (await node.status(id)).generation == 2
    assert (await node.verify(id)).is_complete
    assert {one.channel for one in world.network.published} == {f"{id}-magnetlinks"}


async def test_our_own_folder_is_adopted_when_the_database_is_lost(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    for week in range(3):
        await node.add_messages(id, said(week))
    await world.advance(DAY)
    folder = tmp_path / "owner" / "archives" / id
    files = {path.name: path.read_bytes() for path in (folder / "1").iterdir()}
    messages = await encoded(node, id)
    await world.stop("owner")
    shutil.move(folder, tmp_path / "left")
    shutil.rmtree(tmp_path / "owner")
    node, id = await owner(world)
    await node.adopt(id, tmp_path / "left")
    await world.advance(DAY)
    assert {path.name: path.read_bytes() for path in (folder / "2").iterdir()} == files
    assert await encoded(node, id) == messages
    assert (await node.verify(id)).is_complete


async def test_a_crash_after_the_copy_is_nothing_and_one_after_the_commit_is_resumed(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    old = said(1, 5)
    left_by_status_go(tmp_path / "go", id, old)
    killer = world.place("owner").killer
    deaths = 0
    while not (await node.status(id)).generation:
        killer.at = killer.passed + deaths + 1
        with suppress(JournalClosedError):
            await node.adopt(id, tmp_path / "go" / "archivedata" / id)
        deaths += killer.is_dead
        killer.at = None
        node = await world.restart("owner")
    await world.advance(DAY)
    assert deaths > 0
    assert await encoded(node, id) == [message.encode() for message in old]
    assert (await node.verify(id)).is_complete


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda folder: (folder / "index").unlink(), ArchivesNotFoundError),
        (lambda folder: (folder / "index").write_bytes(b"junk"), IndexInvalidError),
        (lambda folder: (folder / "data").write_bytes(b""), IndexInvalidError),
        (lambda folder: (folder / "data").write_bytes(b"x" * 400 * 1024), ArchiveInvalidError),
        (lambda folder: (folder / "index").write_bytes(b""), AdoptionError),
    ],
)
async def test_what_is_broken_is_not_adopted(
    world: World, tmp_path: Path, break_it: object, error: type[Exception]
) -> None:
    node, id = await owner(world)
    left_by_status_go(tmp_path / "go", id, said(1))
    break_it(tmp_path / "go" / "archivedata" / id)  # type: ignore[operator]
    with pytest.raises(error):
        await node.adopt(id, tmp_path / "go" / "archivedata" / id)
    assert (await node.status(id)).generation == 0


async def test_files_of_another_community_or_moment_are_not_adopted(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    made = left_by_status_go(tmp_path / "go", id, said(1))
    other = await node.create_community("go", private_key=KEY[::-1])
    with pytest.raises(AdoptionError, match="is that of"):
        await node.adopt(other, tmp_path / "go" / "archivedata" / id)
    data = tmp_path / "go" / "archivedata" / id / "data"
    data.write_bytes(made.data + bytes(102_400))
    await node.adopt(id, tmp_path / "go" / "archivedata" / id)  # what the .torrent covers is there
    with pytest.raises(AdoptionError, match="archives here already"):
        await node.adopt(id, tmp_path / "go" / "archivedata" / id)


async def test_verify_names_what_is_damaged_and_what_is_missing(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    for week in range(2):
        await node.add_messages(id, said(week))
    await world.advance(DAY)
    assert (await node.verify(id)).is_complete
    data = tmp_path / "owner" / "archives" / id / "1" / "data"
    whole = data.read_bytes()
    data.write_bytes(whole[:102_400] + b"\xff" + whole[102_401:])
    found = await node.verify(id)
    assert not found.is_complete
    assert found.problems[0].text == "bytes 102400 to 204800: the piece has another hash"
    data.write_bytes(whole)
    await node.add_messages(id, said(1, 7))
    found = await node.verify(id)
    assert [cell.why for cell in found.cells] == ["", "4 not archived yet"]
    await world.advance(DAY)
    assert (await node.verify(id)).is_complete


async def test_archived_messages_of_the_network_are_let_go_after_thirty_days(
    world: World, tmp_path: Path
) -> None:
    node, id = await owner(world)
    await node.add_messages(id, said(1))
    imported = [
        replace(text_message(TOPIC, START - 9 * WEEK + n, "imported"), third_party_id=f"{id}{n}")
        for n in range(3)
    ]
    await node.add_messages(id, imported)
    recent = [text_message(TOPIC, START - 2 * WEEK + n, f"recent {n}") for n in range(3)]
    await node.add_messages(id, recent)
    before = await encoded(node, id)
    await world.advance(DAY)
    rows = await node.engine.run(
        lambda tx: tx.execute(
            "SELECT origin, encoded IS NULL FROM message ORDER BY time", ()
        ).fetchall()
    )
    assert [is_gone for origin, is_gone in rows if origin is None].count(1) == 3
    assert [is_gone for origin, is_gone in rows if origin is not None] == [0, 0, 0]
    assert await encoded(node, id) == before
    assert (await node.verify(id)).is_complete
    assert await node.add_messages(id, said(1)) == 0


async def test_encrypted_archives_are_read_with_the_key_and_by_nobody_else(world: World) -> None:
    node, id = await owner(world)
    key = await node.create_ratchet_key(id)
    member = await world.start("member")
    await member.enable()
    await member.join(id, "chess")
    for week in range(2):
        await node.add_messages(id, said(week))
        await world.advance(DAY)
    assert (await member.status(id)).generation == 0
    assert await member.messages(id) == []
    await member.add_ratchet_key(id, key)
    await world.advance(DAY)
    assert await encoded(member, id) == await encoded(node, id) != []
    assert (await member.verify(id)).is_complete
    assert (await node.verify(id)).is_complete
    data = world.place("member").directory / "archives" / id / "1" / "data"
    assert b"week 1" not in data.read_bytes()


async def test_an_encrypted_community_without_a_key_writes_nothing(world: World) -> None:
    node, id = await owner(world)
    await node.set_encrypted(id, is_encrypted=True)
    await node.add_messages(id, said(1))
    await world.advance(DAY)
    status = await node.status(id)
    assert (status.generation, status.reason.split("]")[0]) == (0, "[ratchet-key-missing")
    await node.create_ratchet_key(id)
    await world.advance(2 * DAY)
    assert (await node.status(id)).generation == 1


async def test_posts_are_added_as_messages_that_the_community_signs(world: World) -> None:
    node, id = await owner(world)
    bob = Author("9", "bob")
    posts = [Post(str(n), "general", bob, int(START * 1000) + n, f"hello {n}") for n in range(3)]
    assert await node.add_messages(id, posts) == 3
    assert await node.add_messages(id, posts) == 0
    shown = [post_of(ArchivedMessage.decode(one)) for one in await encoded(node, id)]
    assert [(one.text, one.author.name, one.time_ms) for one in shown if isinstance(one, Post)] == [
        (post.text, "bob", post.time_ms) for post in posts
    ]
    assert [channel.name for channel in await node.channels(id)] == ["", "general"]


async def test_a_member_cannot_sign_posts(world: World) -> None:
    _, id = await owner(world)
    member = await world.start("member")
    await member.join(id, "chess")
    with pytest.raises(NotControlNodeError):
        await member.add_messages(id, [Post("1", "general", Author("9"), 0)])


async def test_a_week_that_is_appended_hashes_its_own_pieces_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, id = await owner(world)
    await node.add_messages(id, said(1))
    await world.advance(DAY)

    def refuse(path: Path, length: int) -> bytes:
        raise AssertionError(f"{length} bytes of {path} were hashed again")

    monkeypatch.setattr("workflow.files.torrents.hash_data", refuse)
    await node.add_messages(id, said(2))
    await world.advance(DAY)
    assert (await node.status(id)).generation == 2
    assert (await node.verify(id)).is_complete
