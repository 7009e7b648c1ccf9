"""Links in join responses, and what descriptions say of links."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from dataclasses import field as field_of
from pathlib import Path
from typing import Final

import pytest

from tests.scenarios.chess import (
    ID,
    NEW_KEY,
    TOPIC,
    announced,
    description,
    join_response,
    member_in,
    message_of,
    now_of,
    owner_in,
    refused,
)
from workflow.adapters.messaging.in_process import Faults
from workflow.archive.announcement import MAX_CHANNELS, open_announcement, open_description
from workflow.archive.wire import field, varint
from workflow.errors import (
    AnnouncementInvalidError,
    KeyFileError,
    LinkRefusedError,
    NothingAnnouncedError,
)
from workflow.testing.world import HOUR, WEEK, Killer, World, text_message


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose network of messages carries nothing."""
    world = World(tmp_path)
    world.network.faults = Faults(deliver=lambda *_: (), remember=lambda _: False)
    yield world
    await world.close()


# ------------------------------------------------------------------------------- join responses


async def test_a_new_member_follows_the_link_in_its_join_response(world: World) -> None:
    owner = await owner_in(world)
    magnet = await owner.magnet_for(ID)
    assert magnet is not None
    member = await member_in(world)
    # The description comes first, and names the clock of the link; the response has none of links.
    await member.receive_description(ID, description(now_of(world)))
    received = await member.receive_join_response(field(102, join_response(5, magnet)))
    assert received is not None
    assert (received.clock, received.locator, received.is_new) == (5, magnet, True)
    await world.advance(HOUR)
    assert len(await member.messages(ID)) == 1
    assert (await member.status(ID)).condition == ""
    with pytest.raises(NothingAnnouncedError):  # A response is private: it is not passed on.
        await member.announcement(ID)


async def test_a_join_response_is_verified_like_every_link(world: World) -> None:
    member = await member_in(world)
    now = now_of(world)
    other = "0x" + NEW_KEY.public_key.format().hex()
    await member.join(other, "go")
    assert await member.receive_join_response(join_response(5, "")) is None
    assert await member.receive_join_response(join_response(5, "memory:1", accepted=False)) is None
    assert (await member.receive_join_response(join_response(5, "memory:1"))) is not None
    again = await member.receive_join_response(join_response(5, "memory:1"))
    assert again is not None
    assert not again.is_new
    for message, words in (
        (join_response(6, "memory:2", key=NEW_KEY), "control key did not sign it"),
        (join_response(6, "memory:2", id=other), "control key did not sign it"),
        (join_response(5, "memory:2"), "a newer one is known"),
        (join_response(now + 2 * 3_600_000, "memory:2"), "more than an hour ahead"),
        (join_response(6, "http://x"), "no locator of this swarm"),
    ):
        with pytest.raises(LinkRefusedError, match=words):
            await member.receive_join_response(message)
    for message in (
        join_response(0, "memory:2"),
        join_response(6, "memory:2", id="0x05"),
        message_of(48, b"\x0a\x05"),
        message_of(43, b"\x08\x06" + field(5, bytes.fromhex(ID[2:])) + field(6, b"memory:2")),
        join_response(6, "memory:2") + field(99, b""),
    ):
        with pytest.raises(AnnouncementInvalidError):
            await member.receive_join_response(message)
    # Any announcement is newer, and then no response is.
    await member.receive_announcement(announced(now, "memory:3"))
    with pytest.raises(LinkRefusedError, match="a newer one is known"):
        await member.receive_join_response(join_response(7, "memory:2"))


async def test_a_member_cannot_send_its_join_response_back_to_end_control(world: World) -> None:
    owner = await owner_in(world)
    with pytest.raises(LinkRefusedError, match="controls the community"):
        await owner.receive_join_response(join_response(5, "memory:1"))
    assert (await owner.status(ID)).is_control_node


# --------------------------------------------------------------------------------- descriptions


async def test_a_description_raises_the_clock_and_never_lowers_it(world: World) -> None:
    member = await member_in(world)
    now = now_of(world)
    assert await member.receive_description(ID, description(now))
    assert not await member.receive_description(ID, description(now - 5))
    assert not await member.receive_description(ID, field(102, description(now)))
    with pytest.raises(LinkRefusedError, match="description names a newer one"):
        await member.receive_announcement(announced(now - 1, "memory:1"))
    # A description that overtakes its link does not block it.
    assert (await member.receive_announcement(announced(now, "memory:1"))).is_new
    assert await refused(member) == {"older than the description": 1}


async def test_a_description_is_verified(world: World) -> None:
    member = await member_in(world)
    now = now_of(world)
    for message in (description(now, NEW_KEY), description(now + 2 * 3_600_000)):
        with pytest.raises(LinkRefusedError):
            await member.receive_description(ID, message)
    for message in (
        b"hello",
        description(2**63),
        message_of(25, b"\x0a\x05"),
        message_of(43, b"\x48" + varint(now)),
    ):
        with pytest.raises(AnnouncementInvalidError):
            await member.receive_description(ID, message)
    assert (await member.receive_announcement(announced(1, "memory:1"))).is_new
    assert await refused(member) == {
        "wrong signer": 1,
        "clock far in the future": 1,
        "announcement-invalid": 4,
    }


@dataclass(slots=True)
class Reader(Killer):
    """Reads the clocks of the newest sent link and of the description after every commit."""

    journal: Path = Path()
    seen: set[tuple[int | None, int]] = field_of(default_factory=set)

    def reach(self, point: str) -> None:
        """What is committed now is what a crash would leave."""
        Killer.reach(self, point)
        if point == "after commit":
            with closing(sqlite3.connect(self.journal)) as journal:
                self.seen.update(journal.execute(CLOCKS).fetchall())


CLOCKS: Final = (
    "SELECT (SELECT max(clock) FROM announcement WHERE sent_at IS NOT NULL), description_clock"
    " FROM community"
)


async def test_a_sent_link_and_the_description_get_their_clock_in_one_transaction(
    world: World,
) -> None:
    place = world.place("owner")
    place.killer = reader = Reader(journal=place.directory / "journal.sqlite3")
    owner = await owner_in(world)
    await owner.add_messages(ID, [text_message(TOPIC, world.clock.now(), "two")])
    await world.advance(WEEK + 2 * HOUR)
    sent = [open_announcement(one.payload).announcement.clock for one in world.network.published]
    assert len(sent) == 2
    assert reader.seen == {(None, 0), *((clock, clock) for clock in sent)}


async def test_a_description_makes_the_channels_known(world: World) -> None:
    member, uuid = await member_in(world), "7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab"
    told = description(1, channels={uuid: "", "no-uuid": "hidden"})
    assert await member.receive_description(ID, told)
    assert not await member.receive_description(ID, told)
    assert [(one.chat_id, one.name) for one in await member.channels(ID)] == [(ID + uuid, "")]
    named = description(1, channels={uuid: "gen\x1b[2Jeral\n"})
    assert await member.receive_description(ID, named)
    assert [one.name for one in await member.channels(ID)] == ["gen[2Jeral"]
    for again in (told, named, description(1, channels={uuid: "renamed"}), description(1)):
        assert not await member.receive_description(ID, again)
    with pytest.raises(LinkRefusedError):
        await member.receive_description(ID, description(1, NEW_KEY, {uuid[::-1]: "forged"}))
    assert [one.name for one in await member.channels(ID)] == ["gen[2Jeral"]


async def test_a_community_has_no_more_channels_than_a_description(world: World) -> None:
    member = await member_in(world)
    for batch in range(3):
        numbers = range(batch * 600, (batch + 1) * 600)
        told = {f"00000000-0000-0000-0000-{number:012x}": "x" for number in numbers}
        await member.receive_description(ID, description(1, channels=told))
    assert len(await member.channels(ID)) == MAX_CHANNELS


async def test_an_owner_describes_with_the_clock_of_its_newest_link(world: World) -> None:
    owner = await owner_in(world)
    (sent,) = (open_announcement(one.payload).announcement.clock for one in world.network.published)
    message = await owner.describe(ID, description(0, NEW_KEY), publish=False)
    assert open_description(message).magnetlink_clock == sent
    assert len(world.network.published) == 1
    assert await owner.describe(ID, message) == message  # A signature has one form.
    assert [(one.channel, one.payload) for one in world.network.published[1:]] == [(ID, message)]
    member = await member_in(world)
    assert await member.receive_description(ID, message)
    with pytest.raises(KeyFileError):
        await member.describe(ID, message)
