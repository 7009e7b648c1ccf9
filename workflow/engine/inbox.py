"""Commands from other processes: a row each, answered in the row.

The journal has exactly one writing process, so the inbox is a small file of its own. Who asks puts
a row in and waits; who holds the data directory looks ten times a second, does what the row says
and writes the answer into it; who asked takes the answer and the row with it.

No crash loses a command, and none repeats an event. The engine keeps the outcome of each command id
in the journal, in the transaction of the step. A holder that dies between that commit and the
answer leaves an unanswered row; whoever looks next does it again, and the engine answers with what
it has kept. An asker that notices that nobody holds the directory takes the lock and does the work
itself. The verbs of a node have no outcome that is kept: done again, they find done what they ask
for, or ask for it once more.

The bell is the look itself: no socket, no signal, nothing that could be missed. As long as nobody
writes, a look reads four bytes: SQLite counts in them how often the file was changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loguru import logger

from states import CommunityArchivesError
from workflow.engine.rows import Outcome
from workflow.errors import (
    CommandUnansweredError,
    ConfigurationError,
    DataDirectoryError,
    DirectoryLockedError,
    JournalClosedError,
    MalformedIdError,
)
from workflow.ports.clock import Clock

INBOX: Final = "inbox.sqlite3"
LOOK_EVERY: Final = 0.1
"""Seconds between two looks of the holder, and of who waits for an answer."""
LOOK_AGAIN_AFTER: Final = 10.0
"""Seconds until an inbox that could not be read is looked at again."""
UNCLAIMED_AFTER: Final = 86_400.0
"""Seconds after which an answer that nobody took is thrown away."""
CHANGE_COUNTER: Final = 24
"""Where in its file SQLite counts the commits, as long as it keeps no write-ahead log."""
COMMAND_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")

SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS command (
        id        TEXT PRIMARY KEY,
        lifecycle TEXT NOT NULL,
        instance  TEXT NOT NULL,
        event     TEXT NOT NULL,
        actor     TEXT NOT NULL,
        at        REAL NOT NULL,
        arguments TEXT NOT NULL,
        answer    TEXT
    )
"""
UNANSWERED: Final = (
    "SELECT id, lifecycle, instance, event, actor, at, arguments FROM command"
    " WHERE answer IS NULL ORDER BY rowid"
)


@dataclass(frozen=True, slots=True)
class Command:
    """An event, or something else that a node can do, that somebody asks for.

    ``at`` is in seconds (UTC epoch), ``arguments`` a JSON object. Raises ``MalformedIdError`` when
    the id is not made of 1 to 64 letters, digits and ``._:-``.
    """

    id: str
    lifecycle: str
    instance: str
    event: str
    actor: str
    at: float
    arguments: str = "{}"

    def __post_init__(self) -> None:
        if not COMMAND_ID.fullmatch(self.id):
            raise MalformedIdError(
                "a command id has 1 to 64 letters, digits, dots, colons, dashes and underscores",
                place=self.id[:80],
                remedy="Choose another, or leave it out to have one made.",
            )


_Change = tuple[int, int, int, bytes]
Perform = Callable[[Command], Awaitable[Outcome]]
"""Does what a command says and returns once that is committed."""


class Inbox:
    """The rows of one data directory. Each method is one transaction and may be called by anyone.

    All raise ``DataDirectoryError`` when the file cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / INBOX
        self._empty_at: _Change | None = None

    def put(self, command: Command) -> None:
        """Leave a command; the same one again is one. It is on the disk when this returns.

        Raises ``ConfigurationError`` when the id stands there for something else.
        """
        with self._transaction() as tx:
            tx.execute(
                "INSERT OR IGNORE INTO command VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    command.id,
                    command.lifecycle,
                    command.instance,
                    command.event,
                    command.actor,
                    command.at,
                    command.arguments,
                ),
            )
            there = tx.execute(
                "SELECT lifecycle, instance, event, arguments FROM command WHERE id = ?",
                (command.id,),
            ).fetchone()
        if there != (command.lifecycle, command.instance, command.event, command.arguments):
            raise ConfigurationError(
                "this command id was used for another command",
                place=command.id,
                remedy="Give each command an id of its own.",
            )

    def unanswered(self) -> list[Command]:
        """The commands that wait, oldest first."""
        before = self._change()
        if before is None or before == self._empty_at:
            return []
        with self._transaction() as tx:
            waiting = [Command(*row) for row in tx.execute(UNANSWERED)]
        # A look may itself undo what somebody who died had begun; then it is taken anew.
        is_known = not waiting and before == self._change()
        self._empty_at = before if is_known else None
        return waiting

    def answer(self, id: str, answer: str) -> None:
        """Write an answer beside its question."""
        with self._transaction() as tx:
            tx.execute("UPDATE command SET answer = ? WHERE id = ?", (answer, id))

    def take_answer(self, id: str) -> str | None:
        """The answer, once there is one; the row goes with it."""
        with self._transaction() as tx:
            row = tx.execute("SELECT answer FROM command WHERE id = ?", (id,)).fetchone()
            if row is None or row[0] is None:
                return None
            tx.execute("DELETE FROM command WHERE id = ?", (id,))
            return str(row[0])

    def withdraw(self, id: str) -> None:
        """Take a command back."""
        with self._transaction() as tx:
            tx.execute("DELETE FROM command WHERE id = ?", (id,))

    def forget_unclaimed(self, before: float) -> None:
        """Throw away answers to commands older than this moment (seconds, UTC epoch)."""
        if self._path.exists():
            with self._transaction() as tx:
                tx.execute("DELETE FROM command WHERE answer IS NOT NULL AND at < ?", (before,))

    def _change(self) -> _Change | None:
        """What is another after each commit; None when there is no file."""
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(CHANGE_COUNTER)
                status = os.fstat(file.fileno())
                return status.st_ino, status.st_mtime_ns, status.st_size, file.read(4)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> DataDirectoryError:
        return DataDirectoryError(
            f"the inbox cannot be used: {error}",
            place=str(self._path),
            remedy="Make the data directory writable; a damaged inbox can be deleted.",
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: threads and crashes have nothing to share."""
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(self._path, timeout=5.0)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(SCHEMA)
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        finally:
            if connection is not None:
                connection.close()


# -- the holder's side -----------------------------------------------------------------------------


async def serve(inbox: Inbox, perform: Perform, clock: Clock) -> None:
    """Answer whatever comes in until the journal is closed; cancel it at any moment."""
    is_swept = False
    while True:
        try:
            if not is_swept:
                await asyncio.to_thread(inbox.forget_unclaimed, clock.now() - UNCLAIMED_AFTER)
                is_swept = True
            await drain(inbox, perform)
        except JournalClosedError:
            return  # Somebody else will answer.
        except DataDirectoryError as error:
            logger.warning("{}", error.explained())
            await clock.sleep(LOOK_AGAIN_AFTER)
        else:
            await clock.sleep(LOOK_EVERY)


@asynccontextmanager
async def serving(inbox: Inbox, perform: Perform, clock: Clock) -> AsyncGenerator[None, None]:
    """Answer whatever comes in for as long as this lasts."""
    answering = asyncio.create_task(serve(inbox, perform, clock))
    try:
        yield
    finally:
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering


async def drain(inbox: Inbox, perform: Perform) -> int:
    """Do and answer everything that waits now; returns how much that was."""
    waiting = await asyncio.to_thread(inbox.unanswered)
    for command in waiting:
        answer = await _answer_to(command, perform)
        await asyncio.to_thread(inbox.answer, command.id, answer)
    return len(waiting)


async def _answer_to(command: Command, perform: Perform) -> str:
    """The answer as it is written down. A wrong command is answered as well, with its error."""
    try:
        outcome = await perform(command)
    except JournalClosedError:
        raise
    except CommunityArchivesError as error:
        return _told(error.code, error.message, error.place, error.advice)
    except Exception as error:  # noqa: BLE001 - a row that nobody answers would come back for ever.
        logger.opt(exception=error).error("command {} failed", command.id)
        message = f"the command failed: {type(error).__name__}: {error}"
        return _told("error", message, command.id, "Report this as a bug.")
    return outcome.as_json()


def _told(code: str, message: str, place: str, remedy: str) -> str:
    return json.dumps({"code": code, "message": message, "place": place, "remedy": remedy})


# -- the asker's side ------------------------------------------------------------------------------


async def ask(
    inbox: Inbox,
    command: Command,
    take_over: Callable[[], Awaitable[object]],
    clock: Clock,
    patience: float,
) -> Outcome:
    """Have a command done by whoever holds the directory, or by ourselves; returns its outcome.

    ``take_over`` takes the lock, drains the inbox and lets go. Raises the error that the command
    was answered with, and ``CommandUnansweredError`` after ``patience`` seconds: then the command
    stays where it is, and asking again with its id asks for the same thing once.
    """
    give_up_at = clock.now() + patience
    while True:
        inbox.put(command)  # Again: somebody else who asks with this id may have taken the row.
        answer = inbox.take_answer(command.id)
        if answer is not None:
            return _outcome_of(json.loads(answer))
        try:
            await take_over()
        except DirectoryLockedError as locked:
            if clock.now() >= give_up_at:
                raise CommandUnansweredError(
                    f"no answer within {patience:g} s; {locked.message}", place=command.id
                ) from locked
            await clock.sleep(LOOK_EVERY)
        except BaseException:
            inbox.withdraw(command.id)
            raise


def _outcome_of(told: Mapping[str, Any]) -> Outcome:
    if "code" in told:
        kind = _kind_of_error(told["code"])
        raise kind(told["message"], place=told["place"], remedy=told["remedy"])
    return Outcome.from_json(told)


def _kind_of_error(code: str) -> type[CommunityArchivesError]:
    """The class with this code, so that an error crosses processes as what it is."""
    kinds: list[type[CommunityArchivesError]] = [CommunityArchivesError]
    for kind in kinds:
        if kind.code == code:
            return kind
        kinds += kind.__subclasses__()
    return CommunityArchivesError
