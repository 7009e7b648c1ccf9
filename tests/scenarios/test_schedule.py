"""Fifty-two weeks in seconds, and what clocks do to a schedule: zones, jumps, absences."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import pytest

from workflow.adapters.messaging.in_process import Acceptance, Faults
from workflow.adapters.store.facts import Timing
from workflow.archive.announcement import open_announcement
from workflow.archive.codec import decode_archive
from workflow.archive.index import IndexEntry
from workflow.testing.world import DAY, HOUR, MINUTE, START, WEEK, World, text_message

TOPIC: Final = b"\x01\x02\x03\x04"
ZONES: Final = ("UTC", "Europe/Berlin", "Pacific/Auckland")
BERLIN: Final = ZoneInfo("Europe/Berlin")


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within it.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


# -- telling --------------------------------------------------------------------------------------


def key_of(number: int) -> bytes:
    return bytes([number]) * 32


async def found(
    world: World,
    name: str,
    number: int = 1,
    *,
    interval: float = WEEK,
    reannounce_after: float | None = None,
) -> str:
    """A community whose control node is the node of this name."""
    if world.place(name).node is None:
        await world.start(name)
        await world.node(name).enable()
    id = await world.node(name).create_community(
        f"community {number}",
        private_key=key_of(number),
        interval=int(interval),
        reannounce_after=reannounce_after,
    )
    await world.node(name).add_topic(id, TOPIC)
    return id


async def join(world: World, name: str, *ids: str) -> None:
    await world.start(name)
    await world.node(name).enable()
    for id in ids:
        await world.node(name).join(id)
        await world.node(name).add_topic(id, TOPIC)


async def write(world: World, name: str, id: str, *texts: str, at: float | None = None) -> None:
    when = world.clock.now() if at is None else at
    messages = [text_message(TOPIC, when + n, text) for n, text in enumerate(texts)]
    assert await world.node(name).add_messages(id, messages) == len(texts)


# -- looking --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """A community's archives on one node, and what was made of them."""

    entries: tuple[IndexEntry, ...]
    generation: int
    sha: str
    messages: int


async def kept(world: World, name: str, id: str) -> Kept:
    """What is there, after a look that every message is in exactly one archive, on the grid."""
    node = world.node(name)
    store = node._store
    community, generation = await node.engine.run(
        lambda tx: (store.community(tx, id), store.generation(tx, id))
    )
    messages = await node.messages(id)
    if generation is None:
        return Kept((), 0, "", len(messages))
    entries = await node.engine.run(lambda tx: store.archives(tx, id, generation.lineage))
    folder = world.place(name).directory / "archives" / id / str(generation.lineage)
    data = (folder / "data").read_bytes()
    assert len(data) == generation.data_length
    there: Counter[tuple[bytes, str | None]] = Counter()
    for entry in entries:
        if generation.is_own:
            assert community.anchor is not None
            assert (entry.start - community.anchor) % community.interval == 0
        assert entry.end - entry.start == community.interval
        raw = data[entry.offset : entry.offset + entry.raw_size]
        archive = store.instance_of(id, generation.lineage, entry.id)
        there.update((one.encode(), archive) for one in decode_archive(raw, entry))
    assert all(count == 1 for count in there.values())
    assert {encoded for encoded, _ in there} <= {one.encoded for one in messages}
    archived = [one for one in messages if one.archive is not None]
    assert Counter((one.encoded, one.archive) for one in archived) == there
    sha = hashlib.sha256(data + (folder / f"index.{generation.number}").read_bytes()).hexdigest()
    return Kept(tuple(entries), generation.number, sha, len(messages))


async def loose(world: World, name: str, id: str) -> int:
    """How many messages are in no archive."""
    return sum(one.archive is None for one in await world.node(name).messages(id))


def announced(world: World, id: str) -> list[tuple[float, int, str]]:
    """When, clock and locator of all that was announced of a community."""
    links = []
    for one in world.network.published:
        if one.channel.startswith(id) and one.acceptance is Acceptance.TAKEN:
            link = open_announcement(one.payload).announcement
            links.append((one.at, link.clock, link.locator))
    return links


async def creations(world: World, name: str, id: str) -> list[Any]:
    """The times at which archives were written."""
    rows = await world.node(name).engine.run(
        lambda tx: tx.execute(
            "SELECT at FROM history WHERE id = ? AND event = 'ARCHIVES_WRITTEN' ORDER BY seq",
            (id,),
        ).fetchall()
    )
    return [row[0] for row in rows]


async def checked_end(world: World) -> None:
    assert world.violations() == []
    assert world.clock.failures == []
    await world.close()


# -- a year ---------------------------------------------------------------------------------------


async def a_year(directory: Path) -> object:
    """Three communities on two nodes, and a member who follows two of them."""
    world = World(directory)
    places = {}
    for name, number in (("owner", 1), ("owner", 2), ("other", 3)):
        places[await found(world, name, number)] = name
    await join(world, "member", *tuple(places)[:2])
    for week in range(52):
        for id, name in places.items():
            await write(world, name, id, f"{week} a", f"{week} b")
        await world.advance(WEEK)
    await world.advance(2 * HOUR)
    result = []
    for id, name in places.items():
        there = await kept(world, name, id)
        assert (len(there.entries), there.generation, there.messages) == (52, 52, 104)
        assert await loose(world, name, id) == 0
        links = announced(world, id)
        assert len(links) == len({locator for *_, locator in links}) == 52
        assert [clock for _, clock, _ in links] == sorted({clock for _, clock, _ in links})
        result.append((id, there.sha, links))
    for id in tuple(places)[:2]:
        there, owned = await kept(world, "member", id), await kept(world, places[id], id)
        assert there == owned
    await checked_end(world)
    return result


async def test_a_year_is_the_same_in_every_time_zone(fast_disk: Path) -> None:
    years = []
    for zone in ZONES:
        with time_zone(zone):
            assert (
                time.localtime(START).tm_hour == datetime.fromtimestamp(START, ZoneInfo(zone)).hour
            )
            years.append(await a_year(fast_disk / zone))
    assert years[0] == years[1] == years[2]


# -- absences -------------------------------------------------------------------------------------


async def test_a_late_sweep_makes_one_generation_of_all_windows(fast_disk: Path) -> None:
    world = World(fast_disk)
    id = await found(world, "owner")
    for week in range(5):
        await write(world, "owner", id, f"week {week}", at=START + week * WEEK)
    await world.stop("owner")
    await world.advance(5 * WEEK + DAY)
    await world.start("owner")
    await world.advance(2 * HOUR)
    there = await kept(world, "owner", id)
    assert [entry.start for entry in there.entries] == [int(START + n * WEEK) for n in range(5)]
    assert there.generation == 1
    assert len(announced(world, id)) == 1
    assert len(await creations(world, "owner", id)) == 1
    await checked_end(world)


async def test_a_suspended_machine_wakes_up_and_catches_up(fast_disk: Path) -> None:
    """Nothing ran while three windows closed; the process never knew."""
    world = World(fast_disk)
    id = await found(world, "owner")
    for week in range(3):
        await write(world, "owner", id, f"week {week}", at=START + week * WEEK)
    await world.advance(HOUR)
    world.clock.jump(3 * WEEK + 2 * HOUR)
    await world.advance(15 * MINUTE)
    there = await kept(world, "owner", id)
    assert (len(there.entries), there.generation) == (3, 1)
    assert len(announced(world, id)) == 1
    await checked_end(world)


# -- jumps ----------------------------------------------------------------------------------------


JUMPS: Final = {
    "a month back": (-30 * DAY,),
    "an hour back again and again": (-HOUR, -HOUR, -HOUR),
    "to and fro": (HOUR, -HOUR, 3 * DAY, -2 * DAY),
    "back and forward": (-20 * DAY, 20 * DAY),
}
A_YEAR: Final = (365 * DAY, -365 * DAY)


async def live_through(world: World, jumps: tuple[float, ...]) -> str:
    """Messages before, between and behind these jumps of everybody's clock, then two weeks."""
    id = await found(world, "owner", reannounce_after=8 * HOUR)
    await join(world, "member", id)
    count = 0
    for jump in (0.0, *jumps, 0.0, 0.0):
        world.clock.jump(jump)
        for _ in range(3):
            count += 1
            await write(world, "owner", id, f"message {count}")
            await world.advance(2.5 * DAY)
    world.clock.jump(max(0.0, -sum(jumps)))
    await world.advance(2 * WEEK)
    there = await kept(world, "owner", id)
    assert there.messages == count
    return id


@pytest.mark.parametrize("jumps", [*JUMPS.values(), A_YEAR], ids=[*JUMPS, "a year"])
async def test_jumps_lose_nothing_and_archive_nothing_twice(
    fast_disk: Path, jumps: tuple[float, ...]
) -> None:
    world = World(fast_disk)
    id = await live_through(world, jumps)
    # What was written a year ahead of now has a window that closes in a year.
    ahead = [one for one in await world.node("owner").messages(id) if one.time > world.clock.now()]
    assert await loose(world, "owner", id) <= len(ahead)
    links = announced(world, id)
    assert [clock for _, clock, _ in links] == sorted({clock for _, clock, _ in links})
    await kept(world, "member", id)
    await checked_end(world)


@pytest.mark.parametrize(
    "jumps",
    [
        *(pytest.param(jumps, id=name) for name, jumps in JUMPS.items()),
        pytest.param(A_YEAR, id="a year"),
    ],
)
async def test_members_follow_through_jumps(fast_disk: Path, jumps: tuple[float, ...]) -> None:
    world = World(fast_disk)
    id = await live_through(world, jumps)
    owned = {one.encoded for one in await world.node("owner").messages(id)}
    assert {one.encoded for one in await world.node("member").messages(id)} == owned
    await checked_end(world)


async def test_a_clock_put_right_delays_no_retry(fast_disk: Path) -> None:
    world = World(fast_disk)
    id = await found(world, "owner")
    await write(world, "owner", id, "one")
    world.clock.jump(365 * DAY)
    world.network.faults = Faults(accept=lambda _: Acceptance.REFUSED)
    await world.advance(HOUR)
    world.clock.jump(-365 * DAY)
    world.network.faults = Faults()
    await world.advance(WEEK)
    assert len(announced(world, id)) == 1
    await checked_end(world)


async def test_a_clock_put_right_delays_no_announcement(fast_disk: Path) -> None:
    world = World(fast_disk)
    id = await found(world, "owner", reannounce_after=8 * HOUR)
    await write(world, "owner", id, "one")
    world.clock.jump(365 * DAY)
    await world.advance(HOUR)
    world.clock.jump(-365 * DAY)
    count = len(announced(world, id))
    await world.advance(WEEK)
    assert len(announced(world, id)) > count > 0
    await checked_end(world)


@pytest.mark.parametrize("days", [(2024, 3, 25), (2024, 10, 21)], ids=["spring", "autumn"])
async def test_the_weeks_of_summer_time_are_weeks(
    fast_disk: Path, days: tuple[int, int, int]
) -> None:
    """A window has its seven days of seconds; only the clock on the wall shows another hour."""
    with time_zone("Europe/Berlin"):
        start = datetime(*days, 12, tzinfo=BERLIN).timestamp()
        world = World(fast_disk, start=start)
        id = await found(world, "owner")
        for hour in range(0, 14 * 24, 3):
            await write(world, "owner", id, f"hour {hour}")
            await world.advance(3 * HOUR)
        await world.advance(2 * HOUR)
        there = await kept(world, "owner", id)
        assert [(entry.start, entry.end) for entry in there.entries] == [
            (int(start), int(start + WEEK)),
            (int(start + WEEK), int(start + 2 * WEEK)),
        ]
        first, second = there.entries[0].start, there.entries[0].end
        hours = [datetime.fromtimestamp(at, BERLIN).hour for at in (first, second)]
        assert hours in ([12, 13], [12, 11])
        assert await loose(world, "owner", id) == 0
        assert len(announced(world, id)) == 2
        await checked_end(world)


# -- many, timers, intervals ----------------------------------------------------------------------


@pytest.mark.parametrize("spread", [300.0, 3000.0, 0.0])
async def test_many_communities_that_are_due_at_once_are_spread(
    fast_disk: Path, spread: float
) -> None:
    world = World(fast_disk, timing=Timing(spread=spread))
    ids = [await found(world, "owner", number) for number in range(1, 31)]
    for id in ids:
        await write(world, "owner", id, "one")
    await world.advance(HOUR)
    node = world.node("owner")
    due = [cast("float", (await node.status(id)).due_at) for id in ids]
    earliest = START + WEEK + HOUR
    assert all(earliest <= at <= earliest + spread for at in due)
    if spread:
        assert len(set(due)) == len(ids)
        assert max(due) - min(due) > spread / 2
    else:
        assert set(due) == {earliest}
    await world.advance(WEEK + spread + 10 * MINUTE)
    for id, at in zip(ids, due, strict=True):
        assert await creations(world, "owner", id) == [at]
        assert len(announced(world, id)) == 1
    await checked_end(world)


async def test_a_link_is_announced_again_after_eight_hours(fast_disk: Path) -> None:
    world = World(fast_disk)
    await world.start("owner")
    await world.node("owner").enable()
    id = await world.node("owner").create_community("by default", private_key=key_of(1))
    await world.node("owner").add_topic(id, TOPIC)
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    first = announced(world, id)[0]
    await world.advance(2 * DAY)
    times = [at for at, *_ in announced(world, id)]
    assert len(times) == 7
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(8 * HOUR <= gap <= 8 * HOUR + MINUTE for gap in gaps)
    assert {locator for *_, locator in announced(world, id)} == {first[2]}
    await checked_end(world)


@pytest.mark.parametrize(("after", "count"), [(DAY, 3), (None, 1)])
async def test_the_timer_is_a_setting_and_may_be_off(
    fast_disk: Path, after: float | None, count: int
) -> None:
    world = World(fast_disk)
    id = await found(world, "owner", reannounce_after=after)
    await write(world, "owner", id, "one")
    await world.advance(WEEK + 2 * HOUR)
    await world.advance(2 * DAY + HOUR)
    links = announced(world, id)
    assert len(links) == count
    assert len({clock for _, clock, _ in links}) == count
    assert len({locator for *_, locator in links}) == 1
    await checked_end(world)


async def test_the_interval_is_each_community_s_own(fast_disk: Path) -> None:
    world = World(fast_disk)
    daily = await found(world, "owner", 1, interval=DAY)
    weekly = await found(world, "owner", 2)
    for day in range(14):
        for id in (daily, weekly):
            await write(world, "owner", id, f"day {day}")
        await world.advance(DAY)
    await world.advance(2 * HOUR)
    counts = [len((await kept(world, "owner", id)).entries) for id in (daily, weekly)]
    assert counts == [14, 2]
    assert [len(announced(world, id)) for id in (daily, weekly)] == [14, 2]
    await checked_end(world)
