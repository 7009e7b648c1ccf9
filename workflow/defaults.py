"""What a node works with unless something else is handed in, and where it lies.

``open_node`` and the command line take it from here, so that an application's node and the
command find each other's keys and, on one machine, each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
    from workflow.adapters.carrier.bittorrent.settings import Settings
    from workflow.adapters.keys.files import KeyFiles
    from workflow.adapters.messaging.local import LocalMessaging
    from workflow.adapters.messaging.waku.messaging import WakuMessaging
    from workflow.ports.clock import Clock

KEYS: Final = "keys"
"""The folder of private keys, in the data directory."""
SETTINGS: Final = "settings.toml"
"""The settings file, in the data directory or in a folder of configuration."""
SCRATCH: Final = "carrier"
"""What is being downloaded and has no place of its own yet, in the data directory."""
MEETING: Final = "local-network"
"""The folder, in the user's data directory, through which nodes on one machine find each other."""


def meeting_folder() -> Path:
    """Where the nodes of this user meet on this machine."""
    from platformdirs import user_data_path  # noqa: PLC0415 - asked for only when nobody says.

    return user_data_path("community-archives") / MEETING


def torrents(data_dir: Path, settings: Settings | None = None) -> BitTorrentCarrier:
    """BitTorrent; without settings, between the nodes of this machine and with nobody else."""
    from workflow.adapters.carrier.bittorrent.carrier import (  # noqa: PLC0415 - it loads libtorrent.
        BitTorrentCarrier,
    )
    from workflow.adapters.carrier.bittorrent.settings import Settings  # noqa: PLC0415

    return BitTorrentCarrier(settings or Settings(meeting=meeting_folder()), data_dir / SCRATCH)


def local_messages(clock: Clock, folder: Path | None = None) -> LocalMessaging:
    """Messages between the nodes of this machine that meet in this folder."""
    from workflow.adapters.messaging.local import LocalMessaging  # noqa: PLC0415 - not for all.

    return LocalMessaging(folder or meeting_folder(), clock)


def waku_messages(
    clock: Clock, nodes: Sequence[str], pubsub_topics: Sequence[str] = ()
) -> WakuMessaging:
    """Messages on Waku, through these nodes (URLs of their REST interfaces).

    Without topics, on those of Status. Raises ``ConfigurationError``.
    """
    from workflow.adapters.keys.memory import MemoryKeys  # noqa: PLC0415 - all for Waku alone.
    from workflow.adapters.messaging.waku.messaging import WakuMessaging  # noqa: PLC0415
    from workflow.adapters.messaging.waku.settings import WakuSettings  # noqa: PLC0415

    settings = WakuSettings(nodes=tuple(nodes))
    if pubsub_topics:
        settings = replace(settings, pubsub_topics=tuple(pubsub_topics))
    return WakuMessaging(settings, clock, MemoryKeys())


def key_files(data_dir: Path, passphrase: Callable[[], bytes] | None = None) -> KeyFiles:
    """The private keys of this data directory; new ones are plain unless there is a passphrase."""
    from workflow.adapters.keys.files import KeyFiles  # noqa: PLC0415 - it loads cryptography.

    return KeyFiles(data_dir / KEYS, passphrase)
