"""A node for callers without an event loop: Django, scripts, threads.

``open_node`` takes what ``workflow.open_node`` takes, and opens the node on an event loop in a
thread of its own::

    with open_node("archives") as node:
        id = node.create_community("gardeners")

The verbs are the node's without ``await``, and may be called from any thread, also at once. What
they raise arrives as it was raised. Listeners are called on the node's thread, where nothing may
wait for the node.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from weakref import WeakSet

from workflow import assembly
from workflow.errors import ConfigurationError, JournalClosedError
from workflow.node import Node

P = ParamSpec("P")
T = TypeVar("T")


def _verb(
    verb: Callable[Concatenate[Node, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[BlockingNode, P], T]:
    """The same verb, waited for."""

    @wraps(verb)
    def blocking(node: BlockingNode, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return node.run(lambda there: verb(there, *args, **kwargs))

    return blocking


def _stream(
    verb: Callable[Concatenate[Node, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[BlockingNode, P], Iterator[T]]:
    """The same stream, each item waited for; it ends when the node is closed."""

    @wraps(verb)
    def blocking(node: BlockingNode, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items: list[AsyncGenerator[T, None]] = []

        async def following(there: Node) -> tuple[T, ...]:
            if not items:
                items.append(verb(there, *args, **kwargs))
            async for item in items[0]:
                return (item,)
            return ()

        try:
            while found := node.run(following):
                yield found[0]
        except JournalClosedError:
            return
        finally:
            for begun in items:
                node._leave(begun)  # noqa: SLF001 - of this module.

    return blocking


class BlockingNode:
    """A node that is open, on a loop and thread of its own, until ``close``.

    Every verb raises ``JournalClosedError`` once it is closed, ``ConfigurationError`` on the
    node's own thread, and what the node's verb of that name raises.
    """

    def __init__(self, make: Callable[[], Node]) -> None:
        self._opened: Future[tuple[Node, asyncio.AbstractEventLoop]] = Future()
        self._closing: Future[None] = Future()
        self._closed: Future[None] = Future()
        self._door = threading.Lock()  # Nothing is asked for behind the end, where nobody answers.
        # A daemon: a node that nobody has closed must not keep the interpreter from its end.
        self._thread = threading.Thread(target=self._live, args=[make], name="node", daemon=True)
        self._thread.start()
        try:
            self._node, self._loop = self._opened.result()
        except BaseException:  # An interruption, too.
            self._ask_to_close()
            raise
        _close_forgotten_at_exit()
        _open.add(self)

    def __enter__(self) -> Self:
        """The node is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Stop the node, and end its loop and its thread. Closing again does nothing.

        Verbs that others wait for end with ``JournalClosedError``, unless they are done.
        """
        self._ask_to_close()
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self._closed.result()

    def run(self, work: Callable[[Node], Awaitable[T]]) -> T:
        """Do what no verb does, on the node's loop, and wait for it.

        ``work`` is given the node: ``run(lambda node: node.engine.run(query))``.
        """
        if threading.current_thread() is self._thread:
            raise ConfigurationError(
                "the node's own thread cannot wait for the node",
                place=self._thread.name,
                remedy="Ask from another thread, or await the node's own verb.",
            )

        async def there() -> T:
            return await work(self._node)

        future: Future[T] | None = None
        try:
            with self._door:
                if self._closing.done():
                    raise JournalClosedError
                future = asyncio.run_coroutine_threadsafe(there(), self._loop)
            return future.result()
        except CancelledError:
            if self._closing.done():
                raise JournalClosedError from None
            raise
        finally:
            if future is not None:
                future.cancel()  # Of one that is over this does nothing; else we were interrupted.

    @property
    def address(self) -> str:
        """Where a process on this machine reaches the network of files; empty for nowhere."""
        return self._node.address

    @property
    def kept_journal(self) -> Path | None:
        """The copy of the journal of before, if opening has brought it up to date."""
        return self._node.kept_journal

    def _leave(self, items: AsyncGenerator[Any, None]) -> None:
        """Let go of a stream, without waiting: its last holder may be dropped on any thread."""
        with self._door:
            if not self._closing.done():
                asyncio.run_coroutine_threadsafe(_let_go(items), self._loop)

    def _ask_to_close(self) -> None:
        with self._door:
            if not self._closing.done():
                self._closing.set_result(None)

    def _live(self, make: Callable[[], Node]) -> None:
        """All that the thread does."""
        try:
            asyncio.run(self._hold(make))
        except BaseException as error:  # noqa: BLE001 - it is told to whoever opens or closes.
            (self._closed if self._opened.done() else self._opened).set_exception(error)
        else:
            self._closed.set_result(None)

    async def _hold(self, make: Callable[[], Node]) -> None:
        async with make() as node:
            self._opened.set_result((node, asyncio.get_running_loop()))
            await asyncio.wrap_future(self._closing)

    # Communities.
    create_community = _verb(Node.create_community)
    join = _verb(Node.join)
    mirror = _verb(Node.mirror)
    find = _verb(Node.find)
    communities = _verb(Node.communities)
    remove = _verb(Node.remove)

    # On and off.
    enable = _verb(Node.enable)
    disable = _verb(Node.disable)
    switch_on = _verb(Node.switch_on)
    switch_off = _verb(Node.switch_off)
    send = _verb(Node.send)

    # Control.
    take_over = _verb(Node.take_over)
    hand_over = _verb(Node.hand_over)
    become_control_node = _verb(Node.become_control_node)
    remove_key = _verb(Node.remove_key)
    set_key_saved = _verb(Node.set_key_saved)

    # Messages and their keys.
    add_channel = _verb(Node.add_channel)
    add_topic = _verb(Node.add_topic)
    channels = _verb(Node.channels)
    add_messages = _verb(Node.add_messages)
    import_items = _verb(Node.import_items)
    messages = _verb(Node.messages)
    add_ratchet_key = _verb(Node.add_ratchet_key)
    create_ratchet_key = _verb(Node.create_ratchet_key)
    set_encrypted = _verb(Node.set_encrypted)

    # Archives.
    archive_now = _verb(Node.archive_now)
    choose = _verb(Node.choose)
    adopt = _verb(Node.adopt)
    imports = _verb(Node.imports)
    verify = _verb(Node.verify)
    retry_archive = _verb(Node.retry_archive)
    try_again = _verb(Node.try_again)

    # Links.
    announce = _verb(Node.announce)
    announcement = _verb(Node.announcement)
    receive_announcement = _verb(Node.receive_announcement)
    follow_unsigned = _verb(Node.follow_unsigned)
    magnet_for = _verb(Node.magnet_for)
    describe = _verb(Node.describe)
    receive_join_response = _verb(Node.receive_join_response)
    receive_description = _verb(Node.receive_description)

    # Looking.
    health = _verb(Node.health)
    overview = _verb(Node.overview)
    status = _verb(Node.status)
    snapshot = _verb(Node.snapshot)
    peers = _verb(Node.peers)
    drawing = _verb(Node.drawing)
    drawing_of_all = _verb(Node.drawing_of_all)
    signals = _stream(Node.signals)


async def _let_go(items: AsyncGenerator[Any, None]) -> None:
    with suppress(RuntimeError):  # It is being cancelled at this moment.
        await items.aclose()


def _blocking(make: Callable[P, Node]) -> Callable[P, BlockingNode]:
    @wraps(make, assigned=())
    def open_node(*args: P.args, **kwargs: P.kwargs) -> BlockingNode:
        """A node on this data directory, open, for ``with`` or until ``close``.

        Takes what ``workflow.open_node`` takes, and raises what that, and starting, raise.
        """
        return BlockingNode(lambda: make(*args, **kwargs))

    return open_node


open_node = _blocking(assembly.open_node)

_open: WeakSet[BlockingNode] = WeakSet()


@cache
def _close_forgotten_at_exit() -> None:
    # What atexit calls comes too late: no thread takes any more work then.
    threading._register_atexit(_close_forgotten)  # type: ignore[attr-defined] # noqa: SLF001


def _close_forgotten() -> None:
    for node in tuple(_open):
        with suppress(Exception):  # Nobody is there any more to hear of it.
            node.close()
