"""No forged link is ever accepted, and no valid one refused: ten thousand of each, by a real node.

They come over the network, to a journal on the disk. What is believed would be seen in the history,
in the link that is followed, and on the control node in its control.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest
from coincurve import PrivateKey
from loguru import logger

from tests.scenarios.forging import (
    SIGNER,
    Forgery,
    beyond_its_time,
    by_strangers,
    changed_bits,
    cut_and_extended,
    other_encodings,
    other_kinds,
    other_signatures,
    signed_by,
)
from workflow.archive.announcement import Announcement, open_announcement, sign
from workflow.archive.wire import field
from workflow.ports.messaging import Received
from workflow.ports.records import Link
from workflow.testing.world import HOUR, WEEK, World, text_message

KEY: Final = PrivateKey.from_int(7)
OTHER_KEY: Final = PrivateKey.from_int(8)
TOPIC: Final = b"\x01\x02\x03\x04"
LOCATOR: Final = "memory:" + "0123456789abcdef" * 18
BUNDLE: Final = field(2, b"installation") + field(3, bytes(range(256)))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


def id_of(key: PrivateKey) -> str:
    return "0x" + key.public_key.format().hex()


async def accepted(world: World, name: str) -> Counter[str]:
    """How many links each community of a node has accepted."""
    rows = await world.node(name).engine.run(
        lambda tx: tx.execute(
            "SELECT id, count(*) FROM history WHERE event = 'LINK_RECEIVED' GROUP BY id", ()
        ).fetchall()
    )
    return Counter({str(id): int(str(count)) for id, count in rows})


async def newest(world: World, name: str, id: str) -> Link | None:
    node = world.node(name)
    return await node.engine.run(lambda tx: node._store.link(tx, id))


async def refused(world: World, name: str, id: str) -> Counter[str]:
    return Counter((await world.node(name).status(id)).refusals)


def agrees(counted: Counter[str], forgeries: Iterable[Forgery]) -> None:
    """Each is counted once, and under a reason that it may be refused for."""
    certain, possible = Counter[str](), Counter[str]()
    for one in forgeries:
        possible.update(one.reasons)
        if len(one.reasons) == 1:
            certain.update(one.reasons)
    assert certain <= counted <= possible


async def test_ten_thousand_forged_links_and_none_is_accepted(world: World) -> None:
    node = await world.start("member")
    await node.enable()
    id, other = id_of(KEY), id_of(OTHER_KEY)
    await node.join(id, "chess")
    await node.join(other, "go")
    await world.advance(60)
    now = int(world.clock.now() * 1000)
    world.network.inject(f"{id}-magnetlinks", sign(Announcement(now, "memory:1"), signed_by(KEY)))
    await world.advance(1)
    before = await newest(world, "member", id)
    assert before is not None
    # All are made of announcements that would be accepted: newer than the newest.
    valid = sign(Announcement(now + 1, LOCATOR), signed_by(KEY))
    wrapped = BUNDLE + field(102, valid)
    theirs = [sign(Announcement(now + n, LOCATOR), signed_by(OTHER_KEY)) for n in range(1, 1500)]
    forgeries = [
        *changed_bits(valid),
        *cut_and_extended(valid),
        *other_signatures(KEY, now + 1, LOCATOR),
        *other_kinds(KEY, now + 1, LOCATOR),
        *other_encodings(KEY, now + 1, LOCATOR),
        *by_strangers(2500, now + 1, LOCATOR),
        *beyond_its_time(KEY, 1000, now, now, LOCATOR),
        *(Forgery(one, "replayed here", (SIGNER,)) for one in theirs),
        *(
            Forgery(BUNDLE + field(102, one.message), f"{one.made_by}, wrapped", one.reasons)
            for one in other_encodings(KEY, now + 1, LOCATOR)
            if one.made_by != "wrapped twice"
        ),
    ]
    assert len(forgeries) >= 10_000
    for one in forgeries:
        world.network.inject(f"{id}-magnetlinks", one.message)
    world.network.inject(f"{other}-magnetlinks", valid)
    world.network.inject(f"{other}-magnetlinks", wrapped)
    await world.advance(1)
    assert await accepted(world, "member") == {id: 1}
    assert await newest(world, "member", id) == before
    assert await newest(world, "member", other) is None
    counted = await refused(world, "member", id)
    assert counted.total() == len(forgeries)
    agrees(counted, forgeries)
    assert await refused(world, "member", other) == {SIGNER: 2}
    # And what they were made of is accepted.
    world.network.inject(f"{id}-magnetlinks", wrapped)
    await world.advance(1)
    assert await accepted(world, "member") == {id: 2}


@pytest.mark.parametrize("rounds", [40, pytest.param(200, marks=pytest.mark.slow)])
async def test_of_ten_thousand_valid_links_all_are_accepted(world: World, rounds: int) -> None:
    """Clocks that rise, locators of all lengths, bare or in the wrapper, whatever else is in it."""
    node = await world.start("member")
    await node.enable()
    keys = [PrivateKey.from_int(100 + number) for number in range(50)]
    await asyncio.gather(*(node.join(id_of(key)) for key in keys))
    await world.advance(60)
    now = int(world.clock.now() * 1000)
    clocks = {
        key: sorted(1 + number**5 * (7919 + place) % now for number in range(rounds - 1))
        for place, key in enumerate(keys)
    }
    for step in range(rounds):
        for place, key in enumerate(keys):
            clock = [*clocks[key], now + 3_599_000][step]
            length = (step * 523 + place * 31) % 4090
            message = sign(Announcement(clock, "memory:" + "x" * length), signed_by(key))
            forms = (
                message,
                field(102, message),
                BUNDLE + field(102, message),
                field(102, message) + field(99, b"later versions"),
            )
            world.network.inject(f"{id_of(key)}-magnetlinks", forms[(step + place) % 4])
    await world.advance(1)
    assert await accepted(world, "member") == {id_of(key): rounds for key in keys}
    for key in keys:
        assert await refused(world, "member", id_of(key)) == {}
        link = await newest(world, "member", id_of(key))
        assert link is not None
        assert link.clock == now + 3_599_000


async def test_nobody_can_take_an_owner_s_control_with_what_it_has_sent_itself(
    world: World,
) -> None:
    """A second form of its own announcement would be one that it has not sent."""
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY.secret)
    await node.add_topic(id, TOPIC)
    await node.add_messages(id, [text_message(TOPIC, world.clock.now(), "one")])
    await world.advance(WEEK + 2 * HOUR)
    (sent,) = world.network.published
    status = await node.status(id)
    link = await node.magnet_for(id)
    assert link is not None
    clock = open_announcement(sent.payload).announcement.clock
    forgeries = [
        *changed_bits(sent.payload),
        *cut_and_extended(sent.payload),
        *other_signatures(KEY, clock, link),
        *other_encodings(KEY, clock, link),
        *other_kinds(KEY, clock, link),
    ]
    assert sent.payload == sign(Announcement(clock, link), signed_by(KEY))
    for one in (Forgery(sent.payload, "its own", ()), *forgeries):
        world.network.inject(f"{id}-magnetlinks", one.message)
        world.network.inject(f"{id}-magnetlinks", field(102, one.message))
    await world.advance(1)
    after = await node.status(id)
    assert (after.is_control_node, after.condition) == (True, "")
    assert (after.state, after.generation) == (status.state, status.generation)
    assert await accepted(world, "owner") == {}
    assert sum(after.refusals.values()) == 2 * len(forgeries)
    assert set(after.refusals) == {"announcement-invalid", SIGNER}


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_of_links_in_any_order_the_newest_is_followed(
    world: World, order: tuple[int, ...]
) -> None:
    """Two within the settling time, repeated, reordered: only what is newer than all before."""
    node = await world.start("member")
    await node.enable()
    id = id_of(KEY)
    await node.join(id, "chess")
    await world.advance(60)
    now = int(world.clock.now() * 1000)
    highest, rising = -1, 0
    for number in order:
        message = sign(Announcement(now + number, f"memory:{number}"), signed_by(KEY))
        for _ in range(3):
            world.network.inject(f"{id}-magnetlinks", message)
        await world.advance(1)
        rising += number > highest
        highest = max(highest, number)
    link = await newest(world, "member", id)
    assert link is not None
    assert (link.clock, link.locator) == (now + 3, "memory:3")
    assert await accepted(world, "member") == {id: rising}
    counted = await refused(world, "member", id)
    assert counted == Counter({"repeated": 2 * rising, "older clock": 3 * (4 - rising)})
    assert (await node.status(id)).state == "settling"


async def test_what_nobody_follows_leaves_nothing_behind(world: World) -> None:
    """Nor can a flood of forgeries fill the log or the table of reasons."""
    node = await world.start("member")
    await node.enable()
    id = id_of(KEY)
    await node.join(id, "chess")
    await world.advance(60)
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO", format="{message}")
    try:
        for number in range(300):
            stranger = PrivateKey.from_int(1000 + number)
            message = sign(Announcement(number + 1, "memory:1"), signed_by(stranger))
            for payload in (message, b"junk"):
                channel = f"{id_of(stranger)}-magnetlinks"
                await node._links.receive(Received(channel, payload, 0.0))
        assert not lines
        for one in by_strangers(1200, 1, LOCATOR):
            world.network.inject(f"{id}-magnetlinks", one.message)
        await world.advance(1)
    finally:
        logger.remove(sink)
    assert [line.strip() for line in lines] == [
        f"links refused, {often} so far: {SIGNER}" for often in (1, 10, 100, 1000)
    ]
    counted = await node.engine.run(lambda tx: tx.execute("SELECT * FROM refusal", ()).fetchall())
    assert counted == [(id, SIGNER, 1200)]
