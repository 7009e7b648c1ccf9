"""Months on a network where everything goes wrong, in simulated time.

A control node hears two Waku nodes for thirty days, in three parts, and is away for three days and
for forty between them. Meanwhile the nodes restart, forget who has subscribed, lose and repeat what
they deliver, take what is sent and do nothing with it, answer half, slowly, or not at all. In the
end every message that a node of the network held while somebody could ask is in an archive, and
``verify`` names the time of those that nobody could ask for, and no other.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.town import DAY, GENERAL, HOUR, ID, MINUTE, WEEK, Town, said
from workflow.ports.messaging import RETENTION
from workflow.waku.chats import content_topic, topic_of, universal_chat_id

STEP: Final = 3 * HOUR
CHATS: Final = {content_topic(topic_of(chat)) for chat in (GENERAL, universal_chat_id(ID))}
"""Where people chat; links and descriptions are no history."""
PARTS: Final = (10 * DAY, 3 * DAY, 10 * DAY, 40 * DAY, 10 * DAY)
"""Present, away, present, away, present."""


class Months:
    """What happens in the town. ``kept`` has the time (seconds) of each message a store had."""

    def __init__(self, town: Town, seed: int) -> None:
        self.kept: dict[bytes, float] = {}
        self._town = town
        self._chance = random.Random(seed)  # noqa: S311 - the same accidents each time.
        self._said = 0

    async def pass_by(self, seconds: float, *, with_faults: bool = True) -> None:
        """Let people chat, and nodes fail."""
        town, chance = self._town, self._chance
        goal = town.clock.now() + seconds
        while town.clock.now() < goal:
            for _ in range(chance.randrange(4)):
                self._said += 1
                channel = chance.choice((GENERAL, GENERAL, universal_chat_id(ID)))
                town.say(f"message {self._said}", channel)
            for node in town.nodes:
                self.kept |= {
                    one.hash: one.time / 1e9
                    for one in node.memory.messages()
                    if one.message.content_topic in CHATS
                }
                if with_faults:
                    self._fail(node)
            await town.clock.advance(STEP)

    def mend(self) -> None:
        """From now on all goes well."""
        for node in self._town.nodes:
            _heal(node)

    def _fail(self, node: WakuNode) -> None:
        """One of the things that go wrong, until the next."""
        _heal(node)
        faults = node.faults
        accidents: tuple[Callable[[], object], ...] = (
            node.restart,
            node.forget_subscriptions,
            lambda: setattr(faults, "is_down", True),
            lambda: setattr(faults, "is_apart", True),
            lambda: setattr(faults, "drop_every", 2),
            lambda: setattr(faults, "repeats", 2),
            lambda: setattr(faults, "swallows", True),
            lambda: setattr(faults, "delay", 20.0),
            lambda: setattr(faults, "cut", 5),
            lambda: setattr(faults, "short", 5),
            lambda: setattr(faults, "unanswered", 5),
            lambda: setattr(faults, "is_store_down", True),
            lambda: setattr(faults, "limited", 5),
            lambda: setattr(faults, "failing", 5),
        )
        if self._chance.random() < 0.5:
            self._chance.choice(accidents)()


def _heal(node: WakuNode) -> None:
    node.faults = type(node.faults)()


@pytest.fixture(params=[(6.0, 6.0), pytest.param((0.05, 0.25), marks=pytest.mark.slow)],
                ids=["asked seldom", "asked often"])  # fmt: skip
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """Polled and asked every so many hours."""
    polls, asks = request.param
    dialects = Dialect.NWAKU, Dialect.GO_WAKU
    town = Town(tmp_path, *dialects, poll_every=polls * HOUR, ask_every=asks * HOUR)
    yield town
    await town.close()


@pytest.mark.timeout(3600)
async def test_what_is_archived_is_what_the_network_held(town: Town) -> None:
    months, began = Months(town, seed=11), town.clock.now()
    owner = await town.owner()
    away: list[tuple[float, float]] = []
    for number, part in enumerate(PARTS):
        if number % 2:
            left = town.clock.now()
            await town.close("owner")
            await months.pass_by(part)
            months.mend()  # So that it is sure when it was asked first.
            away.append((left, town.clock.now()))
            owner = await town.open("owner")
        else:
            await months.pass_by(part)
    months.mend()
    await months.pass_by(DAY, with_faults=False)
    await town.clock.advance(12 * HOUR)
    await owner.archive_now(ID, with_open_window=True)
    await town.clock.advance(2 * HOUR)
    kept = {hash: at for hash, at in months.kept.items() if at >= began}

    found = await said(owner)
    assert all(found.values())
    assert found.keys() <= kept.keys()
    lost = {at for hash, at in kept.items() if hash not in found}
    coverage = await owner.verify(ID)
    assert coverage.problems == []
    _, (left, back) = away
    for one in coverage.unheard:  # From the last answer before to the memory's end when it is back.
        assert left - 6 * HOUR <= one.since <= left
        assert back <= one.until + RETENTION <= back + 5 * MINUTE
        assert lost
        assert all(one.since <= at < one.until for at in lost)
        unheard = {at for at in kept.values() if left <= at < one.until}
        assert unheard <= lost
    assert {one.channel.name for one in coverage.unheard} == {"general", ""}

    member = await town.member()
    await town.clock.advance(WEEK)
    assert (await said(member)).keys() >= found.keys()
    assert (await member.status(ID)).holding.is_complete
