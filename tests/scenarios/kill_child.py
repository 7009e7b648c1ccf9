"""A node that is to be killed: real clock, real files, networks that write down what they take.

Started by ``test_kill.py``. The process itself only imports; for each line on its standard input it
forks a node, tells its process id, and tells how it ended. The node writes ``acknowledged`` (a line
for each message that was stored) and ``announced`` (a line for each link that was sent).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import Final

from loguru import logger

from states.instance import Backoff
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import Timing
from workflow.archive.announcement import open_announcement
from workflow.assembly import open_node
from workflow.node import Node
from workflow.testing.world import text_message

TOPICS: Final = (b"\x01\x02\x03\x04", b"\x05\x06\x07\x08")
KEYS: Final = {"chess": bytes(range(1, 33)), "go": bytes(range(2, 34))}
INTERVALS: Final = {"chess": 1, "go": 2}
REANNOUNCE_AFTER: Final = {"chess": 0.7, "go": None}
TIMING: Final = Timing(
    grace=0.0, spread=0.0, settle_quiet=0.05, settle_limit=0.2, catch_up=0.5, own_history=1.0
)
BACKOFF: Final = Backoff(first=0.02, cap=0.5)
PATIENCE: Final = 60.0
"""Seconds until everything must have come to rest."""


def write_down(path: Path, *lines: object) -> None:
    """On the disk when this returns."""
    with path.open("ab") as file:
        file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


class WrittenMessaging(InProcessMessaging):
    """Every link is written down before it is sent."""

    def __init__(self, network: MessageNetwork, log: Path) -> None:
        super().__init__(network, "node")
        self._log = log

    async def publish(self, channel: str, payload: bytes) -> None:
        announcement = open_announcement(payload).announcement
        write_down(self._log, [channel, announcement.clock, announcement.locator, payload.hex()])
        await super().publish(channel, payload)


async def live(directory: Path, seed: int, *, finish: bool) -> None:
    clock = SystemClock()
    node = open_node(
        directory,
        clock=clock,
        carrier=MemoryCarrier(Swarm(clock)),
        messaging=WrittenMessaging(MessageNetwork(clock), directory / "announced"),
        keys=KeyFiles(directory / "keys"),
        timing=TIMING,
        backoff=BACKOFF,
    )
    async with node:
        ids = [await take_up(node, name) for name in KEYS]
        tell("up")
        if finish:
            await come_to_rest(node, ids)
        else:
            await write_messages(node, ids, directory, random.Random(seed))  # noqa: S311


async def take_up(node: Node, name: str) -> str:
    """The community, with whatever a death may have left undone; each verb is safe to repeat."""
    await node.enable()
    known = {one.name: one.id for one in await node.communities()}
    id = known.get(name)
    if id is None or not (await node.status(id)).is_control_node:
        id = await node.create_community(
            name,
            private_key=KEYS[name],
            interval=INTERVALS[name],
            reannounce_after=REANNOUNCE_AFTER[name],
        )
    for topic in TOPICS:
        await node.add_topic(id, topic)
    return id


async def write_messages(node: Node, ids: list[str], directory: Path, dice: random.Random) -> None:
    clock = SystemClock()
    number = 0
    while True:
        id = dice.choice(ids)
        late = dice.choice((0.0, 0.0, 0.0, 3.0))
        batch = []
        for _ in range(dice.randint(1, 4)):
            number += 1
            text = f"{os.getpid()} {clock.now()} {number} " + "x" * dice.randint(0, 300)
            batch.append(text_message(dice.choice(TOPICS), clock.now() - late, text))
        await node.add_messages(id, batch)
        lines = [[id, one.packed().digest.hex()] for one in batch]
        write_down(directory / "acknowledged", *lines)
        await clock.sleep(dice.uniform(0, 0.03))


async def come_to_rest(node: Node, ids: list[str]) -> None:
    """Nothing is done here but to wait: what was begun is ended without hands."""
    clock = SystemClock()
    give_up_at = clock.now() + PATIENCE
    while not all([await is_at_rest(node, id) for id in ids]):
        if clock.now() > give_up_at:
            raise TimeoutError([await node.status(id) for id in ids])
        await clock.sleep(0.05)


async def is_at_rest(node: Node, id: str) -> bool:
    status = await node.status(id)
    unsent = await node.engine.run(
        lambda tx: tx.execute(
            "SELECT 1 FROM community c JOIN generation g ON g.community = c.id"
            " AND g.number = c.generation WHERE c.id = ? AND NOT EXISTS (SELECT 1"
            " FROM announcement a WHERE a.community = c.id AND a.locator = g.locator"
            " AND a.epoch = c.control_epoch AND a.sent_at IS NOT NULL)",
            (id,),
        ).fetchone()
    )
    loose = [one for one in await node.messages(id) if one.archive is None]
    return (
        status.state == "idle"
        and not loose
        and unsent is None
        and (status.is_live or status.generation == 0)
    )


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Fork a node for each line ``{"directory": ..., "seed": ..., "finish": ...}``."""
    logger.remove()
    tell("ready")
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if process == 0:
            code = 1
            try:
                asyncio.run(live(Path(order["directory"]), order["seed"], finish=order["finish"]))
                code = 0
            except BaseException as error:  # noqa: BLE001 - told, and then it is over.
                tell("failed", repr(error))
            finally:
                sys.stdout.flush()
                os._exit(code)
        tell("pid", process)
        _, status = os.waitpid(process, 0)
        tell("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    assert threading.active_count() == 1, "only a process with one thread may fork"
    main()
