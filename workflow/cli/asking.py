"""Somebody who does things: whoever runs on the data directory, or a node for this command alone.

Commands that change something, or that watch work being done, need not care which of the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from workflow.cli.networking import Networking
from workflow.cli.place import acting_node_at, made, node_at
from workflow.cli.words import note

if TYPE_CHECKING:
    from workflow.application import Application
    from workflow.engine.inbox import Inbox
    from workflow.node import Node

PATIENCE: Final = 60.0
"""Seconds that an answer may take."""
MOMENT: Final = 2.0
"""Seconds that an answer may take without which one can do."""


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
async def acting(data_dir: Path, networking: Networking) -> AsyncGenerator[Asking, None]:
    """Whoever runs on this data directory, or, for as long as this lasts, a node of our own."""
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
        if networking != Networking():
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


def ask_once(
    data_dir: Path, verb: str, instance: str = "", **arguments: object
) -> Mapping[str, Any]:
    """Have one thing done, by whoever runs or by ourselves; returns the answer's details."""
    quiet()
    return asyncio.run(Remote(data_dir)(verb, instance, **arguments))


def quiet() -> None:
    """Let the library's log say nothing: what a person needs to know, the command tells itself."""
    from loguru import logger  # noqa: PLC0415

    logger.remove()


def note_if_nobody_runs(asking: Asking, what: str) -> None:
    """Tell what ends with this command."""
    if asking.is_own:
        note(f"Nobody runs on this data directory: {what}")
