"""``run``: hold the data directory and keep archives until told to stop."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workflow.cli.health import USUAL_AGE, MaxAge
from workflow.cli.kinds import without_secrets
from workflow.cli.networking import networked
from workflow.cli.options import AsJson, DataDir
from workflow.cli.place import acting_node_at
from workflow.cli.settings import Settings
from workflow.cli.spans import seconds_of
from workflow.cli.words import note, say_event, step_data

if TYPE_CHECKING:
    from workflow.engine.inbox import Command
    from workflow.engine.rows import Outcome, Recorded
    from workflow.node import Node

A_COMMAND: Final = 5.0
"""Seconds that a command may have the directory for itself before it is said to be in use."""
EXPOSED: Final = {
    "local": "Only nodes on this machine are reached.",
    "private": "Only the trackers and peers that were named are reached; they see this address.",
    "public": "Anybody can see by trackers and DHT that this address has these archives.",
}


@networked
def run(
    *,
    max_age: MaxAge = USUAL_AGE,
    as_json: AsJson = False,
    data_dir: DataDir,
    networking: Settings,
) -> None:
    """Keep archives until Ctrl-C or SIGTERM.

    Does so for all communities of the data directory, prints one line for each step on stderr, and
    answers the commands of other processes. With --json each step is a line of JSON on stdout, and
    so is how far long work has come. When health was degraded, or well again, for a minute, the
    setting 'notify_command' is run: it gets the word 'degraded' or 'recovered' and the problems in
    COMMUNITY_ARCHIVES_HEALTH and COMMUNITY_ARCHIVES_PROBLEMS, and as JSON on stdin.
    """
    import asyncio  # noqa: PLC0415 - as all that is loaded here, only needed when it comes to it.

    _log_to_stderr(networking.log_level)
    asyncio.run(_run(data_dir, networking, seconds_of(max_age), as_json))


async def _run(data_dir: Path, networking: Settings, max_age: float, as_json: bool) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.commanding import perform  # noqa: PLC0415
    from workflow.engine.inbox import Inbox, serve  # noqa: PLC0415
    from workflow.node import THE_NODE  # noqa: PLC0415
    from workflow.notifying import Notifier  # noqa: PLC0415
    from workflow.status import state_of  # noqa: PLC0415

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ending.set)
    node = await _node_at(data_dir, networking)
    names = {known.id: known.name for known in await node.communities()}

    def tell(step: Recorded) -> None:
        if as_json:
            say_event({"event": "step", "step": step_data(step)})
        else:
            note(transition(step, names))

    def tell_progress(lifecycle: str, id: str, done: int, total: int, unit: str) -> None:
        say_event({"event": "progress", "lifecycle": lifecycle, "id": id,
                   "done": done, "total": total, "unit": unit})  # fmt: skip

    node.engine.on_step(tell)
    if as_json:
        node.engine.on_progress(tell_progress)
    note(f"Running on {data_dir}; Ctrl-C ends it.")
    note(f"Network '{networking.network}': {EXPOSED[networking.network]}")
    if networking.waku:
        note(f"Messages go by Waku: {', '.join(map(without_secrets, networking.waku))}.")
        note("Its nodes see topics and times; whoever knows a community's id can read its links.")
    async with node:
        if await node.engine.run(lambda tx: state_of(tx, "node", THE_NODE)) == "DISABLED":
            note("Archives are disabled here until a community is created or joined.")

        async def answer(command: Command) -> Outcome:
            outcome = await perform(node, command)
            names.update({known.id: known.name for known in await node.communities()})
            return outcome

        clock = SystemClock()
        answering = asyncio.create_task(serve(Inbox(data_dir), answer, clock))
        answering.add_done_callback(lambda _: ending.set())
        notifier = Notifier(node, clock, networking.notify_command, max_age=max_age)
        watching = asyncio.create_task(notifier.watch())
        await ending.wait()
        for task in (answering, watching):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    note("Stopped; everything that was done is kept.")


async def _node_at(data_dir: Path, networking: Settings) -> Node:
    """The node, held; a command that has just the directory for itself is waited for.

    Raises ``DirectoryLockedError`` when somebody keeps it.
    """
    import asyncio  # noqa: PLC0415

    from workflow.engine.lock import refuse_if_held  # noqa: PLC0415
    from workflow.errors import DirectoryLockedError  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    until = loop.time() + A_COMMAND
    while True:
        try:
            refuse_if_held(data_dir)
            return acting_node_at(data_dir, networking)
        except DirectoryLockedError:
            if loop.time() > until:
                raise
        await asyncio.sleep(0.1)


def transition(step: Recorded, names: dict[str, str]) -> str:
    """``12:00:03  gardeners  creating → seeding  archives_written``."""
    owner, _, rest = step.id.partition("/")
    source, target = step.source.lower(), step.target.lower()
    way = f"{source} → {target}" if source != target else f"{source} stays"
    archive = f"archive {rest.rpartition('/')[2].removeprefix('0x')[:6]}" if rest else ""
    what = "  ".join(filter(None, (names.get(owner, owner[:12]), archive, way)))
    why = f"  {step.reason}" if step.reason else ""
    at = datetime.fromtimestamp(step.at, UTC)
    return f"{at:%H:%M:%S}  {what}  {step.event.lower()}{why}"


def _log_to_stderr(level: str) -> None:
    import logging  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from loguru import logger  # noqa: PLC0415

    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # As for every other command.
    logger.remove()
    logger.add(sys.stderr, level=level.upper(), format="{time:HH:mm:ss!UTC}  {level: <8} {message}")
