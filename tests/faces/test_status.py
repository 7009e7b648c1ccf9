"""``status`` beside a node that runs in this process: what is live, and what happens."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout, suppress
from functools import partial

import pytest

from tests.faces.chatter import node_in
from tests.faces.documented import complaints
from tests.faces.in_process import InProcess
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.clock.system import SystemClock
from workflow.cli import asking, following
from workflow.cli.following import follow_steps
from workflow.cli.standing import look_at
from workflow.commanding import perform
from workflow.engine.inbox import Inbox, serve
from workflow.node import Node
from workflow.ports.records import Choice

MINUTE, HOUR = 60.0, 3_600.0


@asynccontextmanager
async def running(
    here: InProcess, *, answers: bool = True
) -> AsyncIterator[tuple[Node, ManualClock]]:
    """The node of this data directory with everything settled; it answers other processes."""
    clock = ManualClock(time.time())
    node = node_in(here.data_dir, clock)
    async with node:
        await clock.advance(5)
        serving = asyncio.create_task(
            serve(Inbox(here.data_dir), partial(perform, node), SystemClock())
        )
        if not answers:
            serving.cancel()
        try:
            yield node, clock
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


async def test_who_runs_says_what_is_live_now(here: InProcess) -> None:
    async with running(here):
        said = await asyncio.to_thread(here, "status")
        head, line = said.out.splitlines()
        assert head.split() == ["COMMUNITY", "PATH", "LIVE", "PEERS", "HAS", "DUE", "IN"]
        assert line.split()[:2] == ["gardeners", "NOW"]
        assert line.split()[3:6] == ["live", "0", "1/1"]
        assert said.err.startswith("live: now; process ")
        (told,) = json.loads((await asyncio.to_thread(here, "status", "--json")).out)
        assert (told["is_live"], told["is_live_known"], told["peers"]) == (True, "now", 0)


async def test_who_does_not_answer_is_not_waited_for(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOMENT", 0.2)
    async with running(here, answers=False):
        said = await asyncio.to_thread(here, "status", "gardeners")
        assert "  live       yes, as recorded at the last step\n" in said.out
        assert "  peers      not known\n" in said.out
        assert Inbox(here.data_dir).unanswered() == [], "nothing is left to be answered later"


async def test_an_inbox_that_cannot_be_written_is_no_hindrance(here: InProcess) -> None:
    async with running(here, answers=False):
        (here.data_dir / "inbox.sqlite3").unlink(missing_ok=True)
        (here.data_dir / "inbox.sqlite3").mkdir()
        said = await asyncio.to_thread(here, "status")
        assert said.code == 0
        assert "as recorded at the last step" in said.err


def test_steps_behind_a_number_come_with_it(here: InProcess) -> None:
    said = here("status", "--since", "12")
    steps = [line for line in said.out.splitlines() if line.startswith("#")]
    assert [line.split()[0] for line in steps] == ["#13", "#14"]
    assert steps[-1].endswith("gardeners: announcing --link_sent--> idle")
    assert said.err.endswith("The newest step is 14: '--since 14' goes on behind it.\n")
    lines = [json.loads(one) for one in here("status", "--since", "12", "--json").out.splitlines()]
    assert [one["event"] for one in lines] == ["status", "step", "step"]
    assert [one["step"]["seq"] for one in lines[1:]] == [13, 14]
    assert lines[0]["seq"] == 14
    assert lines[0]["communities"][0]["name"] == "gardeners"


def test_steps_of_one_community_and_no_other(here: InProcess) -> None:
    said = here("status", "gardeners", "--since", "0")
    steps = [line for line in said.out.splitlines() if line.startswith("#")]
    assert steps
    assert all("gardeners: " in line for line in steps)
    everything = here("status", "--since", "0").out
    assert any("node: " in line for line in everything.splitlines() if line.startswith("#"))


def is_off(said: str) -> bool:
    return '"state": "off"' in said or "NOW off" in said


async def followed(here: InProcess, *, as_json: bool) -> list[str]:
    """The lines that come while archives are announced again, and the community is switched off."""
    async with running(here) as (node, clock):
        (known,) = await node.communities()
        look = await asyncio.to_thread(look_at, here.data_dir)
        said = io.StringIO()
        with redirect_stdout(said):
            following = asyncio.create_task(
                follow_steps(here.data_dir, "", look, look.seq, SystemClock(), as_json=as_json)
            )
            await node.announce(known.id)
            await clock.advance(5)
            await node.switch_off(known.id)
            while not is_off(said.getvalue()):  # noqa: ASYNC110 - a stream has no event.
                await asyncio.sleep(0.02)
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
    return said.getvalue().splitlines()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "EVERY", 0.02)
    monkeypatch.setattr(following, "LOOK_AGAIN_AFTER", 2)


async def test_following_says_each_step_and_what_it_changed(here: InProcess, often: None) -> None:
    lines = await followed(here, as_json=False)
    seqs = [int(line[1:].split()[0]) for line in lines if line.startswith("#")]
    assert len(seqs) >= 4
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "without gaps"
    assert any(line.endswith("gardeners: announcing --link_sent--> idle") for line in lines)
    assert any(line.startswith("gardeners: NOW off; no; peers") for line in lines)


async def test_following_for_programs(here: InProcess, often: None) -> None:
    told = [json.loads(line) for line in await followed(here, as_json=True)]
    assert not [wrong for one in told for wrong in complaints("status", json.dumps(one))]
    assert {one["event"] for one in told} == {"status", "step"}
    assert told[-1]["communities"][0]["state"] == "off"


async def test_the_choice_is_shown(here: InProcess) -> None:
    async with running(here) as (node, _):
        id = "0x02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        await node.join(id, "chess")
        await node.choose(id, Choice(is_latest=True))
        said = (await asyncio.to_thread(here, "status")).out
        assert "  chosen: the latest archives\n" in said
        said = (await asyncio.to_thread(here, "status", "chess")).out
        assert "  chosen     the latest archives\n" in said
        assert "  node       member\n" in said
        assert "  archives   none yet\n" in said
        said = (await asyncio.to_thread(here, "why", "chess")).out
        assert "  chosen     the latest archives\n" in said


async def test_the_best_source_of_the_chat_that_is_most_behind_counts(here: InProcess) -> None:
    async with running(here) as (node, clock):
        (one,) = await node.communities()
        other = await node.create_community("weavers")
        await node.set_key_saved(other)
        now = clock.now()

        async def tell(id: str, chat: str, source: str, ago: float) -> None:
            chats = [(id, chat)]
            store = node._tools.store
            await node.engine.run(lambda tx: store.set_heard(tx, chats, source, now - ago))

        await tell(one.id, "a", "http://one", MINUTE)
        await tell(one.id, "b", "http://one", 200 * HOUR)
        await tell(one.id, "b", "http://two", 50 * MINUTE)
        await tell(other, "a", "http://one", MINUTE)
        assert (await node.health()).is_healthy
        assert (await node.status(one.id)).unheard_since is None
        await tell(one.id, "b", "http://two", 2 * HOUR)
        (problem,) = (await node.health()).problems
        assert (problem.code, problem.community) == ("not-heard", "gardeners")
        assert problem.text.endswith(" UTC is not known: no Waku node has told it")
        assert (await node.status(one.id)).unheard_since == now - 2 * HOUR
        said = (await asyncio.to_thread(here, "status", "gardeners")).out
        assert "  not heard  since " in said
        assert all(len(line) <= 80 for line in said.splitlines())
        told = json.loads((await asyncio.to_thread(here, "status", "--json")).out)
        assert [row["unheard_since"] for row in told] == [now - 2 * HOUR, None]
    assert "not heard" not in here("status", "gardeners").out, "nobody runs, so nobody asks"
