"""A command of the operator's is run when a node's health changes: degraded, recovered.

What was last told stands in the journal, so that a restart tells nothing twice and forgets nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from loguru import logger

from workflow.chat.plain import safe
from workflow.engine.history import remember
from workflow.engine.reading import kept
from workflow.errors import JournalClosedError
from workflow.health import MAX_AGE, Health, health_data
from workflow.node import Node
from workflow.ports.clock import Clock

DEGRADED: Final = "degraded"
RECOVERED: Final = "recovered"
TOLD: Final = "health_told"
STATE_VARIABLE: Final = "COMMUNITY_ARCHIVES_HEALTH"
PROBLEMS_VARIABLE: Final = "COMMUNITY_ARCHIVES_PROBLEMS"
LOOK_EVERY: Final = 30.0
HOLD_BACK: Final = 60.0
"""Seconds that a change lasts before it is told: what comes and goes is told to nobody."""
TIME_LIMIT: Final = 30.0
"""Seconds after which the command is ended."""
MOST_LINES: Final = 50
LONGEST_LINE: Final = 500
"""Characters of a problem in the environment; on stdin all of it is told."""


class Notifier:
    """Watches a node's health and tells of it.

    ``command`` is a program and its arguments; without one nobody watches. It gets ``degraded`` or
    ``recovered`` and the problems, a line each, in the environment, and on stdin the JSON of
    ``health --json`` with ``state`` beside it. What it prints goes to stderr. Times are seconds.
    """

    def __init__(
        self,
        node: Node,
        clock: Clock,
        command: Sequence[str],
        *,
        max_age: float = MAX_AGE,
        hold_back: float = HOLD_BACK,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self._node = node
        self._clock = clock
        self._command = command
        self._max_age = max_age
        self._hold_back = hold_back
        self._time_limit = time_limit
        self.is_busy = False
        """True while the command runs, which a manual clock must wait for."""

    async def watch(self) -> None:
        """Look again and again until the node stops; cancel it at any moment."""
        if not self._command:
            return
        told = ""
        since: float | None = None
        while True:
            try:
                told = told or await self._node.engine.run(lambda tx: kept(tx, TOLD)) or RECOVERED
                found = await self._node.health(self._max_age)
                state = RECOVERED if found.is_healthy else DEGRADED
                if state == told:
                    since = None
                else:
                    # A clock that was put back begins anew.
                    since = found.at if since is None else min(since, found.at)
                    if found.at - since >= self._hold_back:
                        told, since = state, None  # Once, even if it cannot be remembered.
                        await self._tell(state, found)
            except JournalClosedError:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the node goes on.
                logger.warning("health could not be looked at or told: {!r}", error)
            await self._clock.sleep(LOOK_EVERY)

    async def _tell(self, state: str, found: Health) -> None:
        self.is_busy = True
        try:
            failure = await self._run(state, found)
        finally:
            self.is_busy = False
        if failure:
            logger.warning("the notify command for '{}' {}", state, failure)
        # Told or not: a command that fails is not run again for the same change.
        await self._node.engine.run(lambda tx: remember(tx, TOLD, state))

    async def _run(self, state: str, found: Health) -> str:
        """Run the command; what went wrong, in words."""
        lines = [safe(one.line)[:LONGEST_LINE] for one in found.problems[:MOST_LINES]]
        if len(found.problems) > MOST_LINES:
            lines.append(f"and {len(found.problems) - MOST_LINES} more")
        told = {STATE_VARIABLE: state, PROBLEMS_VARIABLE: "\n".join(lines)}
        document = json.dumps({"state": state, **health_data(found)}).encode()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=2,  # stdout is for data.
                env={**os.environ, **told},
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be run: {error.strerror}"
        try:
            async with asyncio.timeout(self._time_limit):
                await process.communicate(document)
        except TimeoutError:
            return f"did not end within {self._time_limit:g} s and was ended"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return f"ended with {process.returncode}" if process.returncode else ""
