"""Messages as files in a folder, such as one that Syncthing keeps the same on several machines.

An adapter as somebody else would write it: what it knows of the node is the port ``Messaging``.
Each channel is a folder and each message a file, whose name begins with the time at which it was
published (microseconds since 1970). A node looks for new files every ``look_every`` seconds of its
clock; a message that was not taken comes again with the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.ports.messaging import Received, Receiver

log = logging.getLogger(__name__)


class FolderMessaging:
    """One node's connection to all that share ``folder``."""

    def __init__(self, folder: Path, clock: Clock, look_every: float = 1.0) -> None:
        self._folder = folder
        self._clock = clock
        self._look_every = look_every
        self._seen: dict[str, set[str]] = {}  # by channel that is subscribed
        self._looking: asyncio.Task[None] | None = None

    async def open(self, receive: Receiver) -> None:
        """Connect; from now on deliveries of subscribed channels go to ``receive``."""
        if self._looking is not None:
            raise MessagingError("the node is connected already", place=str(self._folder))
        self._looking = asyncio.create_task(self._look(receive))

    async def close(self) -> None:
        """Disconnect; no delivery is made after this has returned."""
        looking, self._looking = self._looking, None
        self._seen.clear()
        if looking is not None and looking is not asyncio.current_task():
            looking.cancel()
            await asyncio.wait([looking])

    async def subscribe(self, channel: str) -> None:
        """Deliver what comes to this channel from now on."""
        here = await asyncio.to_thread(self._names, channel)
        self._seen.setdefault(channel, set(here))

    async def unsubscribe(self, channel: str) -> None:
        """Take no more deliveries of this channel."""
        self._seen.pop(channel, None)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Put a message into the folder. Raises ``MessagingError`` when that fails."""
        self._stay_open()
        name = f"{int(self._clock.now() * 1e6):020}-{uuid4().hex}"
        try:
            await asyncio.to_thread(self._write, channel, name, payload)
        except OSError as error:
            raise MessagingError(f"not published: {error.strerror}", place=channel) from error

    async def stored(self, channel: str, since: float) -> AsyncGenerator[Received, None]:
        """What lies in the folder of a channel since this moment (seconds, UTC epoch)."""
        self._stay_open()
        try:
            for name in await asyncio.to_thread(self._names, channel):
                if _time_of(name) >= since:
                    yield await asyncio.to_thread(self._read, channel, name)
        except OSError as error:
            raise MessagingError(f"not all read: {error.strerror}", place=channel) from error

    def _stay_open(self) -> None:
        if self._looking is None:
            raise MessagingError("the node is not connected", place=str(self._folder))

    async def _look(self, receive: Receiver) -> None:
        while self._looking is not None:
            for channel, seen in tuple(self._seen.items()):
                for name in await asyncio.to_thread(self._names, channel):
                    if name not in seen and self._seen.get(channel) is seen:
                        seen.add(name)
                        try:
                            await receive(await asyncio.to_thread(self._read, channel, name))
                        except Exception:
                            log.exception("a message was not taken: %s", name)
                            seen.discard(name)
            await self._clock.sleep(self._look_every)

    def _place(self, channel: str) -> Path:
        return self._folder / quote(channel, safe="")

    def _names(self, channel: str) -> list[str]:
        files = self._place(channel).glob("[0-9]*")
        return sorted(file.name for file in files)

    def _read(self, channel: str, name: str) -> Received:
        payload = (self._place(channel) / name).read_bytes()
        return Received(channel, payload, _time_of(name))

    def _write(self, channel: str, name: str, payload: bytes) -> None:
        place = self._place(channel)
        place.mkdir(parents=True, exist_ok=True)
        begun = place / f".{name}"
        begun.write_bytes(payload)
        begun.rename(place / name)  # Nobody sees the half of it.


def _time_of(name: str) -> float:
    return int(name[:20]) / 1e6
