"""Links that come in: what is refused, what is counted, and what a silent network delays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from states.community import history_is_caught_up
from workflow.adapters.carrier.memory import MemoryCarrier
from workflow.adapters.messaging.in_process import Faults, InProcessMessaging
from workflow.archive.announcement import Announcement, sign
from workflow.testing.world import DAY, HOUR, MINUTE, WEEK, World, text_message
from workflow.viewing import open_view

KEY = bytes(range(1, 33))
TOPIC = b"\x01\x02\x03\x04"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


async def member_of(world: World) -> str:
    """A member alone on the network; the community's key lies with nobody who runs."""
    id = "0x" + world.place("owner").keys.add(KEY).hex()
    node = await world.start("member")
    await node.enable()
    await node.join(id, "chess")
    await world.advance(MINUTE)
    return id


async def announce(world: World, id: str, clock: int, locator: str) -> None:
    """A link that is signed as it should be."""
    keys = world.place("owner").keys
    link = sign(
        Announcement(clock, locator), lambda digest: keys.sign(bytes.fromhex(id[2:]), digest)
    )
    world.network.inject(f"{id}-magnetlinks", link)
    await world.advance(1)


async def test_only_a_newer_clock_is_followed(world: World) -> None:
    id = await member_of(world)
    now = int(world.clock.now() * 1000)
    await announce(world, id, now, "memory:one")
    await announce(world, id, now, "memory:one")
    await announce(world, id, now, "memory:other")
    await announce(world, id, now - 1, "memory:older")
    status = await world.node("member").status(id)
    assert status.state == "settling"
    assert status.refusals == {"older clock": 2, "repeated": 1}


async def test_a_clock_far_in_the_future_is_refused_and_locks_nobody_out(world: World) -> None:
    id = await member_of(world)
    now = int(world.clock.now() * 1000)
    await announce(world, id, 2**62, "memory:never")
    await announce(world, id, now + 2 * 3_600_000, "memory:too-early")
    await announce(world, id, now, "memory:now")
    status = await world.node("member").status(id)
    assert status.state == "settling"
    assert status.refusals == {"clock far in the future": 2}


async def test_what_is_no_announcement_is_counted(world: World) -> None:
    id = await member_of(world)
    world.network.inject(f"{id}-magnetlinks", b"hello")
    await world.advance(1)
    status = await world.node("member").status(id)
    assert (status.state, status.refusals) == ("idle", {"announcement-invalid": 1})


async def test_a_network_that_cannot_be_asked_delays_and_disables_nothing(world: World) -> None:
    """Archives wait for what was missed, not for ever; it is asked until it answers."""
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await node.add_messages(id, [text_message(TOPIC, world.clock.now() - 8 * DAY, "old")])
    await node.add_messages(id, [text_message(TOPIC, world.clock.now() - 1, "new")])
    world.network.faults = Faults(answer=lambda _: 0)
    await world.restart("owner")
    await world.advance(WEEK + 2 * HOUR)
    status = await world.node("owner").status(id)
    assert (status.generation, status.is_live) == (2, True)
    await world.restart("owner")
    await world.advance(5 * MINUTE)
    waiting = await world.node("owner").status(id)
    assert not waiting.guards["history_is_caught_up"]
    world.network.faults = Faults()
    await world.advance(2 * MINUTE)
    heard = await world.node("owner").status(id)
    assert heard.guards["history_is_caught_up"]


async def test_an_owner_who_comes_back_hears_of_its_links_before_it_announces(world: World) -> None:
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    await node.add_topic(id, TOPIC)
    await node.add_messages(id, [text_message(TOPIC, world.clock.now(), "one")])
    await world.advance(WEEK + HOUR + 10 * MINUTE)
    sent = len(world.network.published)
    assert sent > 0
    world.network.faults = Faults(answer=lambda _: 0)
    await world.stop("owner")
    await world.advance(DAY)
    await world.start("owner")
    await world.advance(5 * MINUTE)
    assert len(world.network.published) == sent
    await world.advance(10 * MINUTE)
    assert len(world.network.published) == sent + 1


async def test_another_process_sees_that_news_are_awaited(world: World) -> None:
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    world.network.faults = Faults(answer=lambda _: 0)
    await world.restart("owner")

    def is_caught_up() -> bool:
        view = open_view(
            world.place("owner").directory,
            clock=world.clock,
            carrier=MemoryCarrier(world.swarm, world.clock),
            messaging=InProcessMessaging(world.network),
            keys=world.place("owner").keys,
        )
        with view.journal as journal:
            return history_is_caught_up(journal.run(lambda tx: view.tools.facts(tx, id)))

    await world.advance(5 * MINUTE)
    assert not is_caught_up()
    await world.advance(6 * MINUTE)
    assert is_caught_up()
