"""The verbs of a node that no story tells of: switching, handing over, retrying, refusing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from states.archive_import import Event as ImportEvent
from workflow.adapters.carrier.memory import MemoryCarrier
from workflow.archive.announcement import Announcement, sign
from workflow.archive.codec import encode_archive
from workflow.archive.index import IndexEntry, encode_index
from workflow.archive.ratchet import RatchetKey, encrypt
from workflow.archive.windows import Window
from workflow.commanding import perform
from workflow.engine.history import steps_after
from workflow.engine.inbox import Command
from workflow.errors import MalformedIdError
from workflow.files.torrents import seal_generation
from workflow.identity import public_key_of
from workflow.node import Node
from workflow.ports.carrier import Content
from workflow.testing.world import DAY, HOUR, MINUTE, WEEK, World, text_message

KEY = bytes(range(1, 33))
OTHER_KEY = bytes(range(2, 34))
TOPIC = b"\x01\x02\x03\x04"
FOREIGN = b"\x09\x09\x09\x09"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


async def owner_of(world: World) -> tuple[Node, str]:
    """A control node with one archived week."""
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await node.add_messages(id, [text_message(TOPIC, world.clock.now(), "one")])
    await world.advance(WEEK + 2 * HOUR)
    return node, id


async def member_who_hears_of(world: World, raws: list[bytes]) -> tuple[Node, str]:
    """A member of a community whose archives hold exactly these bytes, a window each."""
    keys = world.place("owner").keys
    id = "0x" + keys.add(KEY).hex()
    node = await world.start("member")
    await node.enable()
    await node.join(id, "chess")
    folder = world.place("owner").directory
    folder.mkdir(parents=True)
    entries: list[IndexEntry] = []
    data = b""
    for number, raw in enumerate(raws):
        window = Window(number * 604_800, (number + 1) * 604_800)
        entry = IndexEntry.at(len(data), window=window, topics=[TOPIC], raw_size=len(raw))
        entries.append(entry)
        data += raw + bytes(entry.padding)
    content = Content(id, folder / "data", len(data), folder / "index", folder / "torrent")
    content.data.write_bytes(data)
    content.index.write_bytes(encode_index(entries))
    seal_generation(content)
    seeder = MemoryCarrier(world.swarm, world.clock)
    await seeder.open(lambda _: None)
    publishing = asyncio.create_task(seeder.publish(content))
    await world.advance(1)
    link = sign(
        Announcement(int(world.clock.now() * 1000), await publishing),
        lambda digest: keys.sign(bytes.fromhex(id[2:]), digest),
    )
    world.network.inject(f"{id}-magnetlinks", link)
    await world.advance(HOUR)
    return node, id


def archive_of(number: int, text: str) -> bytes:
    start = number * 604_800
    message = text_message(TOPIC, start + 1, text)
    return encode_archive(Window(start, start + 604_800), [TOPIC], [message.encode()])


async def told(node: Node) -> list[str]:
    steps = await node.engine.run(lambda tx: steps_after(tx, 0))
    return [str(signal["type"]) for step in steps for signal in step.signals]


async def test_the_node_is_disabled_and_enabled_with_all_its_communities(world: World) -> None:
    node, id = await owner_of(world)
    other = await node.create_community("go", private_key=OTHER_KEY)
    await node.switch_off(other)
    await node.disable()
    await world.advance(MINUTE)
    states = [(await node.status(one)).state for one in (id, other)]
    assert states == ["off", "off"]
    assert not (await node.status(id)).is_live
    assert (await node.switch_on(other)).steps[0].words.endswith("taken: stay")
    assert (await told(node))[-2:] == [
        "community.historyArchivesProtocolDisabled",
        "community.historyArchivesUnseeded",
    ]
    await world.restart("owner")
    node = world.node("owner")
    assert (await node.status(id)).state == "off"
    await node.enable()
    await world.advance(HOUR)
    assert [(await node.status(one)).state for one in (id, other)] == ["idle", "idle"]
    assert (await node.status(id)).is_live


@pytest.mark.parametrize("event", ["switched_off", "switched_on", "control_lost"])
async def test_a_command_is_noted_under_who_gave_it(world: World, event: str) -> None:
    node, id = await owner_of(world)
    command = Command("c-1", "community", id, event, "cron", world.clock.now())
    if event == "control_lost":  # No event of an idle community: refused, and kept as that.
        assert (await perform(node, command)).refusal == "idle does not answer control_lost"
    else:
        assert [step.actor for step in (await perform(node, command)).steps] == ["cron"]
    assert (await perform(node, command)).is_repeat


async def test_who_has_handed_over_announces_nothing_any_more(world: World) -> None:
    node, id = await owner_of(world)
    sent = len(world.network.published)
    await node.hand_over(id, world.place("member").keys.add(OTHER_KEY))
    await world.advance(2 * DAY)
    assert len(world.network.published) == sent
    status = await node.status(id)
    assert (status.is_control_node, status.is_live, status.state) == (False, True, "idle")


async def test_one_bad_archive_holds_up_no_other_and_can_be_retried(world: World) -> None:
    raws = [archive_of(0, "one"), b"\xff" * 50, archive_of(2, "three")]
    node, id = await member_who_hears_of(world, raws)
    assert len(await node.messages(id)) == 2
    signals = await told(node)
    assert signals.count("community.historyArchiveDownloaded") == 3
    assert signals.count("community.downloadingHistoryArchivesFinished") == 1
    steps = await node.engine.run(lambda tx: steps_after(tx, 0))
    (bad,) = [step for step in steps if step.event == ImportEvent.ARCHIVE_INVALID.name]
    assert bad.target == "QUARANTINED"
    assert "[archive-invalid]" in str(bad.details["problem"])
    again = await node.retry_archive(bad.id)
    assert [step.target for step in again.steps] == ["IMPORTING"]
    await world.advance(MINUTE)
    last = (await node.engine.run(lambda tx: steps_after(tx, 0)))[-1]
    assert (last.id, last.target) == (bad.id, "QUARANTINED")


async def test_an_archive_waits_for_its_key_and_others_do_not(world: World) -> None:
    group = public_key_of("0x" + world.place("owner").keys.add(KEY).hex())
    ratchet = RatchetKey(bytes(range(32)), 1_704_067_200_010, group)
    sealed = encrypt(ratchet, 1, b"n" * 12, "installation", archive_of(0, "secret"))
    node, id = await member_who_hears_of(world, [sealed, archive_of(1, "open")])
    assert len(await node.messages(id)) == 1
    finished = "community.downloadingHistoryArchivesFinished"
    assert finished not in await told(node)
    await node.add_ratchet_key(id, ratchet)
    await world.advance(MINUTE)
    assert len(await node.messages(id)) == 2
    assert (await told(node)).count(finished) == 1


async def test_messages_that_no_archive_can_hold_are_refused_and_counted(world: World) -> None:
    node, id = await owner_of(world)
    large = text_message(TOPIC, world.clock.now(), "x" * 30_000_001)
    foreign = text_message(FOREIGN, world.clock.now(), "elsewhere")
    known = text_message(TOPIC, world.clock.now(), "two")
    assert await node.add_messages(id, [large, foreign, known, known]) == 1
    assert await node.add_messages(id, [known]) == 0
    assert await node.add_messages(id, []) == 0
    assert (await node.status(id)).refusals == {
        "message of a foreign topic": 1,
        "message too large for an archive": 1,
    }
    assert [one.name for one in await node.communities()] == ["chess"]


@pytest.mark.parametrize(
    "id", ["", "0x", "02" * 33, "0x04" + "00" * 32, "0x02" + "zz" * 32, "0x02" + "00" * 33]
)
def test_what_is_no_community_id_is_named(id: str) -> None:
    with pytest.raises(MalformedIdError):
        public_key_of(id)
