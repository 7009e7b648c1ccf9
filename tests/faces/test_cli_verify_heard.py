"""``verify`` and what no Waku node has told: named by channel and time, with exit code 4."""

from __future__ import annotations

import json
import time

import pytest

from tests.faces.chatter import ID, node_in
from tests.faces.in_process import InProcess
from workflow.adapters.clock.manual import ManualClock
from workflow.ports.records import Channel, Gap
from workflow.waku.chats import topic_of, universal_chat_id

NAMES = ("general", "the tearoom with a long name", "seeds", "bulbs", "quiet")
CHATS = [f"{ID}{number}1111111-1111-4111-8111-111111111111" for number in range(len(NAMES))]
SINCE, UNTIL = 1_706_778_000.0, 1_707_642_300.0  # 2024-02-01 09:00, 2024-02-11 09:05
MINUTE, WEEK = 60.0, 604_800.0


@pytest.fixture
async def deaf(here: InProcess) -> InProcess:
    """A community with five channels: ten days forgotten, and one silent for three weeks."""
    node = node_in(here.data_dir, ManualClock(time.time()))
    now = node._tools.clock.now()
    store = node._tools.store
    for name, chat in zip(NAMES, CHATS, strict=True):
        await node.add_channel(ID, Channel(topic_of(chat), chat, name))
        await node.engine.run(
            lambda tx, chat=chat: store.add_gap(tx, ID, Gap(chat, SINCE, UNTIL))  # type: ignore[misc]
        )
    heard = [(ID, chat) for chat in (*CHATS[:-1], universal_chat_id(ID))]
    silent = [(ID, CHATS[-1])]
    await node.engine.run(lambda tx: store.set_heard(tx, heard, "http://one", now - MINUTE))
    for source, ago in (("http://one", 4 * WEEK), ("http://two", 3 * WEEK)):
        await node.engine.run(
            lambda tx, source=source, ago=ago: store.set_heard(tx, silent, source, now - ago)  # type: ignore[misc]
        )
    await node.stop()
    return here


async def test_it_is_told_in_lines_of_a_terminal(deaf: InProcess) -> None:
    said = deaf("verify")
    assert (said.code, said.err) == (4, "")
    lines = said.out.splitlines()
    assert lines[0] == "gardeners: NOT complete."
    assert all(len(line) <= 80 for line in lines)
    told = " ".join(said.out.split())
    assert (
        "! not heard from 2024-02-01 09:00 to 2024-02-11 09:05, in general, the tearoom with a long"
        " name, seeds and 2 more: the network had forgotten it when it was asked"
    ) in told
    assert told.endswith(", in quiet: the network has not told it yet")
    assert told.count("not heard") == 2


async def test_it_is_told_to_programs(deaf: InProcess) -> None:
    said = deaf("verify", "gardeners", "--json")
    assert said.code == 4
    (told,) = json.loads(said.out)
    assert told["is_complete"] is False
    *forgotten, silent = told["unheard"]
    assert {one["channel"]: one["topic"] for one in forgotten} == {
        name: topic_of(chat).hex() for name, chat in zip(NAMES, CHATS, strict=True)
    }
    assert {(one["from"], one["to"], one["why"]) for one in forgotten} == {
        (SINCE, UNTIL, "the network had forgotten it when it was asked")
    }
    assert (silent["channel"], silent["why"]) == ("quiet", "the network has not told it yet")
    assert silent["from"] < silent["to"] <= time.time()
    assert silent["from"] > time.time() - 3 * WEEK - 10 * MINUTE, "the best source counts"
