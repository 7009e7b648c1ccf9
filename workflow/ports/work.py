"""What an action is given and what it gives back.

An action never commits its own result: it returns one event together with the writes that make it
true, and the engine commits both in one transaction, or neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeAlias, TypeVar

E_co = TypeVar("E_co", bound=Enum, covariant=True)
T = TypeVar("T")

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Value: TypeAlias = str | int | float | bytes | None
Progress: TypeAlias = Callable[[int, int, str], None]
"""Told how much of what is done: done, total, unit."""


class Rows(Protocol):
    """The rows of a statement."""

    rowcount: int

    def fetchone(self) -> tuple[Value, ...] | None:
        """The next row."""

    def fetchall(self) -> list[tuple[Value, ...]]:
        """All remaining rows."""

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        """The remaining rows, one at a time."""


class Transaction(Protocol):
    """An open transaction. Only the engine begins, commits or rolls back."""

    def execute(self, sql: str, parameters: Sequence[Value] = ..., /) -> Rows:
        """Run one statement with bound parameters."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Value]], /) -> Rows:
        """Run one statement for each set of bound parameters."""


Writes: TypeAlias = Callable[[Transaction], None]


def no_writes(_: Transaction) -> None:
    """An event that is true by itself."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a component's schema, applied once; ``number`` counts from 1."""

    component: str
    number: int
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance, by the name of its lifecycle and its id."""

    lifecycle: str
    id: str


@dataclass(frozen=True, slots=True)
class Answer(Generic[E_co]):
    """What an action found out or did.

    ``writes`` may run more than once (after a failed commit), always against what is committed.
    ``enrols`` come into being with the step, ``stirs`` look at their levels again because of it.
    ``details`` go into the history and to listeners.
    """

    event: E_co
    writes: Writes = no_writes
    enrols: tuple[Reference, ...] = ()
    stirs: tuple[Reference, ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)


class Work(Protocol):
    """One start of an action: which instance, which entry, and what the engine does for it."""

    id: str
    entry: int
    attempt: int

    def now(self) -> float:
        """The time by the engine's clock (seconds, UTC epoch)."""

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a query against what is committed."""

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work in a thread. A cancelled action still waits for its thread's end."""

    async def send(
        self,
        lifecycle: str,
        id: str,
        event: Enum,
        details: Mapping[str, Json],
        writes: Writes = no_writes,
    ) -> None:
        """Send an event to another instance; returns when it is committed, or refused."""

    def is_cancelled(self) -> bool:
        """True when the result is no longer wanted; long work in a thread asks now and then."""

    def report(self, done: int, total: int, unit: str) -> None:
        """Tell listeners how far the work is; nothing is stored."""


ActionFunction: TypeAlias = Callable[[Work], Awaitable[Answer[E_co]]]
