"""Programs that other people use for torrents, each with a profile of its own.

Every one is told the same: listen on THEIRS, ask this tracker, use neither the distributed hash
table nor the local network. ``.ci/install-clients`` installs them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from tests.clients.network import THEIR_PORT, THEIRS
from workflow.archive.torrent import Torrent, decode_torrent

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
NODE_MODULES: Final = Path(
    os.environ.get("WEBTORRENT_MODULES")
    or CACHE / "community-archives" / "clients" / "node_modules"
)
ENDS_WITHIN: Final = 20.0
"""Seconds that a program gets to say goodbye."""


class Program(ABC):
    """One program that downloads, or seeds, one torrent in ``downloads``; leaving it ends it."""

    name: ClassVar[str]
    commands: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path, tracker: str) -> None:
        self.profile = folder / "profile"
        self.downloads = folder / "downloads"
        self.profile.mkdir()
        self.downloads.mkdir()
        self.tracker = tracker
        self.environment = {
            "HOME": str(self.profile),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def lacking(cls) -> str:
        """What of it is not installed; '' when it can be used."""
        return ", ".join(one for one in cls.commands if shutil.which(one) is None)

    @abstractmethod
    def command(self, source: str) -> list[str]:
        """Its command line for a .torrent file or magnet link, its profile being written."""

    def start(self, source: str) -> None:
        """Begin with a .torrent file or magnet link."""
        words = self.command(source)
        with (self.profile / "output").open("wb") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.profile,
                env=self.environment,
            )

    @property
    def has_ended(self) -> bool:
        """True when it ended by itself, which none of them should."""
        return self._process is not None and self._process.poll() is not None

    def said(self) -> str:
        """The end of what it printed, for people."""
        return (self.profile / "output").read_bytes()[-3000:].decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class QBittorrent(Program):
    name: ClassVar[str] = "qBittorrent"
    commands: ClassVar[tuple[str, ...]] = ("qbittorrent-nox",)

    def command(self, source: str) -> list[str]:
        config = self.profile / "qBittorrent" / "config" / "qBittorrent.conf"
        config.parent.mkdir(parents=True)
        config.write_text(
            rf"""[LegalNotice]
Accepted=true
[Preferences]
WebUI\Enabled=false
[BitTorrent]
Session\AddTrackersEnabled=true
Session\AdditionalTrackers={self.tracker}
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\Interface=lo
Session\InterfaceName=lo
Session\InterfaceAddress={THEIRS}
Session\Port={THEIR_PORT}
[Network]
PortForwardingEnabled=false
"""
        )
        return [
            "qbittorrent-nox",
            f"--profile={self.profile}",
            f"--save-path={self.downloads}",
            source,
        ]


class Transmission(Program):
    """Over TCP. With uTP it begins a minute later: see docs/clients.md."""

    name: ClassVar[str] = "Transmission"
    commands: ClassVar[tuple[str, ...]] = ("transmission-daemon", "transmission-remote")
    utp: ClassVar[bool] = False
    remote: ClassVar[int] = 9091
    answers_within: ClassVar[float] = 20.0

    def command(self, source: str) -> list[str]:
        settings: dict[str, Any] = {
            "bind-address-ipv4": THEIRS,
            "peer-port": THEIR_PORT,
            "utp-enabled": self.utp,
            "dht-enabled": False,
            "lpd-enabled": False,
            "port-forwarding-enabled": False,
            "download-dir": str(self.downloads),
            "rpc-bind-address": "127.0.0.1",
            "rpc-port": self.remote,
        }
        (self.profile / "settings.json").write_text(json.dumps(settings))
        return ["transmission-daemon", "--foreground", "--config-dir", str(self.profile)]

    def start(self, source: str) -> None:
        super().start(source)
        self._tell("--add", source)
        if not source.startswith("magnet:"):
            self._tell("--torrent", "all", "--tracker-add", self.tracker)

    def _tell(self, *words: str) -> None:
        until = time.monotonic() + self.answers_within
        while True:
            done = subprocess.run(
                ["transmission-remote", f"127.0.0.1:{self.remote}", *words],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if "success" in done.stdout:
                return
            if self.has_ended or time.monotonic() > until:
                raise RuntimeError(f"{done.stdout}{done.stderr}{self.said()}")
            time.sleep(0.05)


class TransmissionByUtp(Transmission):
    """As it is after installation."""

    name: ClassVar[str] = "Transmission by uTP"
    utp: ClassVar[bool] = True


class WebTorrent(Program):
    name: ClassVar[str] = "webtorrent"
    commands: ClassVar[tuple[str, ...]] = ("node",)

    @classmethod
    def lacking(cls) -> str:
        return super().lacking() or ("" if (NODE_MODULES / cls.name).is_dir() else cls.name)

    def command(self, source: str) -> list[str]:
        self.environment["NODE_PATH"] = str(NODE_MODULES)
        script = Path(__file__).with_name("webtorrent.js")
        words = (script, source, self.downloads, self.tracker, THEIR_PORT)
        return ["node", *map(str, words)]


class Aria2(Program):
    name: ClassVar[str] = "aria2"
    commands: ClassVar[tuple[str, ...]] = ("aria2c",)

    def command(self, source: str) -> list[str]:
        return [
            "aria2c",
            "--no-conf",
            f"--dir={self.downloads}",
            f"--interface={THEIRS}",
            f"--listen-port={THEIR_PORT}",
            f"--bt-tracker={self.tracker}",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            "--check-integrity=true",
            "--seed-ratio=0.0",
            source,
        ]


class RTorrent(Program):
    """Loads no .torrent that has no tracker in it while its hash table is off."""

    name: ClassVar[str] = "rtorrent"
    commands: ClassVar[tuple[str, ...]] = ("rtorrent",)

    def command(self, source: str) -> list[str]:
        if not source.startswith("magnet:"):
            info = decode_torrent(Path(source).read_bytes()).info
            with_tracker = self.profile / "with-tracker.torrent"
            with_tracker.write_bytes(Torrent(info, ((self.tracker,),)).encode())
            source = str(with_tracker)
        session = self.profile / "session"
        session.mkdir()
        options = ("system.daemon.set=true", "dht.mode.set=disable", "protocol.pex.set=no")
        return [
            "rtorrent",
            "-n",
            *("-d", str(self.downloads)),
            *("-s", str(session)),
            *("-b", THEIRS),
            *("-p", f"{THEIR_PORT}-{THEIR_PORT}"),
            *(word for option in options for word in ("-o", option)),
            source,
        ]
