"""What happens to communities, told end to end, and told again with a crash at every point.

Each story runs on real journals and files, the shipped in-memory networks and a manual clock. It is
first told without a crash. Then it is told again for each point that a node passed (before and
after each commit, and between each effect on the world and its answer): there the node dies and is
started again. However it is told, it must end in the same way.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from workflow.adapters.carrier.memory import MemoryCarrier
from workflow.adapters.messaging.in_process import Acceptance, Faults, Published
from workflow.archive.announcement import Announcement, open_announcement, sign
from workflow.archive.codec import encode_archive
from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.ratchet import RatchetKey, encrypt
from workflow.archive.windows import Window
from workflow.engine.history import steps_after
from workflow.engine.rows import Recorded
from workflow.errors import JournalClosedError
from workflow.files.torrents import seal_generation
from workflow.node import Node
from workflow.ports.carrier import Content
from workflow.status import Status
from workflow.testing.world import DAY, HOUR, MINUTE, WEEK, World, text_message

KEY = bytes(range(1, 33))
OTHER_KEY = bytes(range(2, 34))
TOPIC = b"\x01\x02\x03\x04"


@dataclass(frozen=True, slots=True)
class End:
    """How a story ended for a node: what must not depend on crashes."""

    state: str
    is_live: bool
    files: str
    messages: tuple[str, ...]
    condition: str


async def end_of(world: World, name: str, id: str) -> End:
    status = await status_of(world, name, id)
    messages = await world.do(name, lambda node: node.messages(id))
    texts = tuple(str(one.encoded) for one in messages)
    return End(
        status.state,
        status.is_live,
        files_of(world.place(name).directory / "archives" / id),
        texts,
        status.condition,
    )


async def status_of(world: World, name: str, id: str) -> Status:
    return await world.do(name, lambda node: node.status(id))


def first_of_each_locator(world: World) -> list[Published]:
    """What was published, without announcements of the same archives again."""
    found: dict[str, Published] = {}
    for one in world.network.published:
        found.setdefault(open_announcement(one.payload).announcement.locator, one)
    return list(found.values())


def files_of(folder: Path) -> str:
    """One digest of all ``data``: append-only, so it tells the whole history of creating."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/data")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def announced(world: World) -> list[tuple[int, str, bytes]]:
    """Clock, locator and signer of all that the network took, in order, repetitions included."""
    found = []
    for one in world.network.published:
        if one.acceptance is not Acceptance.REFUSED:
            opened = open_announcement(one.payload)
            found.append((opened.announcement.clock, opened.announcement.locator, opened.signer))
    return found


async def found_community(world: World, *, members: tuple[str, ...] = ()) -> str:
    """A control node "owner", and members, on the network."""
    await world.start("owner")
    await world.do("owner", lambda node: node.enable())
    id = await world.do("owner", lambda node: node.create_community("chess", private_key=KEY))
    await world.do("owner", lambda node: node.add_topic(id, TOPIC))
    for name in members:
        await world.start(name)
        await world.do(name, lambda node: node.enable())
        await world.do(name, lambda node: node.join(id, "chess"))
        await world.do(name, lambda node: node.add_topic(id, TOPIC))
    return id


async def write(world: World, name: str, id: str, *texts: str, back: float = 0.0) -> None:
    """Messages of this moment, or of ``back`` seconds ago."""
    at = world.clock.now() - back
    messages = [text_message(TOPIC, at + n, text) for n, text in enumerate(texts)]
    await world.do(name, lambda node: node.add_messages(id, messages))


# -- the stories ------------------------------------------------------------------------------


async def first_start_with_no_messages(world: World) -> object:
    id = await found_community(world)
    await world.advance(3 * WEEK)
    assert announced(world) == []
    end = await end_of(world, "owner", id)
    assert (end.state, end.messages) == ("idle", ())
    return end


async def weekly_archives_reach_a_member(world: World) -> object:
    id = await found_community(world, members=("member",))
    for week in ("one", "two"):
        await write(world, "owner", id, f"{week} a", f"{week} b")
        await world.advance(WEEK + 2 * HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(owner.messages) == 4
    assert owner.files == member.files
    assert (owner.is_live, member.is_live) == (True, True)
    assert len({locator for _, locator, _ in announced(world)}) == 2
    return owner, member


async def start_after_thirty_days_off(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "before")
    await world.advance(HOUR)
    await world.stop("owner")
    await world.advance(30 * DAY)
    world.network.faults = Faults(answer=lambda _: 0)  # What was missed takes a while to come.
    await world.start("owner")
    await write(world, "owner", id, "three weeks ago", back=21 * DAY)
    await write(world, "owner", id, "ten days ago", back=10 * DAY)
    world.network.faults = Faults()
    await world.advance(3 * HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(member.messages) == 3
    assert len({locator for _, locator, _ in announced(world)}) == 1
    return owner, member


async def interval_closes_while_announcing_keeps_failing(world: World) -> object:
    id = await found_community(world, members=("member",))
    world.network.faults = Faults(accept=lambda _: Acceptance.REFUSED)
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    await write(world, "owner", id, "two")
    await world.advance(WEEK + 2 * HOUR)
    assert announced(world) == []
    status = await status_of(world, "owner", id)
    assert status.generation == 2, status
    assert "messaging" in status.reason, status
    world.network.faults = Faults()
    await world.advance(7 * HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(member.messages) == 2
    assert len({locator for _, locator, _ in announced(world)}) == 1
    return owner, member


async def member_becomes_control_node_while_downloading(world: World) -> object:
    id = await found_community(world, members=("member",))
    world.seconds_per_archive = 10 * MINUTE
    for week in ("one", "two", "three"):
        await write(world, "owner", id, week, back=DAY)
        await world.advance(WEEK)
    await world.advance(WEEK)
    await write(world, "owner", id, "four", back=2 * WEEK)
    await world.advance(90 * MINUTE)
    before = len(announced(world))
    await world.do("member", lambda node: node.become_control_node(id, KEY))
    await world.do("owner", lambda node: node.remove_key(id))
    await world.advance(2 * DAY)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(announced(world)) > before
    assert (await status_of(world, "member", id)).is_control_node
    assert not (await status_of(world, "owner", id)).is_control_node
    return member


async def restored_control_node_downloads_its_history_and_announces(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    clocks = [clock for clock, _, _ in announced(world)]
    await world.stop("owner")
    shutil.rmtree(world.place("owner").directory)  # The disk is gone; the key was saved.
    await found_community(world)
    await world.advance(2 * HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(owner.messages) == 1
    assert owner.files == member.files
    assert announced(world)[-1][0] > max(clocks)
    assert len({locator for _, locator, _ in announced(world)}) == 1
    return owner, member


async def second_device_with_the_same_key_announces(world: World) -> object:
    id = await found_community(world)
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    await world.start("copy")
    await world.do("copy", lambda node: node.enable())
    await world.do("copy", lambda node: node.create_community("chess", private_key=KEY))
    await world.do("copy", lambda node: node.add_topic(id, TOPIC))
    await world.advance(DAY)
    owner, copy = await end_of(world, "owner", id), await end_of(world, "copy", id)
    assert owner.condition == "another device announces"
    assert owner.messages == copy.messages
    count = len(announced(world))
    await write(world, "owner", id, "never announced by the owner")
    await world.do("owner", lambda node: node.take_over(id))
    assert (await status_of(world, "owner", id)).is_control_node
    await world.advance(WEEK + DAY)
    assert len(announced(world)) > count
    assert (await status_of(world, "owner", id)).condition == ""
    assert (await status_of(world, "copy", id)).condition == "another device announces"
    return (await end_of(world, "owner", id)).files


async def two_links_within_twenty_seconds(world: World) -> object:
    id = await found_community(world, members=("member",))
    await world.stop("member")
    # Only what is injected is heard, and by who dies before it was taken, after that.
    world.network.faults = Faults(remember=lambda one: one.sender == "stranger")
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    await write(world, "owner", id, "two")
    await world.advance(WEEK + 2 * HOUR)
    first, second = (one.payload for one in first_of_each_locator(world))
    await world.start("member")
    world.network.inject(f"{id}-magnetlinks", first)
    await world.advance(15)
    world.network.inject(f"{id}-magnetlinks", second)
    await world.advance(15)
    assert (await status_of(world, "member", id)).state == "settling"
    await world.advance(HOUR)
    steps = await world.do("member", lambda node: node.engine.run(lambda tx: steps_after(tx, 0)))
    if world.place("member").killer.at is None:
        assert sum(step.event == "SETTLED" for step in steps) == 1
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(member.messages) == 2
    return owner, member


async def link_arrives_while_importing(world: World) -> object:
    id = await found_community(world, members=("member",))
    await world.stop("member")
    world.network.faults = Faults(remember=lambda _: False)  # Only what is injected is heard.
    await write(world, "owner", id, "one", back=DAY)
    await write(world, "owner", id, "two", back=9 * DAY)
    await world.advance(WEEK + 2 * HOUR)
    await write(world, "owner", id, "late", back=8 * DAY)
    await world.advance(3 * HOUR)
    first, second = (one.payload for one in first_of_each_locator(world)[-2:])
    member = await world.start("member")
    interrupted: list[str] = []

    def interrupt(step: Recorded) -> None:
        if step.target == "IMPORTING" and not interrupted:
            interrupted.append(step.words)
            world.network.inject(f"{id}-magnetlinks", second)

    member.engine.on_step(interrupt)
    world.network.inject(f"{id}-magnetlinks", first)
    await world.advance(HOUR)
    if not interrupted:  # It died before: then the link comes later, as links do.
        world.network.inject(f"{id}-magnetlinks", second)
    await world.advance(DAY)
    owner, after = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == after.messages
    assert len(after.messages) == 3
    return owner, after


async def switched_off_during_creating_and_on_again(world: World) -> object:
    id = await found_community(world)
    switching: list[asyncio.Task[object]] = []

    def interrupt(step: Recorded) -> None:
        if step.target == "CREATING" and not switching:
            node = world.node("owner")
            switching.append(asyncio.create_task(off_and_on(node, id)))

    world.node("owner").engine.on_step(interrupt)
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    with suppress(JournalClosedError):
        await asyncio.gather(*switching)
    steps = await world.do("owner", lambda node: node.engine.run(lambda tx: steps_after(tx, 0)))
    words = [step.words for step in steps]
    if world.place("owner").killer.at is None:
        assert "creating --switched_off--> off" in words
    await world.do("owner", lambda node: node.switch_off(id))
    await world.advance(MINUTE)
    off = await status_of(world, "owner", id)
    assert (off.state, off.is_live) == ("off", False)
    await world.do("owner", lambda node: node.switch_on(id))
    await world.advance(HOUR)
    end = await end_of(world, "owner", id)
    assert (end.state, end.is_live) == ("idle", True)
    assert len({locator for _, locator, _ in announced(world)}) == 1
    return end


async def off_and_on(node: Node, id: str) -> None:
    await node.switch_off(id)
    await node.switch_on(id)


async def late_messages_after_their_window(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "on time")
    await world.advance(2 * WEEK)
    await write(world, "owner", id, "late", "later", back=10 * DAY)
    await world.advance(3 * HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    assert len(owner.messages) == 3
    assert len({locator for _, locator, _ in announced(world)}) == 2
    return owner, member


async def reannouncing_while_a_new_generation_is_seeded(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    await write(world, "owner", id, "two")
    first = announced(world)[0][1]
    world.check_seconds = 9 * HOUR  # The check of the new generation takes longer than the timer.
    await world.restart("owner")
    await world.advance(WEEK + 3 * DAY)
    links = announced(world)
    assert len({locator for _, locator, _ in links}) == 2
    assert sum(1 for _, locator, _ in links if locator == first) >= 2
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.messages == member.messages
    return owner.files, member.messages


async def torrent_fails_while_idle(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    locator = announced(world)[-1][1]
    carrier = world.place("owner").carrier
    assert carrier is not None
    carrier.fail(locator)
    assert not (await status_of(world, "owner", id)).is_live
    await world.advance(HOUR)
    owner, member = await end_of(world, "owner", id), await end_of(world, "member", id)
    assert owner.is_live
    return owner, member


async def damaged_data_is_repaired_from_a_member(world: World) -> object:
    id = await found_community(world, members=("member",))
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    intact = files_of(world.place("member").directory / "archives" / id)
    await world.stop("owner")
    data = world.place("owner").directory / "archives" / id / "1" / "data"
    content = bytearray(data.read_bytes())
    content[100] ^= 0xFF
    data.write_bytes(bytes(content))
    await world.start("owner")
    await world.advance(HOUR)
    owner = await end_of(world, "owner", id)
    assert owner.is_live
    assert owner.files == intact
    return owner


async def control_is_lost_between_decision_and_send(world: World) -> object:
    id = await found_community(world)
    await write(world, "owner", id, "one")
    world.network.faults = Faults(accept=lambda _: Acceptance.REFUSED)
    await world.advance(WEEK + 2 * HOUR)  # Signed, seeded, and not sent.
    place = world.place("owner")
    public = bytes.fromhex(id[2:])
    place.keys.remove(public)  # Nobody tells the node: the file is simply gone.
    world.network.faults = Faults()
    await world.advance(DAY)
    assert announced(world) == []
    owner = await end_of(world, "owner", id)
    assert (owner.state, owner.is_live) == ("idle", True)
    return owner


async def link_of_a_stranger_is_refused(world: World) -> object:
    id = await found_community(world, members=("member",))
    stranger = world.place("member").keys.add(OTHER_KEY)
    forged = sign(
        Announcement(int(world.clock.now() * 1000), "memory:forged"),
        lambda digest: world.place("member").keys.sign(stranger, digest),
    )
    world.network.inject(f"{id}-magnetlinks", forged)
    await world.advance(HOUR)
    status = await status_of(world, "member", id)
    # A delivery is acknowledged after the count: one that is repeated after a crash counts twice.
    assert (status.state, set(status.refusals)) == ("idle", {"wrong signer"})
    return status.state


async def encrypted_index_without_the_key(world: World) -> object:
    await world.start("member")
    owner_keys = world.place("owner").keys
    id = "0x" + owner_keys.add(KEY).hex()
    await world.do("member", lambda node: node.enable())
    await world.do("member", lambda node: node.join(id, "chess"))
    ratchet = RatchetKey(bytes(range(32)), 1_704_067_200_010, bytes.fromhex(id[2:]))
    seeder = MemoryCarrier(world.swarm, world.clock, check_seconds=1.0)
    await seeder.open(lambda _: None)
    publishing = asyncio.create_task(seeder.publish(encrypted_content(world, id, ratchet)))
    await world.advance(MINUTE)
    link = sign(
        Announcement(int(world.clock.now() * 1000), await publishing),
        lambda digest: owner_keys.sign(bytes.fromhex(id[2:]), digest),
    )
    world.network.inject(f"{id}-magnetlinks", link)
    await world.advance(HOUR)
    member = await status_of(world, "member", id)
    assert (member.state, member.generation) == ("idle", 0)
    await world.do("member", lambda node: node.add_ratchet_key(id, ratchet))
    await world.advance(HOUR)
    end = await end_of(world, "member", id)
    assert len(end.messages) == 1
    assert end.is_live
    await seeder.close()
    return end


def encrypted_content(world: World, id: str, ratchet: RatchetKey) -> Content:
    """One encrypted archive with its encrypted index, as the reference's control node has them."""
    folder = world.place("owner").directory
    folder.mkdir(parents=True, exist_ok=True)
    start = int(world.clock.now()) - 604_800
    window = Window(start, start + 604_800)
    message = text_message(TOPIC, start + 5, "secret")
    raw = encode_archive(window, [TOPIC], [message.encode()])
    sealed = encrypt(ratchet, 1, b"n" * 12, "installation", raw)
    entry = IndexEntry.at(0, window=window, topics=[TOPIC], raw_size=len(sealed))
    data, index = folder / "data", folder / "index"
    data.write_bytes(sealed + bytes(entry.padding))
    index.write_bytes(encrypt(ratchet, 2, b"m" * 12, "installation", encode_index([entry])))
    content = Content(id, data, entry.size, index, folder / "1.torrent")
    seal_generation(content)
    return content


STORIES: tuple[Callable[[World], Awaitable[object]], ...] = (
    first_start_with_no_messages,
    weekly_archives_reach_a_member,
    start_after_thirty_days_off,
    interval_closes_while_announcing_keeps_failing,
    member_becomes_control_node_while_downloading,
    restored_control_node_downloads_its_history_and_announces,
    second_device_with_the_same_key_announces,
    two_links_within_twenty_seconds,
    link_arrives_while_importing,
    switched_off_during_creating_and_on_again,
    late_messages_after_their_window,
    reannouncing_while_a_new_generation_is_seeded,
    torrent_fails_while_idle,
    damaged_data_is_repaired_from_a_member,
    control_is_lost_between_decision_and_send,
    link_of_a_stranger_is_refused,
    encrypted_index_without_the_key,
)


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    """A folder in memory where there is one: what is proved here does not rest on the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a random name.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


async def tell(
    story: Callable[[World], Awaitable[object]],
    directory: Path,
    victim: str = "",
    at: int | None = None,
) -> tuple[object, World]:
    world = World(directory)
    if victim:
        world.place(victim).killer.at = at
    try:
        end = await story(world)
        assert world.violations() == []
        clocks: dict[tuple[int, bytes], str] = {}
        for clock, locator, signer in announced(world):
            assert clocks.setdefault((clock, signer), locator) == locator
        return end, world
    finally:
        await world.close()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_story(story: Callable[[World], Awaitable[object]], fast_disk: Path) -> None:
    await tell(story, fast_disk)


async def tell_with_crashes(
    story: Callable[[World], Awaitable[object]], folder: Path, at_most: int
) -> None:
    """Tell it once for each point, or for ``at_most`` points of each node, evenly chosen."""
    end, world = await tell(story, folder / "whole")
    for victim in ("owner", "member", "copy"):
        passed = world.place(victim).killer.passed
        first = zlib.crc32(story.__name__.encode()) % max(1, passed // at_most)
        for at in range(1 + first, passed + 1, max(1, passed // at_most)):
            directory = folder / f"{victim}-{at}"
            again, other = await tell(story, directory, victim, at)
            where = other.place(victim).killer.log[-1]
            assert again == end, f"{victim} died at point {at} of {passed}: {where}"
            shutil.rmtree(directory)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_story_with_crashes(
    story: Callable[[World], Awaitable[object]], fast_disk: Path
) -> None:
    await tell_with_crashes(story, fast_disk, at_most=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_story_with_a_crash_at_every_point(
    story: Callable[[World], Awaitable[object]], fast_disk: Path
) -> None:
    await tell_with_crashes(story, fast_disk, at_most=1_000_000)
