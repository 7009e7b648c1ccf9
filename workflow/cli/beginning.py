"""``init``: a few questions, a settings file, and what to do next."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from workflow.cli.communities import create_here
from workflow.cli.fetching import join_here
from workflow.cli.kinds import Origin, Reach
from workflow.cli.networking import flag
from workflow.cli.options import DATA_DIR, DataDir
from workflow.cli.place import made
from workflow.cli.settings import ABOUTS, Settings, checked, read_settings
from workflow.cli.settings_file import FILE, default_data_dir, file_of
from workflow.cli.words import hanging, note, say

USUAL_PORT: Final = "6881"
ABOUT_NETWORKS: Final = (
    ("local", "this machine only; nobody learns anything"),
    ("private", "the trackers and peers that you name; they see your address"),
    ("public", "everybody; anybody can find out that you have these archives"),
)
ABOUT_ROLES: Final = (
    ("later", "only the settings now"),
    ("own", "create a community; this device becomes its control node"),
    ("follow", "fetch and keep the archives of somebody's community"),
)

Answered = Callable[[str], Any]


class Questions:
    """Asks at the terminal; with ``--yes`` it takes the defaults.

    Raises ``typer.BadParameter`` where nobody can be asked.
    """

    def __init__(self, *, is_asking: bool) -> None:
        self._is_asking = is_asking

    @property
    def can_ask(self) -> bool:
        """True when somebody is there to answer."""
        return self._is_asking and sys.stdin.isatty()

    def __call__(self, question: str, flags: str, default: str, answered: Answered) -> Any:
        """The answer as ``answered`` gives it, which raises ``ValueError`` for one that is none."""
        if not self._is_asking:
            return answered(default)
        if not self.can_ask:
            raise typer.BadParameter(f"nobody can be asked here: give {flags}, or --yes")

        def understood(text: str) -> Any:
            try:
                return answered(text.strip())
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None

        return typer.prompt(
            question, default=default, show_default=bool(default), err=True, value_proc=understood
        )

    def one_of(self, question: str, flags: str, choices: Sequence[tuple[str, str]]) -> str:
        """One of the named choices, which are explained first; the first is the default."""
        names = [name for name, _ in choices]

        def answered(text: str) -> str:
            found = [name for name in names if name.startswith(text.lower())]
            if len(found) != 1:
                raise ValueError(f"one of: {', '.join(names)}")
            return found[0]

        if self.can_ask:
            for name, text in choices:
                note(hanging(f"  {name:<9}", text))
        return str(self(question, flags, names[0], answered))


def init(
    context: typer.Context,
    *,
    own: Annotated[str, typer.Option(metavar="NAME", help="Create a community of this name.")] = "",
    follow: Annotated[
        str,
        typer.Option(metavar="ANNOUNCEMENT", help="Follow one: a line, a file with it, an id."),
    ] = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="What you call whom you follow.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take the default of what is not given.")
    ] = False,
    network: Annotated[str | None, flag("network")] = None,
    listen: Annotated[str | None, flag("listen")] = None,
    trackers: Annotated[list[str] | None, flag("trackers")] = None,
    peers: Annotated[list[str] | None, flag("peers")] = None,
    data_dir: DataDir,
) -> None:
    """Set up a node: a few questions, and what to do next.

    Writes the settings file of a data directory, and creates or joins a community if you want one.
    A settings file that is there is kept, unless you say at the terminal that it may go. Where
    nobody can be asked, give --network and --own or --follow, or --yes.
    """
    if own and follow:
        raise typer.BadParameter("one of --own and --follow")
    asking = Questions(is_asking=not yes)
    source = context.get_parameter_source("data_dir")
    if source is not None and source.name == "DEFAULT" and asking.can_ask:
        data_dir = asking("Everything is kept in", "--data-dir", str(data_dir), _whole_path)
    given = {
        "network": [network] if network else [],
        "listen": [listen] if listen else [],
        "trackers": trackers or [],
        "peers": peers or [],
    }
    settings = _settings(asking, data_dir, {name: words for name, words in given.items() if words})
    if not own and not follow:
        own, follow, name = _role(asking)
    if own:
        say(f"{own}: created.")
        say(f"  id     {create_here(data_dir, own)}")
    if follow:
        say(f"{join_here(data_dir, follow, name)}: joined.")
    _say_what_is_next(data_dir, settings, own, is_following=bool(follow))


def _settings(asking: Questions, data_dir: Path, given: Mapping[str, Sequence[str]]) -> Settings:
    """What is in force afterwards: what stands there, or what was written now."""
    from workflow.cli.writing import PRIVATE, write_new  # noqa: PLC0415 - as all here, if needed.
    from workflow.errors import SettingsInvalidError  # noqa: PLC0415

    there = file_of(data_dir).path
    if there is not None and given:
        raise SettingsInvalidError(
            "there are settings already, and nothing was changed",
            place=str(there),
            remedy="Edit the file, or remove it first.",
        )
    if there is not None and not (
        asking.can_ask and typer.confirm(f"{there} is there. Write new settings?", err=True)
    ):
        note(f"The settings in {there} are kept.")
        return read_settings(data_dir)
    words = _asked_for(asking, given)
    written = {name: ABOUTS[name].kind.worded(said) for name, said in words.items()}
    values = {name: _meant(name, words[name]) for name in written}
    Settings(**values).settings()  # It refuses what cannot go together.
    path = made(data_dir) / FILE
    if path.exists():
        path.replace(path.with_suffix(".before"))
        note(f"What stood there is in {path.with_suffix('.before')} now.")
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in written.items()
    ]
    about = "# 'community-archives config' shows what else can be set, and what is in force.\n"
    write_new(path, (about + "".join(lines)).encode(), PRIVATE)
    note(f"The settings are in {path}.")
    return read_settings(data_dir)


def _asked_for(asking: Questions, given: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The words of each setting that is to be written, from flags and answers."""
    words = dict(given)
    if "network" not in words:
        words["network"] = [asking.one_of("Whom does it reach", "--network", ABOUT_NETWORKS)]
    reach = _meant("network", words["network"])
    if reach is Reach.PRIVATE and not {"trackers", "peers"} & words.keys() and asking.can_ask:
        named = asking("Its trackers and peers (URL or HOST:PORT)", "--peer", "", _addresses)
        words |= {name: some for name, some in named.items() if some}
    if reach is not Reach.LOCAL and "listen" not in words:
        port = [USUAL_PORT]
        if asking.can_ask:  # Where nobody is there, the usual port is as good an answer.
            port = [asking("Port for BitTorrent", "--listen", USUAL_PORT, _port)]
        words["listen"] = port
    return words


def _meant(name: str, words: Sequence[str]) -> Any:
    about = ABOUTS[name]
    return checked(name, about, about.kind.worded(words), Origin("flag", about.flag))


def _port(text: str) -> str:
    from workflow.cli.kinds import listening  # noqa: PLC0415 - it is needed here only.

    listening(text)
    return text


def _addresses(text: str) -> dict[str, list[str]]:
    from workflow.errors import ConfigurationError  # noqa: PLC0415 - it loads the tables.

    found: dict[str, list[str]] = {"trackers": [], "peers": []}
    for word in text.split():
        found["trackers" if "://" in word else "peers"].append(word)
    try:
        for name, words in found.items():
            _meant(name, words)
    except ConfigurationError as error:
        raise ValueError(error.message) from None
    return found


def _whole_path(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError("a whole path, from / or ~ on")
    return path


def _role(asking: Questions) -> tuple[str, str, str]:
    """Whom to own, whom to follow, and what to call those."""
    if not asking.can_ask:
        return "", "", ""
    role = asking.one_of("A community", "--own or --follow", ABOUT_ROLES)
    if role == "own":
        return str(asking("Its name", "--own", "", _something)), "", ""
    if role == "follow":
        line = asking("Its announcement (the line, a file with it, or its id)", "--follow", "",
                      _something)  # fmt: skip
        return "", str(line), str(asking("What you call it", "--name", "", _something))
    return "", "", ""


def _something(text: str) -> str:
    if not text:
        raise ValueError("it cannot be empty")
    return text


def _say_what_is_next(data_dir: Path, settings: Settings, own: str, *, is_following: bool) -> None:
    import shlex  # noqa: PLC0415

    say()
    say("Next:")
    if not os.environ.get(DATA_DIR) and data_dir.resolve() != default_data_dir().resolve():
        _say_step(
            f"export {DATA_DIR}={shlex.quote(str(data_dir.absolute()))}",
            "every command finds it then",
        )
    if own:
        name = shlex.quote(own)
        _say_step(
            f"community-archives community export-key {name} --out {name}.key",
            "keep that file off-line: it is the community, and exists only here",
        )
        _say_step(
            f"community-archives import discord EXPORT/ --community {name}",
            "if its history is a Discord export; 'import --help' has more",
        )
    if not own and not is_following:
        _say_step("community-archives community create NAME", "to own a community, or")
        _say_step("community-archives join ANNOUNCEMENT --name NAME", "to follow one")
    if settings.network is not Reach.LOCAL and (port := settings.listen.rpartition(":")[2]) != "0":
        say(hanging("  * ", f"let port {port} through your firewall, TCP and UDP"))
        _say_step("community-archives doctor", "see whether port, trackers and disk are well")
    _say_step("community-archives run", "keep and offer archives until Ctrl-C")
    _say_step("community-archives status", "see where every community stands")


def _say_step(command: str, why: str) -> None:
    say(f"  $ {command}")
    say(hanging("      ", why))
