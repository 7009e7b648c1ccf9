"""The settings of every command that takes part in a network, and their flags, told once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.kinds import (
    ADDRESS,
    FOLDER,
    NUMBER,
    PASSED_THROUGH,
    PEERS,
    PUBSUB_TOPICS,
    TRACKERS,
    WAKU_NODES,
    About,
    Origin,
    Reach,
    abouts,
    choice,
    listening,
    setting,
    variable,
)
from workflow.defaults import local_messages, meeting_folder, waku_messages

if TYPE_CHECKING:
    from workflow.adapters.carrier.bittorrent.settings import Settings
    from workflow.ports.clock import Clock
    from workflow.ports.messaging import Messaging


@dataclass(frozen=True, slots=True)
class Networking:
    """What a node is to be told of its networks. ``settle`` is in seconds.

    ``origins`` says of each setting where its value comes from; of what is not named there, it is
    the default.
    """

    network: Reach = setting(
        Reach.LOCAL,
        choice(Reach),
        "local: this machine. private: the trackers and peers that you name."
        " public: status-go's trackers, and DHT.",
        metavar="|".join(Reach),
        flag="--network",
    )
    listen: str = setting(
        "0",
        ADDRESS,
        "Where BitTorrent listens, [HOST:]PORT; 0 is a free port.",
        metavar="[HOST:]PORT",
        flag="--listen",
    )
    trackers: tuple[str, ...] = setting(
        (), TRACKERS, "Trackers that are asked, and named in links.", metavar="URL",
        flag="--tracker",
    )  # fmt: skip
    peers: tuple[str, ...] = setting(
        (), PEERS, "Peers that are asked, too.", metavar="HOST:PORT", flag="--peer"
    )
    waku: tuple[str, ...] = setting(
        (), WAKU_NODES, "REST interfaces of Waku nodes, which carry messages. Without any they go"
        " between the nodes of this machine.", metavar="URL", flag="--waku",
    )  # fmt: skip
    pubsub_topics: tuple[str, ...] = setting(
        (), PUBSUB_TOPICS, "Where to listen on Waku; links are sent on the first one. By default"
        " /waku/2/rs/16/32 and /waku/2/rs/16/64, as Status does.", metavar="TOPIC",
        flag="--pubsub-topic",
    )  # fmt: skip
    libtorrent: Mapping[str, bool | int | str] = setting(
        {}, PASSED_THROUGH, "Any other setting of libtorrent's.", metavar="NAME=VALUE",
        flag="--libtorrent",
    )  # fmt: skip
    meeting: Path | None = setting(
        None, FOLDER, "Where local nodes meet; by default in your user data directory.",
        metavar="DIR", flag="--meeting",
    )  # fmt: skip
    settle: float = setting(
        20.0,
        NUMBER,
        "Wait so many seconds after the last link before following it.",
        metavar="SECONDS",
        flag="--settle",
    )
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> Path:
        """Where local nodes meet."""
        return self.meeting or meeting_folder()

    @property
    def is_asked_for(self) -> bool:
        """True when a flag of this command says something of it."""
        return any(origin.source == "flag" for origin in self.origins.values())

    def messaging(self, clock: Clock) -> Messaging:
        """The network of messages. Raises ``ConfigurationError``."""
        if not self.waku:
            return local_messages(clock, self.folder)
        return waku_messages(clock, self.waku, self.pubsub_topics)

    def settings(self) -> Settings:
        """What the carrier is to be told. Raises ``ConfigurationError``."""
        from workflow.adapters.carrier.bittorrent.settings import (  # noqa: PLC0415 - it loads the tables.
            Network,
            Settings,
        )

        interface, port = listening(self.listen)
        return Settings(
            network=Network(self.network),
            interface=interface,
            port=port,
            trackers=self.trackers,
            peers=self.peers,
            meeting=self.folder,
            libtorrent=self.libtorrent,
        )


ABOUTS: Final[Mapping[str, About]] = abouts(Networking)


def networked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, in place of its parameter ``networking``, one option for each setting.

    What no flag says is read from the environment and from the settings file of its data directory.
    """
    given = inspect.signature(command, eval_str=True)
    options = {
        name: inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[(list[str] if about.kind.is_plural else str) | None, flag(name)],
        )
        for name, about in ABOUTS.items()
    }

    @wraps(command)
    def called(**arguments: Any) -> Any:
        from workflow.cli.settings import read_settings  # noqa: PLC0415 - it is built on this.

        said = {name: arguments.pop(name) for name in options}
        networking = read_settings(
            arguments["data_dir"],
            {
                name: [words] if isinstance(words, str) else list(words)
                for name, words in said.items()
                if words
            },
        )
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


def flag(name: str) -> Any:
    """The flag of a setting; its words are read where those of files and variables are, too."""
    about = ABOUTS[name]
    return typer.Option(
        about.flag,
        metavar=about.metavar,
        help=f"{about.text} [env: {variable(name)}]",
        show_default=False,
    )
