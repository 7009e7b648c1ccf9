"""Nodes of ours on Waku nodes of the tests, and people who chat: one clock, one process."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from coincurve import PrivateKey

from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.waku.messaging import WakuMessaging
from workflow.adapters.messaging.waku.settings import WakuSettings
from workflow.archive.message import ArchivedMessage
from workflow.archive.windows import INTERVAL
from workflow.assembly import open_node
from workflow.errors import JournalClosedError
from workflow.node import Node
from workflow.ports.records import Channel
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC, Chat, topic_of
from workflow.waku.sealing import seal

START: Final = 1_704_067_200.0
"""2024-01-01"""
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
KEY: Final = bytes(range(1, 33))
ID: Final = "0x" + PrivateKey(KEY).public_key.format().hex()
GENERAL: Final = ID + "7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab"


class Town:
    """The network and whoever is on it. ``poll_every`` and ``ask_every`` are seconds."""

    def __init__(
        self,
        directory: Path,
        *dialects: Dialect,
        poll_every: float = 60.0,
        ask_every: float = 300.0,
    ) -> None:
        self.clock = ManualClock(START)
        self.network = WakuNetwork(self.clock)
        self.nodes = [WakuNode(self.network, dialect) for dialect in dialects]
        self.swarm = Swarm(self.clock)
        self.clock.watch(lambda: self.swarm.is_busy)
        self.keys: dict[str, MemoryKeys] = {}
        self._directory = directory
        self._every = (poll_every, ask_every)
        self._random = random.Random(7)  # noqa: S311 - the same chat each time.
        self._author = PrivateKey(bytes(31) + b"\x07")
        self._chats: dict[str, Chat] = {}
        self._open: dict[str, tuple[Node, list[Callable[[], None]]]] = {}

    async def open(self, name: str, *nodes: WakuNode, **ports: Any) -> Node:
        """Start a node of ours (again), on these Waku nodes or on all."""
        poll_every, ask_every = self._every
        through = nodes or tuple(self.nodes)
        settings = WakuSettings(
            tuple(one.url for one in through), poll_every=poll_every, ask_every=ask_every
        )
        messaging = WakuMessaging(
            settings, self.clock, MemoryKeys(), transport=lambda _: InProcess(*through)
        )
        node = open_node(
            self._directory / name,
            clock=self.clock,
            carrier=MemoryCarrier(self.swarm),
            messaging=messaging,
            keys=self.keys.setdefault(name, MemoryKeys()),
            **ports,
        )
        watches = [
            self.clock.watch(lambda: node.engine.is_busy),
            self.clock.watch(lambda: messaging.is_busy),
        ]
        self._open[name] = node, watches
        await node.start()
        return node

    async def close(self, name: str = "") -> None:
        """Stop a node of ours, or all."""
        for one in [name] if name else [*self._open]:
            node, watches = self._open.pop(one)
            for unwatch in watches:
                unwatch()
            with suppress(JournalClosedError):
                await node.stop()

    async def owner(self, *nodes: WakuNode, interval: int = INTERVAL) -> Node:
        """A node that controls the community, whose one channel is ``GENERAL``."""
        owner = await self.open("owner", *nodes)
        await owner.enable()
        await owner.create_community("town", private_key=KEY, interval=interval)
        await owner.add_channel(ID, Channel(topic_of(GENERAL), GENERAL, "general"))
        return owner

    async def member(self, *nodes: WakuNode) -> Node:
        """A node that has joined it."""
        member = await self.open("member", *nodes)
        await member.enable()
        await member.join(ID, "town")
        return member

    def say(self, text: str | bytes, channel: str = GENERAL, *, ago: float = 0.0) -> bytes:
        """Somebody says something; returns the message's hash."""
        if channel not in self._chats:
            self._chats[channel] = Chat.of(channel)
        sign = partial(self._author.sign_recoverable, hasher=None)
        said = text.encode() if isinstance(text, str) else text
        sealed = seal(self._chats[channel], said, sign, self._random.randbytes)
        message = sealed.stamped(int((self.clock.now() - ago) * 1e9))
        return self.network.publish(DEFAULT_PUBSUB_TOPIC, message)


async def said(node: Node) -> dict[bytes, bool]:
    """By hash, what a node has of the community's messages, and whether an archive holds it."""
    return {
        ArchivedMessage.decode(one.encoded or b"").hash: one.archive is not None
        for one in await node.messages(ID)
    }


async def texts(node: Node) -> list[str]:
    """What was said, as a node has it."""
    return [
        ArchivedMessage.decode(one.encoded or b"").payload.decode()
        for one in await node.messages(ID)
    ]
