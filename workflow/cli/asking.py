"""Somebody who does things: whoever runs on the data directory, or a node for this command alone.

Commands that change something, or that watch work being done, need not care which of the two.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from workflow.cli.networking import Networking
from workflow.cli.place import acting_node_at, made, node_at
from workflow.cli.progress import progress
from workflow.cli.words import note

if TYPE_CHECKING:
    from workflow.application import Application
    from workflow.engine.inbox import Inbox
    from workflow.node import Node

PATIENCE: Final = 60.0
"""Seconds that an answer may take."""
MOMENT: Final = 2.0
"""Seconds that an answer may take without which one can do."""
EVERY: Final = 0.1
"""Seconds between two looks at a node of our own."""
EVERY_REMOTE: Final = 0.5
"""Seconds between two looks at somebody else's, which cost a row each."""
SHORTEST: Final = 0.01
"""Seconds until work is looked at that may be over at once."""


class Asking(Protocol):
    """Asks for a verb of the node; see ``workflow.commanding``."""

    is_own: bool
    is_alone: bool

    async def __call__(
        self, verb: str, instance: str = "", **arguments: object
    ) -> Mapping[str, Any]:
        """The answer's details. Raises the error that the node answered with."""


class Remote:
    """Asks the process that holds the data directory; does it itself when nobody does.

    Then it ``is_alone``: what was asked for is done, and nothing that would follow from it.
    """

    is_own = False

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.is_alone = False

    async def __call__(
        self, verb: str, instance: str = "", **arguments: object
    ) -> Mapping[str, Any]:
        """Leave a command in the inbox and wait for its answer."""
        from uuid import uuid4  # noqa: PLC0415 - as all here, when it is needed.

        from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
        from workflow.commanding import asked  # noqa: PLC0415
        from workflow.engine.inbox import Inbox, ask  # noqa: PLC0415
        from workflow.errors import CommandUnansweredError  # noqa: PLC0415

        clock, inbox = SystemClock(), Inbox(made(self._data_dir))
        command = asked(str(uuid4()), verb, instance, clock.now(), **arguments)

        async def do_it() -> None:
            await answer_waiting(self._data_dir, inbox)
            self.is_alone = True

        try:
            outcome = await ask(inbox, command, do_it, clock, PATIENCE)
        except CommandUnansweredError as error:
            inbox.withdraw(command.id)  # Or somebody would do it when nobody expects it any more.
            raise CommandUnansweredError(
                error.message,
                place=verb,
                remedy="See whether that process is well, then do it again: it was taken back.",
            ) from None
        return outcome.details


class Own:
    """Asks a node in this process."""

    is_own = True
    is_alone = False

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(
        self, verb: str, instance: str = "", **arguments: object
    ) -> Mapping[str, Any]:
        """Have it done at once."""
        from workflow.commanding import asked, perform  # noqa: PLC0415

        command = asked("own", verb, instance, 0.0, **arguments)
        return (await perform(self._node, command)).details


async def answer_waiting(data_dir: Path, inbox: Inbox, app: Application | None = None) -> None:
    """Hold the data directory for as long as it takes to answer what waits; start nothing.

    ``app`` is what runs there, the shipped node when it is None. Raises ``DirectoryLockedError``
    when somebody else holds it.
    """
    from functools import partial  # noqa: PLC0415

    from workflow.commanding import perform  # noqa: PLC0415
    from workflow.engine.inbox import drain  # noqa: PLC0415
    from workflow.engine.lock import refuse_if_held  # noqa: PLC0415

    refuse_if_held(data_dir)  # It is asked ten times a second while somebody else has it.
    if app is not None:
        from workflow.application import answer_once  # noqa: PLC0415

        await answer_once(app, data_dir, inbox)
        return
    node = node_at(data_dir)
    try:
        await drain(inbox, partial(perform, node))
    finally:
        await node.stop()


@asynccontextmanager
async def acting(
    data_dir: Path, networking: Networking, *, is_for_us_too: bool = False
) -> AsyncGenerator[Asking, None]:
    """Whoever runs on this data directory, or, for as long as this lasts, a node of our own.

    Whoever runs has networks of its own; that is told, unless they were named for something else.
    """
    from functools import partial  # noqa: PLC0415

    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.commanding import perform  # noqa: PLC0415
    from workflow.engine.inbox import Inbox, serving  # noqa: PLC0415
    from workflow.engine.lock import refuse_if_held  # noqa: PLC0415
    from workflow.errors import DirectoryLockedError  # noqa: PLC0415

    try:
        refuse_if_held(data_dir)  # Before the networks are loaded.
        node = acting_node_at(data_dir, networking)
    except DirectoryLockedError:
        if networking.is_asked_for and not is_for_us_too:
            note("Somebody runs on this data directory already: its networks count, not yours.")
        yield Remote(data_dir)
        return
    # Other commands are answered as by 'run'.
    async with node, serving(Inbox(data_dir), partial(perform, node), SystemClock()):
        yield Own(node)


def ask_holder(data_dir: Path, verb: str) -> Mapping[str, Any] | None:
    """What the process that runs says, or None when it says nothing within a moment.

    Who only wants to look need not wait for one that is busy, nor write where nobody may.
    """
    import asyncio  # noqa: PLC0415
    from uuid import uuid4  # noqa: PLC0415

    from states import CommunityArchivesError  # noqa: PLC0415
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.commanding import asked  # noqa: PLC0415
    from workflow.engine.inbox import Inbox, ask  # noqa: PLC0415
    from workflow.errors import DataDirectoryError, DirectoryLockedError  # noqa: PLC0415

    clock, inbox = SystemClock(), Inbox(data_dir)

    async def leave_it() -> None:
        raise DirectoryLockedError("it is for the process that runs")

    try:
        command = asked(str(uuid4()), verb, "", clock.now())
        try:
            return asyncio.run(ask(inbox, command, leave_it, clock, MOMENT)).details
        except CommunityArchivesError:
            inbox.withdraw(command.id)
            return None
    except DataDirectoryError:
        return None


@asynccontextmanager
async def holding(data_dir: Path, *, importing: bool = False) -> AsyncGenerator[Asking, None]:
    """Whoever runs on this data directory, or a node of our own that reaches no network.

    With ``importing`` that one imports archives that are here; else no lifecycle goes on meanwhile.
    """
    from workflow.engine.lock import refuse_if_held  # noqa: PLC0415
    from workflow.errors import DirectoryLockedError  # noqa: PLC0415

    try:
        refuse_if_held(data_dir)
        node = node_at(data_dir)
    except DirectoryLockedError:
        yield Remote(data_dir)
        return
    try:
        if importing:
            await node.start_imports()
        yield Own(node)
    finally:
        await node.stop()


async def carried_out(
    asking: Asking, verb: str, instance: str, label: str, **arguments: object
) -> Mapping[str, Any]:
    """Have long work done and show how far it is; returns what it has found.

    Interrupted, it ends where it is done, and what it has done is kept. Raises what it raises, and
    ``WorkFailedError`` when the process that was at it has ended.
    """
    import asyncio  # noqa: PLC0415
    from uuid import uuid4  # noqa: PLC0415

    job, every, pause = str(uuid4()), EVERY if asking.is_own else EVERY_REMOTE, SHORTEST
    try:
        await asking(verb, instance, job=job, **arguments)
        with progress(label) as told:
            while True:
                look = await asking("job", job)
                told(look["done"], look["total"], look["unit"])
                if look["is_over"]:
                    result: Mapping[str, Any] = look["result"]
                    return result
                await asyncio.sleep(pause)
                pause = min(2 * pause, every)
    except asyncio.CancelledError:
        await asking("stop_job", job)
        raise


def ask_once(
    data_dir: Path, verb: str, instance: str = "", **arguments: object
) -> Mapping[str, Any]:
    """Have one thing done, by whoever runs or by ourselves; returns the answer's details."""
    import asyncio  # noqa: PLC0415

    quiet()
    return asyncio.run(Remote(data_dir)(verb, instance, **arguments))


def quiet() -> None:
    """Let no log say anything: what a person needs to know, the command tells itself."""
    import logging  # noqa: PLC0415

    from loguru import logger  # noqa: PLC0415

    logger.remove()
    # It warns when two wakes fall together, and what nobody has set up goes to stderr.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def note_if_nobody_runs(asking: Asking, what: str) -> None:
    """Tell what ends with this command."""
    if asking.is_own:
        note(f"Nobody runs on this data directory: {what}")
