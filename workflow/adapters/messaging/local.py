"""A network of messages between the nodes of one machine: a folder, and no service.

All nodes that are given the same folder hear each other, whichever processes they run in. A message
is a row in one file (see ``message_file``): ``publish`` writes it to the disk before it returns,
and every open node looks for new rows a few times a second. The bell is the look itself: no socket,
no signal, nothing that could be missed. As long as nobody writes, a look costs microseconds.

As on Waku, who has subscribed to a channel also gets what it published there itself, and messages
are kept for 30 days; whoever publishes deletes older ones now and then. A node gets what came while
it was open; for everything before there is ``stored``.

Each channel's deliveries are made one after the other, those of different channels independently. A
receiver that raises gets the delivery again after a second, then two, four, and so on up to five
minutes, until it takes it, the message is forgotten, or the node is closed; meanwhile the others go
on, also those of the same channel. So deliveries may change their order, and a message that was
delivered may also be found by ``stored``. Times are those of the publishers' clocks.

Whoever may write in the folder may say anything in it: a message proves nothing but what is signed
in it, as on every network. The folder must lie on a file system of this machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from loguru import logger

from workflow.adapters.messaging.message_file import MessageFile
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.messaging import RETENTION, Received, Receiver

T = TypeVar("T")

LOOK_EVERY: Final = 0.25
"""Seconds between two looks for new messages."""
LOOK_AGAIN_AFTER: Final = 10.0
"""Seconds until a file that could not be read is looked at again."""
FORGET_EVERY: Final = 3_600.0
"""Seconds between two times that a publisher deletes older ones."""
REDELIVER_AFTER: Final = 1.0
"""Seconds until a receiver that raised gets the delivery again; twice as many each further time."""
REDELIVER_AT_LATEST: Final = 300.0
READ_AT_ONCE: Final = 16
"""Stored messages that are in memory together."""


class LocalMessaging:
    """One node's connection to all that share ``folder``.

    ``look_every``, ``retention`` and ``redeliver_after`` are seconds of the clock. It may be closed
    and opened again; subscriptions end with ``close``.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        look_every: float = LOOK_EVERY,
        retention: float = RETENTION,
        redeliver_after: float = REDELIVER_AFTER,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._look_every = look_every
        self._retention = retention
        self._redeliver_after = redeliver_after
        self._channels: set[str] = set()
        self._session: _Session | None = None
        self._file: _FileThread | None = None  # also while it is being closed
        self._forgot_at: float | None = None

    def __repr__(self) -> str:
        return f"LocalMessaging({str(self._folder)!r})"

    @property
    def is_busy(self) -> bool:
        """True while the file is being read or written, which a manual clock must wait for."""
        return self._file is not None and self._file.is_busy

    async def open(self, receive: Receiver) -> None:
        """Connect; from now on deliveries of subscribed channels go to ``receive``.

        Raises ``MessagingError`` when it is connected already, or the folder cannot be used.
        """
        if self._session is not None:
            raise MessagingError("the node is connected already", place=str(self._folder))
        self._file = _FileThread(self._folder)
        self._session = session = _Session(
            self._file,
            receive,
            self._channels,
            self._clock,
            self._look_every,
            self._redeliver_after,
        )
        try:
            await session.file.run(MessageFile.open)
        except BaseException:
            if self._session is session:
                await self.close()
            raise
        if self._session is session:  # Nobody has closed it meanwhile.
            session.begin()

    async def subscribe(self, channel: str) -> None:
        """Take deliveries of this channel; asking twice is asking once."""
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Take no more deliveries of this channel, nor those that are on their way."""
        self._channels.discard(channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hand a message to the others. It is on the disk when this returns.

        Raises ``MessagingError`` when it was not taken: the node is not connected, the payload has
        more than 1 MiB, the channel's name more than 1,024 characters, or the file cannot be used.
        """
        file = self._connected().file
        await file.run(lambda messages: messages.append(channel, payload, self._clock.now))
        now = self._clock.now()
        if self._forgot_at is None or abs(now - self._forgot_at) >= FORGET_EVERY:
            self._forgot_at = now
            try:
                await file.run(lambda messages: messages.forget(now - self._retention))
            except MessagingError as error:  # The message was taken all the same.
                logger.warning("old messages were not deleted: {}", error.explained())

    async def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        """What there is of a channel since this moment (seconds, UTC epoch), within the retention.

        What is published while it is being read is not in it. Raises ``MessagingError`` when the
        node is not connected, or the file cannot be read, possibly after some of the messages.
        """
        file = self._connected().file
        since = max(since, self._clock.now() - self._retention)
        sequences = await file.run(lambda messages: messages.since(channel, since))
        for start in range(0, len(sequences), READ_AT_ONCE):
            some = sequences[start : start + READ_AT_ONCE]
            for message in await file.run(partial(_read, channel, some)):
                yield message

    async def close(self) -> None:
        """Disconnect; deliveries under way are cancelled and have ended when this returns."""
        session, self._session = self._session, None
        if session is not None:
            self._channels = set()
            await session.end()

    def _connected(self) -> _Session:
        if self._session is None:
            raise MessagingError("the node is not connected", place=str(self._folder))
        return self._session


class _FileThread:
    """The file of messages, and the one thread in which it is read and written."""

    def __init__(self, folder: Path) -> None:
        self._place = str(folder)
        self._file = MessageFile(folder)
        self._thread = ThreadPoolExecutor(1, "messages")
        self._under_way = 0
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        return self._under_way > 0

    async def run(self, work: Callable[[MessageFile], T]) -> T:
        """Do something with the file; the next comes when it is done, even if nobody waits."""
        if self._is_closed:
            raise MessagingError("the node was disconnected", place=self._place)
        loop = asyncio.get_running_loop()
        self._under_way += 1
        try:
            return await loop.run_in_executor(self._thread, work, self._file)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Let go of the file and end the thread, after whatever was asked for before."""
        self._is_closed = True
        loop = asyncio.get_running_loop()
        closing = loop.run_in_executor(self._thread, self._file.close)
        self._under_way += 1
        try:
            await asyncio.shield(closing)
        finally:
            self._under_way -= 1
            self._thread.shutdown(wait=closing.done())


class _Session:
    """From ``open`` to ``close``: the look for new messages, and the deliveries."""

    def __init__(
        self,
        file: _FileThread,
        receive: Receiver,
        channels: set[str],
        clock: Clock,
        look_every: float,
        redeliver_after: float,
    ) -> None:
        self.file = file
        self._receive = receive
        self._channels = channels
        self._clock = clock
        self._look_every = look_every
        self._redeliver_after = redeliver_after
        self._queues: dict[str, deque[tuple[int, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Look from now on."""
        self._in_background(self._look())

    async def end(self) -> None:
        """Deliver nothing more and let go of the file."""
        self._channels.clear()
        own = asyncio.current_task()  # A receiver may close its own connection.
        under_way = [task for task in self._tasks if task is not own]
        for task in under_way:
            task.cancel()
        try:
            if under_way:
                await asyncio.wait(under_way)
        finally:
            await self.file.close()

    async def _look(self) -> None:
        while True:
            pause = self._look_every
            try:
                while new := await self.file.run(MessageFile.new):
                    for sequence, channel in new:
                        self._hand_on(channel, sequence, self._redeliver_after)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked again.
                logger.warning("new messages could not be read: {}", _told(error))
                pause = max(pause, LOOK_AGAIN_AFTER)
            await self._clock.sleep(pause)

    def _hand_on(self, channel: str, sequence: int, again_after: float) -> None:
        """Have a message delivered, behind those of its channel that wait already."""
        if channel not in self._channels:
            return
        if channel in self._queues:
            self._queues[channel].append((sequence, again_after))
        else:
            self._queues[channel] = deque([(sequence, again_after)])
            self._in_background(self._deliver_all(channel))

    async def _deliver_all(self, channel: str) -> None:
        queue = self._queues[channel]
        try:
            while queue and channel in self._channels:
                sequence, again_after = queue.popleft()
                try:
                    await self._deliver(channel, sequence)
                except Exception as error:  # noqa: BLE001 - the receiver's failure, not ours.
                    logger.warning(
                        "a message on {} was not taken, again in {} s: {}",
                        channel,
                        again_after,
                        _told(error),
                    )
                    if channel in self._channels:
                        self._in_background(self._deliver_later(channel, sequence, again_after))
        finally:
            del self._queues[channel]

    async def _deliver(self, channel: str, sequence: int) -> None:
        for message in await self.file.run(partial(_read, channel, (sequence,))):
            if channel in self._channels:
                await self._receive(message)

    async def _deliver_later(self, channel: str, sequence: int, after: float) -> None:
        await self._clock.sleep(after)
        self._hand_on(channel, sequence, min(2 * after, REDELIVER_AT_LATEST))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read(channel: str, sequences: Sequence[int], messages: MessageFile) -> list[Received]:
    return messages.read(channel, sequences)


def _told(error: Exception) -> str:
    return error.explained() if isinstance(error, MessagingError) else repr(error)
