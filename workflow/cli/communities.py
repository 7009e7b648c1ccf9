"""``community``: communities come and go, and with them their keys."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.asking import ask_once
from workflow.cli.completing import communities
from workflow.cli.options import CommunityName, DataDir, examples
from workflow.cli.place import find, has_encrypted_keys, key_store, made, view_of
from workflow.cli.words import note, say, unsaved_key

if TYPE_CHECKING:
    from workflow.adapters.keys.files import KeyFiles
    from workflow.ports.records import Community

STDIN: Final = "-"
LONGEST_FILE: Final = 64 * 1024
"""Bytes of a file with a key, at most."""
DAY: Final = 86_400
HOUR: Final = 3600.0

community = typer.Typer(
    name="community",
    help="Create and remove communities, and their keys.",
    epilog=examples("community create gardeners", "community remove gardeners"),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Encrypt = Annotated[
    bool, typer.Option("--encrypt", help="Keep the key encrypted: 'run' asks for its passphrase.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there, for you alone.")
]


@community.command(
    epilog=examples("community create gardeners", "community create chess --announce-every 0")
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it here.")],
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="Of messages in an archive.")] = 7,
    announce_every: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="HOURS",
            help="Repeat the announcement; 0: never. Else as 'config' says.",
        ),
    ] = None,
    encrypt: Encrypt = False,
    data_dir: DataDir,
) -> None:
    """Create a community, with a new key: this device becomes its control node."""
    id = create_here(data_dir, name, days=days, announce_every=announce_every, encrypt=encrypt)
    say(f"{name}: created.")
    say(f"  id     {id}")
    note(unsaved_key(name))


def create_here(
    data_dir: Path,
    name: str,
    *,
    days: int = 7,
    announce_every: float | None = None,
    encrypt: bool = False,
) -> str:
    """Create a community with a new key; returns its id. Raises ``NameTakenError``.

    ``announce_every`` is in hours; None is what the settings say.
    """
    from workflow.cli.settings import read_settings  # noqa: PLC0415 - as all here, when needed.
    from workflow.errors import NameTakenError  # noqa: PLC0415

    if announce_every is None:
        announce_every = read_settings(data_dir).announce_every
    keys = writable_keys(data_dir, encrypt=encrypt)
    key = keys.create()
    try:
        created = ask_once(
            data_dir,
            "create",
            name=name,
            key=key.hex(),
            interval=days * DAY,
            reannounce_after=announce_every * HOUR or None,
        )
    except NameTakenError:
        keys.remove(key)  # It is nobody's. After any other failure it may be a community's.
        raise
    return str(created["id"])


@community.command(
    "import-key",
    epilog=examples(
        "community import-key gardeners.key --name gardeners",
        "community import-key new.key --community gardeners",
    ),
)
def import_key(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="As export-key writes it, or 64 hex digits.")
    ],
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="For a community that is new.")] = "",
    of: Annotated[
        str,
        typer.Option(
            "--community",
            metavar="COMMUNITY",
            help="Whose control was transferred to this key.",
            autocompletion=communities,
        ),
    ] = "",
    encrypt: Encrypt = False,
    data_dir: DataDir,
) -> None:
    """Import a community's private key: this device becomes its control node.

    A community that is not known yet is created here, and goes on where its own earlier links
    lead. On the device that had control until now, do 'community remove' or take its key away.
    """
    from workflow.adapters.keys.forms import private_key_from  # noqa: PLC0415 - when it is needed.

    known = _found(data_dir, of) if of else None
    keys = writable_keys(data_dir, encrypt=encrypt)
    key = keys.add(private_key_from(_read(file), _ask_for_file, place=file))
    known = known or _known(data_dir, f"0x{key.hex()}")
    if known is None:
        called = name or f"0x{key.hex()}"[:12]
        id = ask_once(data_dir, "create", name=called, key=key.hex(), is_key_saved=True)["id"]
    else:
        called, id = known.name, known.id
        ask_once(data_dir, "claim", id, key=key.hex(), is_key_saved=True)
    say(f"{called}: this device is its control node now.")
    say(f"  id     {id}")


@community.command(
    "add-channel",
    epilog=examples(
        "community add-channel gardeners 7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab --name general"
    ),
)
def add_channel(
    name: CommunityName,
    uuid: Annotated[
        str, typer.Argument(metavar="UUID", help="The channel's id, without the community's.")
    ],
    *,
    called: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the channel is called.")
    ] = "",
    data_dir: DataDir,
) -> None:
    """Follow a channel of a community; again gives it another name.

    Channels that the community's description names, and those of imported chats, are known by
    themselves. This is for a community that encrypts its description.
    """
    from workflow.archive.announcement import CHANNEL_UUID  # noqa: PLC0415 - when it is needed.

    known = _found(data_dir, name)
    uuid = uuid.lower().removeprefix(known.id)
    if not re.fullmatch(CHANNEL_UUID, uuid):
        raise typer.BadParameter("a UUID has 32 hexadecimal digits and four dashes")
    if not called.isprintable():
        raise typer.BadParameter("a name is one line of text", param_hint="--name")
    ask_once(data_dir, "channel", known.id, uuid=uuid, name=called)
    say(f"{known.name}: the channel {called or uuid} is followed.")


@community.command(
    "export-key",
    epilog=examples("community export-key gardeners --out gardeners.key"),
)
def export_key(
    name: CommunityName,
    *,
    out: Out = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="As PEM, with a passphrase that you are asked for.")
    ] = False,
    data_dir: DataDir,
) -> None:
    """Show a community's private key, or write it into a new file that only you may read.

    Whoever has it controls the community: keep it off-line. From then on it counts as saved, and
    'status' says no more that it is not.
    """
    from workflow.cli.writing import PRIVATE, write_new  # noqa: PLC0415 - when it is needed.

    known = _found(data_dir, name)
    keys = key_store(data_dir, is_asked_for=has_encrypted_keys(data_dir))
    text = keys.export(known.control_key, _ask_for_export if encrypt else None)
    if out is None:
        say(text.decode().rstrip("\n"))
    else:
        write_new(out, text, PRIVATE)
        note(f"The key of {known.name} is in {out}.")
    ask_once(data_dir, "key_saved", known.id, key=known.control_key.hex())


@community.command(epilog=examples("community remove gardeners", "community remove chess --yes"))
def remove(
    name: CommunityName,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir,
) -> None:
    """Forget a community: its messages and archives here are deleted.

    Its private key stays in the folder of keys. Nothing changes on other devices.
    """
    known = _found(data_dir, name)
    if not yes:
        typer.confirm(
            f"Delete all messages and archives of {known.name} on this device?",
            abort=True,
            err=True,
        )
    ask_once(data_dir, "remove", known.id)
    say(f"{known.name}: removed.")


def writable_keys(data_dir: Path, *, encrypt: bool = False) -> KeyFiles:
    """The keys, for one more: encrypted if that is wanted, or if the others are.

    The data directory becomes its owner's alone. Raises ``KeyFileError`` when the passphrase does
    not open those that there are.
    """
    keys = key_store(made(data_dir), is_asked_for=encrypt or has_encrypted_keys(data_dir))
    if has_encrypted_keys(data_dir):
        keys.unlock()
    return keys


def _found(data_dir: Path, text: str) -> Community:
    view = view_of(data_dir)
    with closing(view.journal):
        return view.journal.run(lambda tx: find(view, tx, text))


def _known(data_dir: Path, id: str) -> Community | None:
    from workflow.errors import JournalMissingError, UnknownCommunityError  # noqa: PLC0415

    try:
        return _found(data_dir, id)
    except (JournalMissingError, UnknownCommunityError):
        return None


def _read(path: str) -> bytes:
    from workflow.errors import KeyFileError  # noqa: PLC0415

    if path == STDIN:
        return sys.stdin.buffer.read(LONGEST_FILE)
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST_FILE)
    except OSError as error:
        raise KeyFileError(f"the file cannot be read: {error.strerror}", place=path) from error


def _ask_for_file() -> bytes:
    return str(typer.prompt("Passphrase of the file", hide_input=True, err=True)).encode()


def _ask_for_export() -> bytes:
    text = typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return str(text).encode()
