"""The data directory, with or without the networks that its node takes part in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from workflow.defaults import KEYS, key_files, torrents

if TYPE_CHECKING:
    from workflow.adapters.keys.files import KeyFiles
    from workflow.cli.networking import Networking
    from workflow.node import Node
    from workflow.ports.carrier import Carrier
    from workflow.ports.clock import Clock
    from workflow.ports.keys import Keys
    from workflow.ports.messaging import Messaging
    from workflow.ports.records import Community
    from workflow.ports.work import Transaction
    from workflow.viewing import View

PASSPHRASE_FILE: Final = "COMMUNITY_ARCHIVES_PASSPHRASE_FILE"  # noqa: S105 - only where it lies.


class Ports(TypedDict):
    """What a node and a view are opened with."""

    clock: Clock
    carrier: Carrier
    messaging: Messaging
    keys: Keys


def ports(data_dir: Path) -> Ports:
    """The machine's clock, the key files, and no network: nobody else is reached."""
    from workflow.adapters.carrier.memory import MemoryCarrier, Swarm  # noqa: PLC0415
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.adapters.messaging.in_process import (  # noqa: PLC0415
        InProcessMessaging,
        MessageNetwork,
    )

    clock = SystemClock()
    return {
        "clock": clock,
        "carrier": MemoryCarrier(Swarm(clock), clock),
        "messaging": InProcessMessaging(MessageNetwork(clock)),
        "keys": key_store(data_dir),
    }


def node_at(data_dir: Path) -> Node:
    """The node of this data directory, holding it; its networks are not to be opened.

    Raises ``DataDirectoryError``.
    """
    from workflow.assembly import open_node  # noqa: PLC0415

    unopened = ports(data_dir)
    # What is a link, and what is none, it can tell all the same.
    unopened["carrier"] = torrents(data_dir)
    unopened["keys"] = unlocked_keys(data_dir)
    return _told_of_upgrade(open_node(data_dir, **unopened))


def acting_node_at(data_dir: Path, networking: Networking, *, is_silent: bool = False) -> Node:
    """The same node with its networks: BitTorrent, and messages on Waku or on this machine.

    A silent one neither hears nor sends messages. Raises ``DataDirectoryError``, and
    ``ConfigurationError`` for networks that cannot be as asked.
    """
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.adapters.messaging.in_process import (  # noqa: PLC0415
        InProcessMessaging,
        MessageNetwork,
    )
    from workflow.adapters.store.facts import Timing  # noqa: PLC0415
    from workflow.assembly import open_node  # noqa: PLC0415

    clock = SystemClock()
    keys = unlocked_keys(data_dir)
    node = open_node(
        data_dir,
        clock=clock,
        carrier=torrents(data_dir, networking.settings()),
        messaging=InProcessMessaging(MessageNetwork(clock))
        if is_silent
        else networking.messaging(clock),
        keys=keys,
        timing=Timing(settle_quiet=networking.settle, settle_limit=6 * networking.settle),
    )
    return _told_of_upgrade(node)


def _told_of_upgrade(node: Node) -> Node:
    from workflow.cli.words import note  # noqa: PLC0415

    if node.kept_journal is not None:
        note(f"The journal was brought up to date; the one of before is {node.kept_journal}.")
    return node


def key_store(data_dir: Path, *, is_asked_for: bool = False) -> KeyFiles:
    """The private keys of this data directory.

    Their passphrase stands in the file that the environment names, or is ``is_asked_for`` at the
    terminal; without one, new keys are plain, and encrypted ones are not opened.
    """
    file = os.environ.get(PASSPHRASE_FILE)
    if file:
        return key_files(data_dir, lambda: _first_line_of(Path(file)))
    if not is_asked_for:
        return key_files(data_dir)
    has_some = has_encrypted_keys(data_dir)
    return key_files(data_dir, ask_passphrase if has_some else ask_new_passphrase)


def ask_passphrase() -> bytes:
    """Ask the person at the terminal for the passphrase that opens the keys."""
    import typer  # noqa: PLC0415

    return str(typer.prompt("Passphrase of the keys", hide_input=True, err=True)).encode()


def ask_new_passphrase() -> bytes:
    """Ask twice: a slip would lock the key for ever."""
    import typer  # noqa: PLC0415

    text = typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return str(text).encode()


def unlocked_keys(data_dir: Path) -> KeyFiles:
    """The keys, opened now if there is a passphrase, so that no decision has to wait for it.

    Without one, encrypted keys are as good as absent. Raises ``KeyFileError`` for a wrong one.
    """
    can_ask = has_encrypted_keys(data_dir) and sys.stdin.isatty()
    keys = key_store(data_dir, is_asked_for=can_ask)
    if can_ask or os.environ.get(PASSPHRASE_FILE):
        keys.unlock()
    return keys


def has_encrypted_keys(data_dir: Path) -> bool:
    """True when some key of this data directory needs a passphrase."""
    return any((data_dir / KEYS).glob("*.pem"))


def _first_line_of(path: Path) -> bytes:
    from workflow.errors import KeyFileError  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            return file.readline(1024).rstrip(b"\r\n")
    except OSError as error:
        raise KeyFileError(
            f"the passphrase cannot be read: {error.strerror}", place=str(path)
        ) from error


def made(data_dir: Path) -> Path:
    """The data directory, made for its owner alone if it is not there.

    Raises ``DataDirectoryError``.
    """
    from workflow.errors import DataDirectoryError  # noqa: PLC0415

    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirectoryError(
            f"the data directory cannot be made: {error.strerror}",
            place=str(data_dir),
            remedy="Make what it lies in writable for this user, or choose another --data-dir.",
        ) from error
    return data_dir


def view_of(data_dir: Path) -> View:
    """What can be seen of this data directory, whoever holds it. Raises ``DataDirectoryError``."""
    from workflow.viewing import open_view  # noqa: PLC0415

    return open_view(data_dir, **ports(data_dir))


def find(view: View, tx: Transaction, text: str) -> Community:
    """A community by its name, id or the beginning of either.

    Raises ``UnknownCommunityError``, ``AmbiguousCommunityError``, and ``MalformedIdError`` for a
    whole id that is none.
    """
    from workflow.identity import public_key_of  # noqa: PLC0415

    if text.startswith("0x") and len(text) >= len("0x") + 66:
        public_key_of(text)
    return view.tools.store.find_community(tx, text)
