"""Links by hand, and links that nobody signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.scenarios.chess import (
    ID,
    KEY,
    NEW_KEY,
    TOPIC,
    announced,
    description,
    join_response,
    member_in,
    now_of,
    owner_in,
    refused,
)
from workflow.adapters.messaging.in_process import Faults
from workflow.archive.announcement import from_line, open_announcement, to_line
from workflow.errors import (
    AnnouncementInvalidError,
    LinkRefusedError,
    NothingAnnouncedError,
    UnknownCommunityError,
)
from workflow.testing.world import HOUR, WEEK, World, text_message

UNSIGNED: Final = "an unsigned link was followed"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose network of messages carries nothing."""
    world = World(tmp_path)
    world.network.faults = Faults(deliver=lambda *_: (), remember=lambda _: False)
    yield world
    await world.close()


# -------------------------------------------------------------------------------------- by hand


async def test_an_announcement_goes_from_hand_to_hand(world: World) -> None:
    owner = await owner_in(world)
    line = await owner.announcement(ID)
    assert line.startswith(f"community-archives:announcement:{ID}:")
    member = await member_in(world)
    received = await member.receive_announcement(f"\n  {line}\r\n")
    assert (received.community, received.is_new) == (ID, True)
    assert received.locator == await owner.magnet_for(ID)
    assert received.clock == open_announcement(from_line(line)[1]).announcement.clock
    await world.advance(HOUR)
    assert len(await member.messages(ID)) == 1
    assert (await member.status(ID)).is_live
    # Whoever has it can pass it on, and hears no complaint when it comes back.
    assert await member.announcement(ID) == line
    assert not (await member.receive_announcement(line)).is_new
    assert not (await owner.receive_announcement(line)).is_new
    assert (await owner.status(ID)).is_control_node
    assert await refused(member) == {"repeated": 1}
    assert await refused(owner) == {}


async def test_a_forged_line_is_refused_with_its_reason_and_counted(world: World) -> None:
    member = await member_in(world)
    now = now_of(world)
    await member.receive_announcement(announced(now, "memory:1"))
    for line, words in (
        (announced(now + 1, "memory:2", NEW_KEY), "control key did not sign it"),
        (announced(now - 1, "memory:2"), "a newer one is known"),
        (announced(now, "memory:2"), "a newer one is known"),
        (announced(now + 2 * 3_600_000, "memory:2"), "more than an hour ahead"),
        (announced(now + 1, "file:///etc/passwd"), "no locator of this swarm"),
        (announced(now + 1, f"magnet:?xt=urn:btih:{'1' * 40}&dn=0x02{'ab' * 32}"), "names another"),
        (announced(now + 1, f"magnet:?xt=urn:btih:{'1' * 40}&dn={ID}"), "no locator of this swarm"),
    ):
        with pytest.raises(LinkRefusedError, match=words) as info:
            await member.receive_announcement(line)
        assert info.value.place == ID
    with pytest.raises(AnnouncementInvalidError, match="not an announcement"):
        await member.receive_announcement(to_line(ID, b"hello"))
    assert await refused(member) == {
        "wrong signer": 1,
        "older clock": 2,
        "clock far in the future": 1,
        "locator-invalid": 2,
        "link of another community": 1,
        "announcement-invalid": 1,
    }
    assert await member.announcement(ID) == announced(now, "memory:1")


async def test_what_cannot_be_followed_is_refused_from_the_network_too(world: World) -> None:
    world.network.faults = Faults()
    member = await member_in(world)
    world.network.inject(f"{ID}-magnetlinks", from_line(announced(now_of(world), "http://x"))[1])
    await world.advance(1)
    status = await member.status(ID)
    assert (status.state, status.refusals) == ("idle", {"locator-invalid": 1})


async def test_who_does_not_follow_a_community_is_told_so(world: World) -> None:
    node = await world.start("member")
    line = announced(1, "memory:1")
    for attempt in (
        node.receive_announcement(line),
        node.announcement(ID),
        node.follow_unsigned(ID, "memory:1"),
        node.magnet_for(ID),
        node.receive_join_response(join_response(1, "memory:1")),
        node.receive_description(ID, description(1)),
    ):
        with pytest.raises(UnknownCommunityError):
            await attempt
    counted = await node.engine.run(lambda tx: tx.execute("SELECT * FROM refusal", ()).fetchall())
    assert counted == []


async def test_where_nothing_was_announced_there_is_nothing_to_pass_on(world: World) -> None:
    owner = await world.start("owner")
    await owner.create_community("chess", private_key=KEY.secret)
    with pytest.raises(NothingAnnouncedError, match="no announcement to pass on"):
        await owner.announcement(ID)
    assert await owner.magnet_for(ID) is None


async def test_a_link_is_given_only_while_its_archives_are_live(world: World) -> None:
    owner = await owner_in(world)
    magnet = await owner.magnet_for(ID)
    assert magnet is not None
    await owner.switch_off(ID)
    await world.advance(60)
    assert await owner.magnet_for(ID) is None
    await owner.switch_on(ID)
    await world.advance(60)
    assert await owner.magnet_for(ID) == magnet


# ------------------------------------------------------------------------------------- unsigned


async def test_an_unsigned_link_is_followed_and_said_to_be_one_until_it_is_signed(
    world: World,
) -> None:
    owner = await owner_in(world)
    magnet = await owner.magnet_for(ID)
    assert magnet is not None
    member = await member_in(world)
    await member.follow_unsigned(ID, "memory:nowhere")
    received = await member.follow_unsigned(ID, magnet)  # Another may be tried.
    assert (received.clock, received.is_new) == (0, True)
    await world.advance(HOUR)
    assert len(await member.messages(ID)) == 1
    assert (await member.status(ID)).condition == UNSIGNED
    with pytest.raises(NothingAnnouncedError):
        await member.announcement(ID)
    await world.restart("member")
    await world.advance(60)
    member = world.node("member")
    assert (await member.status(ID)).condition == UNSIGNED
    await member.receive_announcement(await owner.announcement(ID))
    status = await member.status(ID)
    assert (status.condition, status.generation, status.state) == ("", 1, "idle")
    with pytest.raises(LinkRefusedError, match="a signed link is known"):
        await member.follow_unsigned(ID, "memory:nowhere")
    assert status.refusals == {}


async def test_any_signed_link_is_newer_and_ends_the_condition_once_it_was_followed(
    world: World,
) -> None:
    owner = await owner_in(world)
    first = await owner.magnet_for(ID)
    assert first is not None
    member = await member_in(world)
    await member.follow_unsigned(ID, first)
    await world.advance(HOUR)
    await owner.add_messages(ID, [text_message(TOPIC, world.clock.now(), "two")])
    await world.advance(WEEK + 2 * HOUR)
    await member.receive_announcement(announced(1, "memory:nowhere"))  # The oldest that can be.
    assert (await member.status(ID)).condition == UNSIGNED
    await member.receive_announcement(await owner.announcement(ID))
    assert (await member.status(ID)).condition == UNSIGNED
    await world.advance(HOUR)
    assert (await member.status(ID)).condition == ""
    assert len(await member.messages(ID)) == 2


async def test_a_control_node_follows_no_unsigned_link(world: World) -> None:
    owner = await owner_in(world)
    with pytest.raises(LinkRefusedError, match="controls the community"):
        await owner.follow_unsigned(ID, "memory:1")
    # Nor one of the time before it had control, nor one beside what it once announced itself.
    member = await member_in(world)
    await member.follow_unsigned(ID, "memory:nowhere")
    world.place("member").keys.add(KEY.secret)
    await member.take_over(ID)
    status = await member.status(ID)
    assert (status.condition, status.guards["link_is_wanted"]) == ("", False)
    await owner.hand_over(ID, NEW_KEY.public_key.format())
    with pytest.raises(LinkRefusedError, match="a signed link is known"):
        await owner.follow_unsigned(ID, "memory:1")


async def test_an_unsigned_link_that_leads_nowhere_is_refused(world: World) -> None:
    member = await member_in(world)
    with pytest.raises(LinkRefusedError, match="no locator of this swarm"):
        await member.follow_unsigned(ID, "magnet:?xt=urn:btih:" + "1" * 40)
    with pytest.raises(LinkRefusedError, match="names another community"):
        await member.follow_unsigned(ID, f"magnet:?xt=urn:btih:{'1' * 40}&dn=0x02{'ab' * 32}")
    status = await member.status(ID)
    assert (status.state, status.condition) == ("idle", "")


# -------------------------------------------------------------------------- transfer of ownership


async def test_after_a_transfer_the_new_key_s_links_count_and_the_old_one_s_do_not(
    world: World,
) -> None:
    member = await member_in(world)
    now = now_of(world)
    old = announced(now, "memory:1")
    await member.receive_announcement(old)
    await member.hand_over(ID, NEW_KEY.public_key.format())
    with pytest.raises(LinkRefusedError, match="control key did not sign it"):
        await member.receive_announcement(announced(now + 1, "memory:2"))
    with pytest.raises(NothingAnnouncedError):  # The old key's would be refused by all others.
        await member.announcement(ID)
    new = announced(now + 2, "memory:2", NEW_KEY)
    assert (await member.receive_announcement(new)).is_new
    assert await member.announcement(ID) == new
    world.network.faults = Faults()
    for key, clock in ((KEY, 3), (NEW_KEY, 4)):
        _, message = from_line(announced(now + clock, "memory:3", key))
        world.network.inject(f"{ID}-magnetlinks", message)
    await world.advance(1)
    assert await refused(member) == {"wrong signer": 2}
    assert await member.announcement(ID) == announced(now + 4, "memory:3", NEW_KEY)
