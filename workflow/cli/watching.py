"""Watch a node at work until it has come to rest: a bar, lines of JSON, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from workflow.cli.asking import EVERY, EVERY_REMOTE
from workflow.cli.progress import progress
from workflow.cli.words import say_event, size

if TYPE_CHECKING:
    from workflow.cli.asking import Asking

Look = Mapping[str, Any]
"""What ``workflow.status.Snapshot`` says, as plain values."""

RESTED: Final = 5.0
"""Seconds at rest after which nothing more is expected: what was sent may be on its way."""


async def watch(
    asking: Asking,
    id: str,
    label: str,
    until: Callable[[Look], bool],
    *,
    otherwise: str = "nothing more is to be done",
    as_json: bool,
    patience: float,
) -> Look:
    """Look again and again until it is so; returns the last look.

    Raises ``WorkFailedError`` when the node has given up for now, ``otherwise`` in words when it
    has come to rest without it, and when nothing has changed for ``patience`` seconds.
    """
    import asyncio  # noqa: PLC0415 - as all here, when it is needed.

    from workflow.errors import WorkFailedError  # noqa: PLC0415

    every = EVERY if asking.is_own else EVERY_REMOTE

    loop = asyncio.get_running_loop()
    changed_at, before = loop.time(), None
    with progress(label) as told:
        while True:
            look = await asking("look", id)
            if asking.is_alone:
                raise WorkFailedError(
                    "the process that was at it has ended", place=label, remedy="Do it again."
                )
            if look != before:
                changed_at, before = loop.time(), look
                _tell(look, told, as_json=as_json)
            if until(look):
                return look
            if look["state"] == "idle" and look["reason"]:
                raise WorkFailedError(str(look["reason"]), place=label)
            unchanged = loop.time() - changed_at
            if look["is_at_rest"] and unchanged >= RESTED:
                raise WorkFailedError(otherwise, place=label)
            if unchanged >= patience:
                raise WorkFailedError(f"nothing happens in '{look['state']}'", place=label)
            await asyncio.sleep(every)


def _tell(look: Look, told: Callable[[int, int, str], None], *, as_json: bool) -> None:
    if as_json:
        say_event({"event": "progress", **look})
    traffic = look["traffic"]
    if traffic is None:
        told(0, 0, str(look["state"]))
        return
    peers = "1 peer" if traffic["peers"] == 1 else f"{traffic['peers']} peers"
    rate = f"{size(traffic['download_rate'])}/s"
    told(
        traffic["done"],
        traffic["total"],
        f"bytes, {peers}, {rate}, {look['imported']} archives imported",
    )
