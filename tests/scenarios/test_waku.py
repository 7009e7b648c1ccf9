"""Communities on Waku: what is said is heard, asked for, archived; what is missed is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from coincurve import PrivateKey

from states.community import Facts
from tests.scenarios.chess import description as described
from tests.waku.nodes.node import Dialect
from tests.waku.town import DAY, GENERAL, HOUR, ID, KEY, MINUTE, START, WEEK, Town, said, texts
from workflow.archive.hashing import keccak256
from workflow.archive.pb.segment_message_pb2 import SegmentMessage
from workflow.errors import JournalClosedError
from workflow.node import Node
from workflow.ports.records import Channel
from workflow.testing.world import Killer
from workflow.waku.chats import topic_of, universal_chat_id

UNIVERSAL = universal_chat_id(ID)


@pytest.fixture(params=[Dialect.GO_WAKU, Dialect.NWAKU], ids=lambda one: one.value)
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with one Waku node."""
    town = Town(tmp_path, request.param)
    yield town
    await town.close()


@pytest.fixture
async def weeks(tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a Waku node of each kind, which are asked every other hour."""
    town = Town(tmp_path, Dialect.NWAKU, Dialect.GO_WAKU, poll_every=2 * HOUR, ask_every=2 * HOUR)
    yield town
    await town.close()


async def facts(node: Node) -> Facts:
    return await node.engine.run(lambda tx: node._tools.facts(tx, ID))


async def test_from_what_is_said_to_a_member_that_has_it(weeks: Town) -> None:
    nwaku, go_waku = weeks.nodes
    owner, member = await weeks.owner(nwaku), await weeks.member(go_waku)
    hashes = []
    for number in range(8):
        hashes.append(weeks.say(f"day {number}"))
        await weeks.clock.advance(DAY)
    await weeks.clock.advance(4 * HOUR)
    assert await said(owner) == {hash: hash != hashes[-1] for hash in hashes}
    await weeks.clock.advance(4 * HOUR)
    assert await said(member) == dict.fromkeys(hashes[:-1], True)
    assert (await owner.verify(ID)).is_complete
    assert (await member.verify(ID)).is_complete


async def test_what_no_poll_brings_is_asked_for(town: Town) -> None:
    owner = await town.owner()
    await town.clock.advance(MINUTE)
    town.nodes[0].faults.drop_every = 1
    town.say("lost by the node")
    await town.clock.advance(5 * MINUTE)
    assert await texts(owner) == ["lost by the node"]


async def test_what_was_said_before_and_while_nobody_listened(town: Town) -> None:
    town.say("long before", ago=40 * DAY)
    town.say("before", ago=20 * DAY)
    owner = await town.owner()
    await town.clock.advance(10 * MINUTE)
    first = await texts(owner)
    assert first[-1:] == (["before"] if town.nodes[0].dialect is Dialect.GO_WAKU else [])
    await town.close("owner")
    town.say("meanwhile")
    await town.clock.advance(3 * DAY)
    owner = await town.open("owner")
    await town.clock.advance(MINUTE)
    assert await texts(owner) == [*first, "meanwhile"]


async def test_what_the_network_had_forgotten_is_told_exactly(town: Town) -> None:
    owner = await town.owner()
    town.say("kept")
    await town.clock.advance(HOUR)
    await town.close("owner")
    left = town.clock.now()
    for day in range(40):
        town.say(f"day {day}")
        await town.clock.advance(DAY)
    owner = await town.open("owner")
    await town.clock.advance(HOUR)
    back = left + 40 * DAY
    heard = [text for text in await texts(owner) if text != "kept"]
    assert heard == [f"day {day}" for day in range(10, 40)]
    coverage = await owner.verify(ID)
    assert not coverage.is_complete
    for one in coverage.unheard:
        assert left - 5 * MINUTE <= one.since <= left
        assert one.until == back - 30 * DAY
        assert one.why == "the network had forgotten it when it was asked"
    assert {one.channel.name for one in coverage.unheard} == {"general", ""}
    await town.clock.advance(HOUR)
    assert (await owner.verify(ID)).unheard == coverage.unheard


async def test_a_store_that_is_down_delays_archives_and_disables_nothing(weeks: Town) -> None:
    nwaku, _ = weeks.nodes
    owner = await weeks.owner(nwaku)
    weeks.say("first")
    await weeks.clock.advance(WEEK - 12 * HOUR)
    nwaku.faults.is_down = True
    weeks.say("unheard")
    await weeks.clock.advance(DAY)
    assert not (await facts(owner)).is_caught_up
    assert list((await said(owner)).values()) == [True]  # They have waited, for ten minutes.
    coverage = await owner.verify(ID)
    assert {one.why for one in coverage.unheard} == {"the network has not told it yet"}
    nwaku.faults.is_down = False
    await weeks.clock.advance(2 * HOUR)
    assert (await facts(owner)).is_caught_up
    assert (await owner.verify(ID)).is_complete


async def test_archives_wait_for_a_network_that_answers_late(town: Town) -> None:
    owner = await town.owner()
    town.say("first")
    await town.clock.advance(HOUR)
    await town.close("owner")
    town.say("while away")
    await town.clock.advance(WEEK + 2 * HOUR)
    town.nodes[0].faults.is_down = True
    owner = await town.open("owner")
    await town.clock.advance(5 * MINUTE)
    assert list((await said(owner)).values()) == [False]
    town.nodes[0].faults.is_down = False
    await town.clock.advance(3 * MINUTE)
    assert list((await said(owner)).values()) == [True, True]
    assert (await owner.verify(ID)).is_complete


async def test_a_network_that_never_answered_is_told(town: Town) -> None:
    town.nodes[0].faults.is_down = True
    owner = await town.owner(interval=7200)
    assert (await owner.verify(ID)).is_complete  # It has only just begun.
    await town.clock.advance(4 * HOUR)
    coverage = await owner.verify(ID)
    assert {one.why for one in coverage.unheard} == {"the network has not told it yet"}
    assert all(START <= one.since <= START + 5 * MINUTE for one in coverage.unheard)
    assert {one.channel.name for one in coverage.unheard} == {"general", ""}
    town.nodes[0].faults.is_down = False
    await town.clock.advance(5 * MINUTE)
    assert (await owner.verify(ID)).is_complete


async def test_newer_clients_write_on_one_channel(town: Town) -> None:
    owner = await town.owner()
    await town.clock.advance(MINUTE)
    assert topic_of(UNIVERSAL) not in [one.topic for one in await owner.channels(ID)]
    town.say("to all channels", UNIVERSAL)
    town.say("to another community", UNIVERSAL[::-1])
    await town.clock.advance(2 * MINUTE)
    assert await texts(owner) == ["to all channels"]
    assert [one.chat_id for one in await owner.channels(ID)] == [GENERAL, UNIVERSAL]


async def test_a_message_of_another_time_is_counted_not_kept(town: Town) -> None:
    owner = await town.owner()
    await town.clock.advance(10 * MINUTE)
    town.say("from tomorrow", ago=-DAY)
    town.say("from last year", ago=365 * DAY)
    town.say("a little ahead", ago=-30)
    await town.clock.advance(10 * MINUTE)
    assert await texts(owner) == ["a little ahead"]
    refused = (await owner.status(ID)).refusals
    assert refused["message from another time"] == 2


async def test_a_description_on_the_network_makes_channels_known(town: Town) -> None:
    owner = await town.open("owner")
    await owner.enable()
    await owner.create_community("town", private_key=KEY)
    uuid = GENERAL.removeprefix(ID)
    town.say("said before it was known")
    await town.clock.advance(MINUTE)
    sending = asyncio.create_task(owner.describe(ID, described(0, channels={uuid: "general"})))
    await town.clock.advance(10 * MINUTE)
    await sending
    assert [one.name for one in await owner.channels(ID)] == ["general"]
    assert await texts(owner) == ["said before it was known"]
    member = await town.member()
    await town.clock.advance(10 * MINUTE)
    assert [one.name for one in await member.channels(ID)] == ["general"]


async def test_who_comes_back_with_its_key_alone_goes_on_where_its_links_lead(weeks: Town) -> None:
    await weeks.owner()
    member = await weeks.member()
    weeks.say("in the first week")
    await weeks.clock.advance(WEEK + 4 * HOUR)
    await weeks.close("owner")
    owner = await weeks.open("restored")
    await owner.enable()
    await owner.create_community("town", private_key=KEY)
    await weeks.clock.advance(2 * HOUR)
    assert await texts(owner) == ["in the first week"] == await texts(member)
    assert (await owner.status(ID)).generation == 1
    assert (await facts(owner)).announced_clock > 0


async def test_a_crash_at_any_commit_while_catching_up_loses_nothing(tmp_path: Path) -> None:
    """Three pages are told; whatever was committed when it died, all of them are here after it."""

    async def told(killer: Killer, directory: Path) -> tuple[dict[bytes, bool], dict[str, int]]:
        town = Town(directory, Dialect.NWAKU)
        owner = await town.owner()
        await town.clock.advance(MINUTE)
        await town.close("owner")
        for number in range(230):
            town.say(f"message {number}")
            await town.clock.advance(1)
        while True:
            try:
                owner = await town.open("owner", probe=killer.reach)
                await town.clock.advance(10 * MINUTE)
                heard = await said(owner), dict((await owner.status(ID)).refusals)
            except JournalClosedError:
                killer.is_dead = False
                await town.close()
            else:
                await town.close()
                return heard

    whole = Killer()
    end = await told(whole, tmp_path / "whole")
    assert len(end[0]) == 230
    for at in range(1, whole.passed + 1, max(1, whole.passed // 12)):
        killer = Killer(at=at)
        assert await told(killer, tmp_path / str(at)) == end, killer.log[-1]
        assert killer.passed > at


async def test_a_description_in_parts_is_put_together(town: Town) -> None:
    member = await town.member()
    await town.clock.advance(10 * MINUTE)
    channels = {f"00000000-0000-0000-0000-{number:012x}": "x" * 90 for number in range(40)}
    whole = described(0, PrivateKey(KEY), channels)
    count = -(-len(whole) // 1000)
    for index in range(count):
        part = SegmentMessage(
            entire_message_hash=keccak256(whole),
            index=index,
            segments_count=count,
            payload=whole[index * 1000 : (index + 1) * 1000],
        )
        town.say(part.SerializeToString(), ID)
    await town.clock.advance(10 * MINUTE)
    assert len(await member.channels(ID)) == 40


async def test_who_joins_again_hears_all_again(town: Town) -> None:
    owner = await town.owner()
    await town.clock.advance(10 * MINUTE)
    town.say("heard")
    await town.clock.advance(5 * MINUTE)
    await owner.remove(ID)
    await town.clock.advance(10 * MINUTE)
    await owner.create_community("town", private_key=KEY)
    await owner.add_channel(ID, Channel(topic_of(GENERAL), GENERAL, "general"))
    await town.clock.advance(10 * MINUTE)
    assert await texts(owner) == ["heard"]


@pytest.mark.parametrize("wrong_by", [-10 * MINUTE, 40 * DAY])
async def test_what_a_wrong_clock_refused_is_taken_when_it_is_right(
    tmp_path: Path, wrong_by: float
) -> None:
    """The clock of the network stays as it is; a message's time says so."""
    town = Town(tmp_path, Dialect.GO_WAKU)
    owner = await town.owner()
    await town.clock.advance(10 * MINUTE)
    town.clock.jump(wrong_by)
    town.say("at the right time", ago=wrong_by)
    await town.clock.advance(3 * MINUTE)
    assert await texts(owner) == []
    town.clock.jump(-wrong_by)
    await town.clock.advance(2 * HOUR)
    assert await texts(owner) == ["at the right time"]
    assert (await owner.verify(ID)).is_complete
    await town.close()


async def test_it_goes_on_asking_after_a_disk_that_failed(town: Town) -> None:
    disk = Disk()
    owner = await town.open("owner", probe=disk.reach)
    await owner.enable()
    await owner.create_community("town", private_key=KEY)
    await owner.add_channel(ID, Channel(topic_of(GENERAL), GENERAL, "general"))
    await town.clock.advance(10 * MINUTE)
    disk.is_full = True
    town.say("while the disk was full")
    await town.clock.advance(15 * MINUTE)
    disk.is_full = False
    await town.clock.advance(15 * MINUTE)
    assert await texts(owner) == ["while the disk was full"]
    assert (await facts(owner)).is_caught_up


class Disk:
    """Fails each commit while it is full."""

    is_full = False

    def reach(self, point: str) -> None:
        if self.is_full and point == "before commit":
            raise sqlite3.OperationalError("database or disk is full")


async def test_what_is_heard_live_hides_nothing_that_is_older(town: Town) -> None:
    town.say("older", ago=HOUR if town.nodes[0].dialect is Dialect.GO_WAKU else 0.0)
    node = town.nodes[0]
    node.faults.is_store_down = True
    owner = await town.owner()
    await town.clock.advance(10 * MINUTE)
    town.say("live")
    await town.clock.advance(5 * MINUTE)
    assert await texts(owner) == ["live"]  # Heard although no store answers.
    node.faults.is_store_down = False
    await town.clock.advance(10 * MINUTE)
    assert await texts(owner) == ["older", "live"]
