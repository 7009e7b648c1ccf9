"""The options of every command that takes part in a network, told once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from workflow.defaults import meeting_folder

if TYPE_CHECKING:
    from workflow.adapters.carrier.bittorrent.settings import Settings


class Reach(StrEnum):
    """The carrier's networks, by name: help is shown without loading a carrier."""

    LOCAL = "local"
    PRIVATE = "private"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Networking:
    """What a node is to be told of its networks. ``settle`` is in seconds."""

    network: Annotated[
        Reach,
        typer.Option(
            envvar="COMMUNITY_ARCHIVES_NETWORK",
            help="local: this machine. private: the trackers and peers that you name."
            " public: status-go's trackers, and DHT.",
        ),
    ] = Reach.LOCAL
    listen: Annotated[
        str,
        typer.Option(
            metavar="[HOST:]PORT",
            envvar="COMMUNITY_ARCHIVES_LISTEN",
            help="Where BitTorrent listens; 0 is a free port.",
        ),
    ] = "0"
    tracker: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", envvar="COMMUNITY_ARCHIVES_TRACKERS", help="Ask this tracker."),
    ] = None
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", envvar="COMMUNITY_ARCHIVES_PEERS", help="Ask this peer, too."
        ),
    ] = None
    libtorrent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            envvar="COMMUNITY_ARCHIVES_LIBTORRENT",
            help="Any other setting of libtorrent's.",
        ),
    ] = None
    meeting: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="COMMUNITY_ARCHIVES_MEETING",
            help="Where local nodes meet.",
            show_default="in your user data directory",
        ),
    ] = None
    settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            envvar="COMMUNITY_ARCHIVES_SETTLE",
            help="Wait so long after the last link before following it.",
        ),
    ] = 20.0

    @property
    def folder(self) -> Path:
        """Where local nodes meet."""
        return self.meeting or meeting_folder()

    def settings(self) -> Settings:
        """What the carrier is to be told. Raises ``ConfigurationError``."""
        from workflow.adapters.carrier.bittorrent.settings import (  # noqa: PLC0415 - it loads the tables.
            Network,
            Settings,
        )

        interface, port = self._listen()
        return Settings(
            network=Network(self.network),
            interface=interface,
            port=port,
            trackers=tuple(self.tracker or ()),
            peers=tuple(self.peer or ()),
            meeting=self.folder,
            libtorrent=dict(map(_setting, self.libtorrent or ())),
        )

    def _listen(self) -> tuple[str, int]:
        from workflow.errors import ConfigurationError  # noqa: PLC0415 - it loads the tables.

        interface, _, port = self.listen.rpartition(":")
        if not (port.isascii() and port.isdecimal()):
            raise ConfigurationError(
                "where to listen is a port, or an address and a port", place=self.listen
            )
        return interface.removeprefix("[").removesuffix("]"), int(port)


def _setting(text: str) -> tuple[str, bool | int | str]:
    """``name=value``; what looks like a truth or a number is one."""
    name, _, value = text.partition("=")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, int(value)
    except ValueError:
        return name, value


def networked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, in place of its parameter ``networking``, one option for each field."""
    given = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Networking, include_extras=True)
    options = {
        one.name: inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in fields(Networking)
    }

    @wraps(command)
    def called(**arguments: Any) -> Any:
        networking = Networking(**{name: arguments.pop(name) for name in options})
        return command(networking=networking, **arguments)

    kept = [one for name, one in given.parameters.items() if name != "networking"]
    called.__signature__ = given.replace(  # type: ignore[attr-defined]
        parameters=[
            *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in kept),
            *options.values(),
        ]
    )
    called.__annotations__ = {
        name: one.annotation for name, one in inspect.signature(called).parameters.items()
    }
    return called
