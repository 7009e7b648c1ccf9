"""Makes it happen: a durable runner for lifecycles, and the archives of chat communities on it.

What an application needs is here, loaded when it is first asked for: ``open_node``, what a node
takes and gives, and the shipped adapters that it has by default; ``open_app`` runs an application
of one's own, whose author finds more in ``workflow.application``. For callers without an event loop
there is ``workflow.blocking``, for tests ``workflow.testing``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from workflow.ownership import foreign_states

if TYPE_CHECKING:
    from states.errors import CommunityArchivesError
    from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
    from workflow.adapters.carrier.bittorrent.settings import Network
    from workflow.adapters.carrier.bittorrent.settings import Settings as BitTorrentSettings
    from workflow.adapters.clock.system import SystemClock
    from workflow.adapters.keys.files import KeyFiles
    from workflow.adapters.messaging.local import LocalMessaging
    from workflow.adapters.store.facts import Timing
    from workflow.adapters.store.sqlite import SqliteStore
    from workflow.application import Application, open_app
    from workflow.assembly import open_node
    from workflow.chat.post import Author, Post
    from workflow.defaults import waku_messages
    from workflow.engine.rows import Recorded
    from workflow.node import Node
    from workflow.ports.records import Channel, Choice

__all__ = [
    "Application",
    "Author",
    "BitTorrentCarrier",
    "BitTorrentSettings",
    "Channel",
    "Choice",
    "CommunityArchivesError",
    "KeyFiles",
    "LocalMessaging",
    "Network",
    "Node",
    "Post",
    "Recorded",
    "SqliteStore",
    "SystemClock",
    "Timing",
    "open_app",
    "open_node",
    "waku_messages",
]

DISTRIBUTION: Final = "community-archives"

HOMES: Final = {
    "Application": "workflow.application",
    "Author": "workflow.chat.post",
    "BitTorrentCarrier": "workflow.adapters.carrier.bittorrent.carrier",
    "BitTorrentSettings": "workflow.adapters.carrier.bittorrent.settings:Settings",
    "Channel": "workflow.ports.records",
    "Choice": "workflow.ports.records",
    "CommunityArchivesError": "states.errors",
    "KeyFiles": "workflow.adapters.keys.files",
    "LocalMessaging": "workflow.adapters.messaging.local",
    "Network": "workflow.adapters.carrier.bittorrent.settings",
    "Node": "workflow.node",
    "Post": "workflow.chat.post",
    "Recorded": "workflow.engine.rows",
    "SqliteStore": "workflow.adapters.store.sqlite",
    "SystemClock": "workflow.adapters.clock.system",
    "Timing": "workflow.adapters.store.facts",
    "open_app": "workflow.application",
    "open_node": "workflow.assembly",
    "waku_messages": "workflow.defaults",
}
"""Where each name is made, and what it is called there if not the same."""


def _is_the_command() -> bool:
    """Whether this is the command's own process: it says what is wrong without a traceback."""
    is_script = sys.argv[:1] != [] and PurePath(sys.argv[0]).name == DISTRIBUTION
    # While the module after -m is looked for, sys.argv begins with -m instead of a program.
    is_module = sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)] == __name__
    return is_script or is_module


def __getattr__(name: str) -> object:
    """Load what is asked for, and only that."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), there or name)
    return value


def __dir__() -> list[str]:
    """What is here, loaded or not: for completion."""
    return sorted({*globals(), *__all__})


_complaint = foreign_states()
if _complaint is not None and not _is_the_command():
    raise _complaint
