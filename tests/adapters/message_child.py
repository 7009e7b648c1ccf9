"""A node in a process of its own, started by ``test_local_messaging_processes.py``.

On its standard output it tells ``open`` (and when), ``sent`` for each publish that has returned,
``got`` for each delivery, and ``done``. A line on its standard input makes it begin, another end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from workflow.adapters.clock.system import SystemClock
from workflow.adapters.messaging.local import LocalMessaging
from workflow.ports.messaging import Received


def tell(kind: str, what: str) -> None:
    sys.stdout.write(f"{kind} {what}\n")
    sys.stdout.flush()


async def receive(message: Received) -> None:
    tell("got", message.payload.decode())


async def main(folder: Path, name: str, first: int, end: int) -> None:
    clock = SystemClock()
    node = LocalMessaging(folder, clock, look_every=0.05)
    await asyncio.to_thread(sys.stdin.readline)
    await node.open(receive)
    await node.subscribe("chat")
    tell("open", repr(clock.now()))
    for number in range(first, end):
        await node.publish("chat", b"%b %d" % (name.encode(), number))
        tell("sent", f"{name} {number}")
    tell("done", name)
    await asyncio.to_thread(sys.stdin.readline)
    await node.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
