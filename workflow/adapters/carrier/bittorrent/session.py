"""libtorrent's session: its settings, its alerts, and the torrents in it.

Alerts come through a pipe into the event loop, so nothing is polled and nothing runs in a thread of
its own: ten thousand idle torrents cost what libtorrent takes for them.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, cast

import libtorrent as lt
from loguru import logger

from workflow.adapters.carrier.bittorrent.settings import Network, Settings
from workflow.adapters.carrier.threads import Threads
from workflow.archive.torrent import MAX_TORRENT_SIZE
from workflow.errors import CarrierError, ConfigurationError, ListenError

LISTEN_WITHIN: Final = 10.0
"""Seconds within which libtorrent has said on what it listens."""
GOODBYE: Final = 1.0
"""Seconds in which trackers may hear that we go. libtorrent, when it is ended, would stop all of
Python's threads while it waits for them."""
QUEUED: Final = 10_000
"""Alerts that may wait, at least: 8 for each torrent, so that adding many at once loses none."""
QUEUED_PER_TORRENT: Final = 8
NO_EXTENSIONS: Final = 0
MASK: Final = (
    lt.alert_category.error
    | lt.alert_category.storage
    | lt.alert_category.status
    | lt.alert_category.piece_progress
)
ALWAYS: Final[dict[str, Any]] = {
    "alert_mask": MASK,
    "alert_queue_size": QUEUED,
    # A port that is taken is an error, not a reason to listen where nobody looks for us.
    "max_retry_port_bind": 0,
    "listen_system_port_fallback": False,
    # A peer may ask for a call to somebody else (hole punching); at least to no system's service.
    "no_connect_privileged_ports": True,
    # A torrent of which nothing is wanted yet would send its only seed away.
    "close_redundant_connections": False,
    # Several nodes have one address: on one machine, or behind one router.
    "allow_multiple_connections_per_ip": True,
    "max_metadata_size": MAX_TORRENT_SIZE,
    "max_piece_count": MAX_TORRENT_SIZE // 20,
    "enable_lsd": False,
}
OPEN_TO_CHANGE: Final[dict[str, Any]] = {"enable_upnp": False, "enable_natpmp": False}
STAY_HERE: Final[dict[str, Any]] = {"proxy_type": 0, "i2p_hostname": ""}
WITHOUT_DEFAULT: Final = (
    "announce_ip",
    "i2p_hostname",
    "outgoing_interfaces",
    "proxy_hostname",
    "proxy_password",
    "proxy_username",
)
"""Settings of type str that libtorrent leaves out when it lists its defaults."""
ON_LOOPBACK: Final[dict[str, Any]] = {
    # Measured: uTP takes forty times as long here, longer queues and larger buffers are slower.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "aio_threads": 1,
    "max_out_request_queue": 128,
    "send_buffer_watermark": 256 * 1024,
    "recv_socket_buffer_size": 1024 * 1024,
    "send_socket_buffer_size": 1024 * 1024,
}
AMONG_FEW: Final[dict[str, Any]] = {
    # Whoever is not there, or has nothing yet, may be and have it in a moment.
    "min_reconnect_time": 1,
    "unchoke_slots_limit": -1,
}


def session_settings(settings: Settings) -> dict[str, Any]:
    """The settings as libtorrent takes them.

    Raises ``ConfigurationError`` for a passed-through one that libtorrent does not have, has with
    another type, or that is not free to choose.
    """
    is_public = settings.network is Network.PUBLIC
    chosen = ALWAYS | {
        "listen_interfaces": _endpoints(settings),
        "outgoing_interfaces": settings.interface
        or (settings.interfaces[0] if settings.is_on_loopback else ""),
        "enable_dht": is_public,
    }
    if not is_public:
        chosen["dht_bootstrap_nodes"] = ""
    tuned = OPEN_TO_CHANGE | (ON_LOOPBACK if settings.is_on_loopback else {})
    if not is_public:
        tuned |= AMONG_FEW
    if settings.network is Network.LOCAL:
        chosen |= OPEN_TO_CHANGE | STAY_HERE
    known = dict.fromkeys(WITHOUT_DEFAULT, "") | dict(lt.default_settings())
    for name, value in settings.libtorrent.items():
        if name not in known:
            raise ConfigurationError(f"libtorrent has no setting '{name}'")
        if name in chosen:
            raise ConfigurationError(f"libtorrent's '{name}' is not free to choose here")
        if type(value) is not type(known[name]):
            kind = type(known[name]).__name__
            raise ConfigurationError(f"libtorrent's '{name}' is of type {kind}")
    return tuned | dict(settings.libtorrent) | chosen


class Listener(Protocol):
    """Whoever has a torrent in the session."""

    def hear(self, alert: lt.torrent_alert) -> None:
        """Something has happened to the torrent."""

    def look(self) -> None:
        """Alerts were lost: whatever it waits for may have happened."""


class Session:
    """Is open once. All methods are called from the event loop's thread unless they say other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._chosen = session_settings(settings)
        self._threads = Threads()
        self._session: lt.session | None = None
        self._pipe: tuple[int, int] | None = None
        self._listeners: dict[str, Listener] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._listening = asyncio.Event()
        self._refused = ""
        self.port = 0
        self.downloaded = 0

    @property
    def announced_to(self) -> tuple[str, ...]:
        """The trackers that every torrent is announced to."""
        return self._settings.announced_to

    async def open(self) -> None:
        """Begin to listen. Raises ``ListenError`` when the port cannot be had."""
        self.port, self._refused = 0, ""
        self._listening.clear()
        # Nothing else may hold the session: it ends when nobody does.
        self._session = await self._threads.run(self._started)
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._pipe[0], self._drain)
        self._session.set_alert_fd(self._pipe[1])
        self._drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_WITHIN):
                await self._listening.wait()
        if not self.port:
            await self.close()
            words = self._refused or "nothing was heard of it"
            where = _endpoints(self._settings)
            raise ListenError(f"others cannot reach us: {words}", place=where)
        if self._settings.is_on_loopback:
            _send_at_once(self.port)

    async def close(self) -> None:
        """Let go of everything: files, sockets, threads. Nothing happens when it is not open."""
        session, self._session = self._session, None
        if session is None:
            return
        assert self._pipe is not None  # noqa: S101 - the two are opened together.
        if self.announced_to and self._listeners:
            session.pause()
            await asyncio.sleep(GOODBYE)
        session.apply_settings({"stop_tracker_timeout": 0})
        asyncio.get_running_loop().remove_reader(self._pipe[0])
        held = [session]
        del session
        await self._threads.run(held.clear)  # It waits for its disk.
        for descriptor in self._pipe:
            os.close(descriptor)
        for gone in self._gone.values():
            gone.set()

    def add(self, params: lt.add_torrent_params, listener: Listener) -> lt.torrent_handle:
        """Put a torrent into the session. Raises ``CarrierError`` when libtorrent refuses it."""
        session = self._open_session()
        name = str(params.info_hashes.v1)
        params.flags |= lt.torrent_flags.duplicate_is_error
        if self._settings.network is not Network.PUBLIC:
            params.flags |= lt.torrent_flags.disable_dht
        params.flags |= lt.torrent_flags.disable_lsd
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        params.trackers = list(self._settings.announced_to)
        params.tracker_tiers = list(range(len(params.trackers)))
        self._listeners[name] = listener
        self._make_room()
        try:
            return session.add_torrent(params)
        except RuntimeError as error:
            del self._listeners[name]
            raise CarrierError(f"libtorrent refuses the torrent: {error}", place=name) from error

    def drop(self, name: str, handle: lt.torrent_handle) -> None:
        """Take a torrent out; from any thread. Its files may be open for a moment."""
        session = self._session
        self._listeners.pop(name, None)
        if session is not None:
            with suppress(RuntimeError):  # It is out already.
                session.remove_torrent(handle)

    async def remove(self, name: str, handle: lt.torrent_handle) -> None:
        """Take a torrent out; returns when it has let go of its files."""
        if self._session is None:
            return
        gone = self._gone[name] = asyncio.Event()
        self.drop(name, handle)
        while not gone.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await gone.wait()
            if not handle.is_valid():
                break
        self._gone.pop(name, None)

    def _started(self) -> lt.session:
        session = lt.session(cast("lt.settings_pack", self._chosen), flags=NO_EXTENSIONS)
        for name in ("ut_metadata", "smart_ban"):
            session.add_extension(name)
        if self._settings.network is Network.PUBLIC:
            session.add_extension("ut_pex")  # Peers name peers: nobody else is to be called so.
        if self._settings.network is Network.LOCAL:
            session.set_ip_filter(_loopback_only())
        return session

    def _open_session(self) -> lt.session:
        if self._session is None:
            raise CarrierError("the carrier is not open")
        return self._session

    def _make_room(self) -> None:
        """Let the queue of alerts grow with the torrents."""
        needed = QUEUED_PER_TORRENT * len(self._listeners)
        if needed > self._chosen["alert_queue_size"]:
            self._chosen["alert_queue_size"] = 2 * needed
            self._open_session().apply_settings({"alert_queue_size": 2 * needed})

    def _drain(self) -> None:
        assert self._pipe is not None  # noqa: S101 - whoever calls it has opened it.
        with suppress(BlockingIOError):
            os.read(self._pipe[0], 4096)
        if self._session is not None:
            for alert in self._session.pop_alerts():
                with suppress(RuntimeError):  # Its torrent is gone; the others' alerts still count.
                    self._hear(alert)

    def _hear(self, alert: lt.alert) -> None:
        match alert:
            case lt.torrent_removed_alert():
                if (gone := self._gone.get(str(alert.info_hashes.v1))) is not None:
                    gone.set()
            case lt.torrent_alert():
                if (listener := self._listeners.get(_name_of(alert.handle))) is not None:
                    listener.hear(alert)
            case lt.listen_succeeded_alert() | lt.listen_failed_alert():
                self._hear_of_port(alert)
            case lt.alerts_dropped_alert():
                logger.warning("libtorrent had more to tell than could wait")
                for listener in tuple(self._listeners.values()):
                    listener.look()
            case _:
                pass

    def _hear_of_port(self, alert: lt.listen_succeeded_alert | lt.listen_failed_alert) -> None:
        if isinstance(alert, lt.listen_failed_alert):
            self._refused = self._refused or alert.error.message()
            if alert.address == self._settings.interfaces[0]:
                self._listening.set()
        elif alert.socket_type == lt.socket_type_t.tcp and not self.port:
            self.port = alert.port
            self._listening.set()


def _name_of(handle: lt.torrent_handle) -> str:
    return str(handle.info_hashes().v1) if handle.is_valid() else ""


def _endpoints(settings: Settings) -> str:
    hosts = (f"[{one}]" if ":" in one else one for one in settings.interfaces)
    return ",".join(f"{host}:{settings.port}" for host in hosts)


def _loopback_only() -> lt.ip_filter:
    blocked = 1
    filter = lt.ip_filter()
    filter.add_rule("0.0.0.0", "126.255.255.255", blocked)  # noqa: S104 - a range, not a bind.
    filter.add_rule("128.0.0.0", "255.255.255.255", blocked)
    filter.add_rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", blocked)
    filter.add_rule("::1", "::1", 0)
    return filter


def _send_at_once(port: int) -> None:
    """Turn off Nagle's algorithm, for which libtorrent has no setting, where others connect to us.

    It holds back the end of a piece until the beginning was acknowledged, and the other side delays
    that: 40 ms for every small archive. Connections inherit it from the socket that accepts them.
    """
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if not str(link.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(link.name))) as ours:
                is_tcp = ours.family in {socket.AF_INET, socket.AF_INET6}
                is_listening = ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if is_tcp and is_listening and ours.getsockname()[1] == port:
                    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
