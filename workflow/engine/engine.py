"""The engine: events in, one transaction each, actions started and joined, nothing kept in memory.

What is due is a row; the clock only wakes the sweep. Whatever this class remembers (running tasks)
can be lost at any moment: after a restart the rows say what to start again.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from loguru import logger

from states import CommunityArchivesError
from states.instance import is_running
from workflow.engine.commands import keep_outcome, kept_outcome
from workflow.engine.history import signals_after
from workflow.engine.journal import Journal
from workflow.engine.removed_states import refuse_stranded
from workflow.engine.rows import AnyInstance, AnyWorkflow, Outcome, Recorded, Request, enrol, remove
from workflow.engine.steps import look_again, take
from workflow.engine.sweeping import bring_forward, recover, sweep
from workflow.engine.working import Running, ThisWork, ended, tell
from workflow.errors import JournalClosedError, JournalWriteError, UnknownInstanceError
from workflow.ports.clock import Clock, Ticker
from workflow.ports.work import Reference, Transaction, Writes, no_writes

T = TypeVar("T")
Key = tuple[str, str]
StepListener = Callable[[Recorded], None]
ProgressListener = Callable[[str, str, int, int, str], None]

SWEEP_AT_MOST: Final = 15.0
"""Seconds: how late a sweep can be after a jump of the clock."""
SWEEP_BATCH: Final = 1000
THREADS: Final = 2
COMMIT_AGAIN_CAP: Final = 60.0
"""Seconds between two tries to commit an answer on a disk that takes nothing."""
WRONG_STATEMENT: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
"""Not the disk's fault: the same writes would fail for ever."""


class Engine:
    """Runs workflows on one journal. ``start`` and ``stop`` once each, on one event loop."""

    def __init__(self, journal: Journal, clock: Clock, workflows: Sequence[AnyWorkflow]) -> None:
        self._journal = journal
        self._clock = clock
        self._workflows: Mapping[str, AnyWorkflow] = {one.name: one for one in workflows}
        self._running: dict[Key, Running] = {}
        self._commits: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="work")
        self._ticker: Ticker | None = None
        self._step_listeners: list[StepListener] = []
        self._progress_listeners: list[ProgressListener] = []
        self._threads_busy = 0
        # Only between start and stop; until then events are only taken.
        self._acting: Mapping[str, AnyWorkflow] = {}
        self._changed = asyncio.Event()
        self._swept_at = 0.0
        self._has_ended = False

    async def start(self, *lifecycles: str) -> None:
        """Take up whatever was under way and begin to sweep, for these lifecycles, or for all.

        Raises ``StatesRemovedError`` when instances are in states that their tables do not have.
        """
        tables = [one.lifecycle for one in self._workflows.values()]
        await self._journal.run(lambda tx: refuse_stranded(tx, tables))
        names = lifecycles or tuple(self._workflows)
        acting = self._acting = {name: self._workflow(name) for name in names}
        now = self._clock.now()
        self._carry_out(await self._journal.run(lambda tx: recover(tx, acting, now)))
        self._ticker = self._clock.drive(self.sweep, SWEEP_AT_MOST)

    async def stop(self) -> None:
        """A crash with manners: cancel and join what runs; what is not committed never was."""
        self._acting = {}
        if self._ticker is not None:
            await self._ticker.stop()
        running = tuple(self._running.values())
        for one in running:
            one.cancel()
        for one in running:
            await one.joined()
        if self._commits:
            await asyncio.wait(self._commits)
        self._threads.shutdown()
        self._has_ended = True
        self._changed.set()

    async def enrol(self, lifecycle: str, *ids: str, writes: Writes = no_writes) -> None:
        """Bring instances into being, together with these writes; again is once."""
        workflow = self._workflow(lifecycle)
        now = self._clock.now()

        def work(tx: Transaction) -> Outcome:
            outcome = Outcome([])
            writes(tx)
            for id in ids:
                outcome.touch(workflow, enrol(tx, workflow, id, now))
            return outcome

        await self._commit(work)

    async def remove(
        self, instance: Reference, writes: Callable[[Transaction], Iterable[Reference]]
    ) -> None:
        """Take an instance out of being, and those that ``writes`` names, and end their actions."""
        gone = [instance]

        def work(tx: Transaction) -> Outcome:
            gone[1:] = writes(tx)
            remove(tx, gone)
            return Outcome([])

        await self._commit(work)
        for one in gone:
            running = self._running.get((one.lifecycle, one.id))
            if running is not None:
                running.cancel()
                await running.joined()

    async def send(self, lifecycle: str, id: str, request: Request) -> Outcome:
        """Send an event; returns when the step is committed, or refused.

        With a ``command_id`` that was used before, nothing happens and the first outcome is
        returned. Raises ``UnknownInstanceError``, ``ConfigurationError`` when the id was used for
        something else, ``JournalWriteError`` when the disk takes nothing.
        """
        workflow = self._workflow(lifecycle)

        def work(tx: Transaction) -> Outcome:
            clock = self._clock.now
            if request.command_id is None:
                return take(tx, self._workflows, workflow, id, request, clock)
            asked = json.dumps([lifecycle, id, request.event.name])
            earlier = kept_outcome(tx, request.command_id, asked)
            if earlier is not None:
                return earlier
            outcome = take(tx, self._workflows, workflow, id, request, clock)
            keep_outcome(tx, request.command_id, asked, outcome, clock())
            return outcome

        return await self._commit(work)

    async def look(
        self, lifecycle: str, id: str, writes: Writes = no_writes, *, is_urgent: bool = False
    ) -> Outcome:
        """Commit these writes and let the instance, if it waits, look at its levels again.

        When it is urgent, what failed before is tried at once.
        """
        workflow = self._workflow(lifecycle)

        def work(tx: Transaction) -> Outcome:
            writes(tx)
            return look_again(tx, workflow, id, self._clock.now(), is_urgent=is_urgent)

        return await self._commit(work)

    async def run(self, query: Callable[[Transaction], T]) -> T:
        """Run a query or writes that concern no instance. Raises ``JournalWriteError``."""
        try:
            return await self._journal.run(query)
        except WRONG_STATEMENT:
            raise
        except sqlite3.Error as error:
            raise JournalWriteError(f"nothing was committed: {error}") from error

    async def sweep(self) -> float | None:
        """Do everything that is due; returns when something is due next (seconds, UTC epoch)."""
        while True:
            now = self._clock.now()
            try:
                if now < self._swept_at:
                    await self._journal.run(lambda tx, now=now: bring_forward(tx, now))  # type: ignore[misc]
                self._swept_at = now
                outcome, has_more = await self._journal.run(
                    lambda tx, now=now: sweep(tx, self._acting, now, SWEEP_BATCH)  # type: ignore[misc]
                )
            except JournalClosedError:
                return None
            except sqlite3.Error as error:
                logger.warning("the sweep is tried again: {}", error)
                return now + SWEEP_AT_MOST
            self._carry_out(outcome)
            if not has_more:
                return outcome.wake_at

    async def follow(self, after: int) -> AsyncGenerator[Recorded, None]:
        """Steps that told something, from the one behind ``after`` on, without gaps, to the end."""
        while not self._has_ended:
            changed = self._changed
            try:
                told = await self.run(lambda tx, seq=after: signals_after(tx, seq))  # type: ignore[misc]
            except JournalClosedError:
                return
            for step in told:
                yield step
                after = step.seq
            if not told:
                await changed.wait()

    def event_named(self, lifecycle: str, name: str) -> Enum:
        """An event by its name. Raises ``UnknownInstanceError``, ``UnknownEventError``."""
        event: Enum = self._workflow(lifecycle).event_named(name)
        return event

    def on_step(self, listener: StepListener) -> Callable[[], None]:
        """Call ``listener`` after each committed step; returns how to stop that."""
        self._step_listeners.append(listener)
        return lambda: self._step_listeners.remove(listener)

    def on_progress(self, listener: ProgressListener) -> Callable[[], None]:
        """Call ``listener(lifecycle, id, done, total, unit)`` while actions work."""
        self._progress_listeners.append(listener)
        return lambda: self._progress_listeners.remove(listener)

    @property
    def is_busy(self) -> bool:
        """True while a commit or a thread is under way; waiting for time or peers is not busy."""
        return self._journal.is_busy or self._threads_busy > 0 or bool(self._commits)

    def _workflow(self, lifecycle: str) -> AnyWorkflow:
        try:
            return self._workflows[lifecycle]
        except KeyError:
            known = ", ".join(self._workflows)
            raise UnknownInstanceError(
                f"there is no lifecycle '{lifecycle}'; there are: {known}"
            ) from None

    async def _commit(self, work: Callable[[Transaction], Outcome]) -> Outcome:
        """Commit, and carry out what follows, even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self._in_background(self._commit_and_carry_out(work)))

    async def _commit_and_carry_out(self, work: Callable[[Transaction], Outcome]) -> Outcome:
        try:
            outcome = await self._journal.run(work)
        except WRONG_STATEMENT:
            raise
        except sqlite3.Error as error:
            raise JournalWriteError(f"nothing was committed: {error}") from error
        self._carry_out(outcome)
        return outcome

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._commits.add(task)
        task.add_done_callback(self._commit_is_over)
        return task

    def _commit_is_over(self, task: asyncio.Task[Any]) -> None:
        self._commits.discard(task)
        if not task.cancelled():
            task.exception()  # Who asked for it has heard of it, or does not listen any more.

    def _carry_out(self, outcome: Outcome) -> None:
        """Start and cancel actions, set the alarm, and tell the listeners."""
        for (lifecycle, _), instance in (outcome.moved or {}).items():
            self._match(self._workflows[lifecycle], instance)
        if outcome.wake_at is not None and self._ticker is not None:
            self._ticker.wake_at(outcome.wake_at)
        if outcome.steps:
            self._changed.set()
            self._changed = asyncio.Event()
        for step in outcome.steps:
            bound = logger.bind(lifecycle=step.lifecycle, community=step.id, state=step.target,
                                entry=step.entry)  # fmt: skip
            bound.info("{}: {}{}", step.id, step.words, f" ({step.reason})" if step.reason else "")
            for signal in step.signals:
                bound.debug("{} tells {}", step.id, signal)
            for listener in tuple(self._step_listeners):
                tell(partial(listener, step))

    def _match(self, workflow: AnyWorkflow, instance: AnyInstance) -> None:
        """Make the running task match the instance: cancel an outdated one, start a missing one."""
        key = workflow.name, instance.id
        previous = self._running.get(key)
        if previous is not None and previous.entry != instance.entry:
            previous.cancel_unless_answered()
        if workflow.name not in self._acting or not is_running(workflow.lifecycle, instance):
            return
        is_started = previous is not None and (previous.entry, previous.attempt) == (
            instance.entry,
            instance.attempts,
        )
        if is_started:
            return
        work = ThisWork(
            instance.id,
            instance.entry,
            instance.attempts,
            engine=self,
            clock=self._clock,
            report_to=lambda done, total, unit: self._report(key, done, total, unit),
        )
        task = asyncio.create_task(self._act(workflow, instance, work, previous))
        running = Running(task, work)
        self._running[key] = running
        task.add_done_callback(lambda _: self._forget(key, running))

    def _forget(self, key: Key, running: Running) -> None:
        if self._running.get(key) is running:
            del self._running[key]

    def _report(self, key: Key, done: int, total: int, unit: str) -> None:
        for listener in tuple(self._progress_listeners):
            tell(partial(listener, *key, done, total, unit))

    async def _act(
        self,
        workflow: AnyWorkflow,
        instance: AnyInstance,
        work: ThisWork,
        previous: Running | None,
    ) -> None:
        """Run one action to its answer, after the instance's last one has ended."""
        if previous is not None:
            await previous.joined()
        action = workflow.actions[workflow.lifecycle.acts[instance.state]]
        try:
            answer = await action(work)
        except JournalClosedError:
            return
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            request = self._failure(workflow, instance, error)  # Not ours: something broke off.
        except Exception as error:  # noqa: BLE001 - any failure is an event of the table.
            request = self._failure(workflow, instance, error)
        else:
            request = Request(
                answer.event,
                "action",
                answer.writes,
                answer.enrols,
                answer.stirs,
                answer.details,
                entry=work.entry,
            )
        work.has_answered = True
        with suppress(JournalClosedError):
            await self._answer(workflow, instance, work, request)

    def _failure(
        self, workflow: AnyWorkflow, instance: AnyInstance, error: BaseException
    ) -> Request:
        failed = workflow.lifecycle.failed
        if failed is None:  # The build checks leave no such table.
            raise AssertionError(f"{workflow.name} has no event for failure") from error
        if isinstance(error, CommunityArchivesError):
            reason = f"[{error.code}] {error}"
        else:
            reason = f"{type(error).__name__}: {error}"
            logger.bind(community=instance.id, state=instance.state.value).opt(
                exception=error
            ).warning("{} failed", instance.state.value)
        return Request(failed, "action", entry=instance.entry, reason=reason)

    async def _answer(
        self, workflow: AnyWorkflow, instance: AnyInstance, work: ThisWork, request: Request
    ) -> None:
        """Commit an answer, again and again while the disk takes nothing."""
        delay = 1.0
        while True:
            try:
                await self.send(workflow.name, work.id, request)
            except (JournalClosedError, UnknownInstanceError):
                return  # Nobody is there any more whom it concerns.
            except Exception as error:  # noqa: BLE001 - the disk, or the answer itself.
                if not isinstance(error, JournalWriteError) and request.writes is not no_writes:
                    request = self._failure(workflow, instance, error)
                    continue
                logger.bind(community=work.id).warning("{}; tried again in {} s", error, delay)
                await self._clock.sleep(delay)
                delay = min(2 * delay, COMMIT_AGAIN_CAP)
            else:
                return

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work in a thread; a cancelled caller still waits for its end."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, function)
        self._threads_busy += 1
        try:
            return await ended(future)
        finally:
            self._threads_busy -= 1
