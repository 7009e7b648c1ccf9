"""A member that fetches over BitTorrent is killed (SIGKILL) at its moments, and started again.

It must end with the same messages and files as one that was never killed. The short form kills once
at each kind of moment; ``pytest -m slow`` kills at every one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.crash.forked import Nodes
from tests.crash.member_child import node_in
from workflow.testing.world import WEEK, text_message

WEEKS: Final = 3
START: Final = 1_704_067_200
TOPIC: Final = b"\x01\x02\x03\x04"


class Members:
    """Lives of members, while an owner in this process offers three weeks."""

    def __init__(self, nodes: Nodes, given: dict[str, str]) -> None:
        self._nodes = nodes
        self._given = given

    async def live(self, directory: Path, kill_at: int = 0) -> int:
        return await asyncio.to_thread(self._nodes.live, directory, kill_at, **self._given)

    async def never_killed(self) -> tuple[list[str], dict[str, Any]]:
        """The moments of a member that nobody kills, and its end."""
        directory = self._nodes.directory()
        assert await self.live(directory) == 0
        left = json.loads((directory / "end.json").read_text())
        assert left["end"]["state"] == "idle"
        assert len(left["end"]["digests"]) == WEEKS * 5
        return left["moments"], left["end"]

    async def killed_at(self, moment: int, expected: dict[str, Any]) -> int:
        """Kill it there, and then let it finish; returns how the first life ended."""
        directory = self._nodes.directory()
        ended = await self.live(directory, moment)
        assert ended in {-signal.SIGKILL, 0}
        assert await self.live(directory) == 0
        assert json.loads((directory / "end.json").read_text())["end"] == expected
        shutil.rmtree(directory)
        return ended


@pytest.fixture
async def members(fast_disk: Path) -> AsyncGenerator[Members, None]:
    meeting = fast_disk / "meeting"
    nodes = Nodes("tests.crash.member_child", fast_disk)  # Forks before there are threads.
    try:
        async with node_in(fast_disk / "owner", meeting) as owner:
            announced = asyncio.Event()
            owner.engine.on_step(
                lambda step: announced.set() if step.event == "LINK_SENT" else None
            )
            await owner.enable()
            id = await owner.create_community("gardeners")
            await owner.add_topic(id, TOPIC)
            times = [
                START + week * WEEK + hour * 3600 for week in range(WEEKS) for hour in range(5)
            ]
            await owner.add_messages(
                id, [text_message(TOPIC, one, f"at {one} " + "x" * 30_000) for one in times]
            )
            await owner.archive_now(id)
            async with asyncio.timeout(60):
                await announced.wait()
            line = await owner.announcement(id)
            yield Members(nodes, {"meeting": str(meeting), "id": id, "line": line})
    finally:
        nodes.close()


async def test_a_member_killed_at_each_kind_of_moment_ends_as_if_nothing_had_been(
    members: Members,
) -> None:
    moments, expected = await members.never_killed()
    assert {"before commit", "after commit", "metadata_received_alert",
            "piece_finished_alert", "cache_flushed_alert"} <= set(moments)  # fmt: skip
    last = {moment: number for number, moment in enumerate(moments, 1)}
    middle = len(moments) // 2
    ended = [await members.killed_at(one, expected) for one in {*last.values(), middle}]
    assert ended.count(-signal.SIGKILL) > len(ended) // 2  # Alerts vary a little in number.


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_member_killed_at_every_moment_ends_as_if_nothing_had_been(
    members: Members,
) -> None:
    moments, expected = await members.never_killed()
    kills = 0
    for moment in range(1, len(moments) + 1):
        kills += await members.killed_at(moment, expected) == -signal.SIGKILL
    assert kills > len(moments) * 3 // 4
    print(f"killed at {kills} of {len(moments)} moments")  # noqa: T201 - for who runs it with -s.
