"""``run --waku``: two real processes, an owner and a member, with a Waku node each on a real port.

The files go between the nodes of this machine; everything that is said goes over Waku.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from coincurve import PrivateKey

from tests.faces.command_line import PATIENCE, CommandLine, Started
from tests.faces.in_process import InProcess
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import served
from workflow.adapters.clock.system import SystemClock
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC, NON_PROTECTED_PUBSUB_TOPIC, Chat
from workflow.waku.sealing import seal

UUID: Final = "7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab"
TOPICS: Final = (DEFAULT_PUBSUB_TOPIC, NON_PROTECTED_PUBSUB_TOPIC)


def say(network: WakuNetwork, chat: Chat, text: str) -> None:
    """A stranger writes, whose Waku node is none of ours."""
    sign = partial(PrivateKey(bytes(31) + b"\x07").sign_recoverable, hasher=None)
    sealed = seal(chat, text.encode(), sign, os.urandom)
    # Some seconds ago: an open window is cut at a whole second, and this must be before it.
    network.publish(DEFAULT_PUBSUB_TOPIC, sealed.stamped((int(network.clock.now()) - 5) * 10**9))


async def typed(here: InProcess, command: str) -> str:
    said = await asyncio.to_thread(here, *command.split())
    assert said.code == 0, said.err
    return said.out


async def eventually(is_so: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait for it while the Waku nodes, which are in this loop, go on."""
    for _ in range(int(PATIENCE / 0.2)):
        if await asyncio.to_thread(is_so):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(otherwise())


async def says(started: Started, text: str) -> None:
    await eventually(lambda: text in started.said, lambda: f"'{text}' is not in: {started.said}")


async def has(here: InProcess, stored: str) -> None:
    await eventually(
        lambda: stored in " ".join(here("verify").out.split()), lambda: here("verify").out
    )


async def ended(started: Started) -> None:
    started.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(started.ended) == 0, started.said
    assert started.said.endswith("Stopped; everything that was done is kept.\n")
    assert "Traceback" not in started.said


async def test_what_strangers_say_reaches_the_member_as_archives(tmp_path: Path) -> None:
    owner, member = (CommandLine(tmp_path / name) for name in ("owner", "member"))
    the_owner, the_member = InProcess(owner.data_dir), InProcess(member.data_dir)
    id = (await typed(the_owner, "community create town")).split()[-1]
    await typed(the_owner, f"community add-channel town {UUID} --name general")
    await typed(the_member, f"join {id} --name town")

    network, general = WakuNetwork(SystemClock()), Chat.of(id + UUID)
    go_waku, nwaku = WakuNode(network, Dialect.GO_WAKU), WakuNode(network, Dialect.NWAKU)
    nwaku.faults.is_down = True
    started: list[Started] = []
    async with served(go_waku) as first, served(nwaku) as second:
        secret = second.replace("//", "//me:hush@")
        try:
            for line, url in ((owner, first), (member, secret)):
                started.append(line.start("run", "--waku", url))
            owns, joined = started
            say(network, general, "before the owner listens")
            await says(owns, f"Messages go by Waku: {first}.\nIts nodes see topics and times")
            await says(joined, "a Waku node does not answer: ")
            await has(the_owner, "1 messages")
            say(network, general, "and now")
            await has(the_owner, "2 messages")

            nwaku.faults.is_down = False
            await typed(the_owner, "archive now town --open-window")
            await has(the_member, "2 2 1 1 complete")
            for one in started:
                await ended(one)
        finally:
            for one in started:
                one.process.kill()
                one.process.wait()
    assert joined.said.count("does not answer") == 1, joined.said
    assert "hush" not in joined.said
    assert [go_waku.poll(topic) for topic in TOPICS] == [None, None]
    assert all(map(nwaku.relays, TOPICS))
