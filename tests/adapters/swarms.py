"""Nodes, strangers and recorders on loopback, for the tests of the BitTorrent carrier."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.archive.bencode import Caps, Value, decode, encode
from workflow.archive.torrent import Info, decode_torrent
from workflow.files.torrents import seal_generation
from workflow.ports.carrier import Content, Range

PIECE: Final = 100 * 1024
CAPS: Final = Caps(length=1 << 20, depth=16, items=10_000)
COMMUNITY: Final = "0x02c0ffee"


def bytes_of(number_of_pieces: int, seed: str = "history") -> bytes:
    """Whole pieces that look random and are the same each time."""
    blocks = range(number_of_pieces * PIECE // 64)
    return b"".join(hashlib.sha512(f"{seed}{number}".encode()).digest() for number in blocks)


def content_in(folder: Path, number_of_pieces: int = 4, generation: int = 1) -> Content:
    folder.mkdir(exist_ok=True, mode=0o700)
    return Content(
        COMMUNITY,
        folder / "data",
        number_of_pieces * PIECE,
        folder / f"index.{generation}",
        folder / f"{generation}.torrent",
    )


def sealed(
    folder: Path, number_of_pieces: int = 4, generation: int = 1, seed: str = "history"
) -> Content:
    """A generation as a control node has it: what is there already stays."""
    content = content_in(folder, number_of_pieces, generation)
    whole = bytes_of(number_of_pieces, seed)
    there = content.data.stat().st_size if content.data.exists() else 0
    with content.data.open("ab") as file:
        file.write(whole[there:])
    content.index.write_bytes(f"index {generation} ".encode() * 500)
    seal_generation(content)
    return content


def ranges_of(content: Content, pieces_each: int = 1) -> list[Range]:
    size = pieces_each * PIECE
    return [
        Range(f"archive {offset // size}", offset, size)
        for offset in range(0, content.data_length, size)
    ]


def damage(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


def open_below(folder: Path) -> list[str]:
    """The files below a folder that this process has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = str(link.readlink())
            if target.startswith(str(folder)):
                found.append(target)
    return found


def threads() -> int:
    """Threads of this process that are not Python's own, as libtorrent's are."""
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()


class World:
    """Nodes that meet in one folder; those that a test leaves open are closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self._nodes: list[BitTorrentCarrier] = []

    async def node(self, **settings: Any) -> BitTorrentCarrier:
        told: dict[str, Any] = {
            "meeting": self.folder / "meeting",
            "metadata_patience": 20.0,
            "patience": 20.0,
        }
        scratch = self.folder / f"scratch{len(self._nodes)}"
        node = BitTorrentCarrier(Settings(**(told | settings)), scratch)
        self._nodes.append(node)
        await node.open(self.heard.append)
        return node

    async def seeder(
        self, name: str = "seeder", number_of_pieces: int = 4
    ) -> tuple[BitTorrentCarrier, Content, str]:
        node = await self.node()
        content = sealed(self.folder / name, number_of_pieces)
        return node, content, await node.publish(content)

    async def close(self) -> None:
        for node in self._nodes:
            await node.close()


async def fetched(
    node: BitTorrentCarrier, locator: str, content: Content, ranges: Sequence[Range] | None = None
) -> list[str]:
    wanted = ranges_of(content) if ranges is None else ranges
    return [archive async for archive in node.fetch(locator, content, wanted)]


async def collect(into: list[str], archives: AsyncIterator[str]) -> None:
    """Keep what came before it failed."""
    async for archive in archives:
        into.append(archive)  # noqa: PERF401 - what came before a failure counts.


async def eventually(is_true: Callable[[], bool], within: float = 20.0) -> None:
    """Look until it is so."""
    async with asyncio.timeout(within):
        while not is_true():  # noqa: ASYNC110 - whatever it is, it has no event.
            await asyncio.sleep(0.01)


# --------------------------------------------------------------------------------------- strangers


class Stranger:
    """A peer written by hand: it sends the metadata and pieces that it is given, right or wrong.

    ``infos`` may be given more metadata, by info-hash. ``piece`` gives the bytes of one of
    ``pieces`` pieces, or None for one that it has not; with ``boasts`` it says that it has them
    all. To who will listen it names ``gossip``, a port on loopback, as somebody else who has it.
    """

    def __init__(
        self,
        info: bytes,
        piece: Callable[[int], bytes | None] = lambda _: None,
        pieces: int = 0,
        *,
        boasts: bool = False,
    ) -> None:
        self._boasts = boasts
        self.name = hashlib.sha1(info, usedforsecurity=False).hexdigest()
        self.infos = {self.name: info}
        self.sent = 0
        self.asked = 0
        self.gossip = 0
        self.speaks: dict[str, int] = {}
        self._piece = piece
        self._pieces = pieces
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def locator(self) -> str:
        return f"magnet:?xt=urn:btih:{self.name}"

    def add(self, info: bytes) -> str:
        """More metadata to send; returns its info-hash."""
        name = hashlib.sha1(info, usedforsecurity=False).hexdigest()
        self.infos[name] = info
        return name

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.readexactly(68)
        info = self.infos.get(hello[28:48].hex())
        if info is None:
            return
        self.asked += 1
        reserved = bytes([0, 0, 0, 0, 0, 0x10, 0, 0])
        me = hashlib.sha1(os.urandom(8), usedforsecurity=False).digest()
        writer.write(hello[:20] + reserved + hello[28:48] + me)
        if self._pieces:
            has = [self._boasts or self._piece(n) is not None for n in range(self._pieces)]
            bits = bytearray((len(has) + 7) // 8)
            for number, is_here in enumerate(has):
                bits[number // 8] |= is_here << (7 - number % 8)
            writer.write(_message(5, bytes(bits)))
        offer: Value = {b"m": {b"ut_metadata": 1}, b"metadata_size": len(info)}
        writer.write(_message(20, b"\0" + encode(offer)) + _message(1))
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            message = await reader.readexactly(length)
            match message[:1]:
                case b"\x14" if message[1] == 0:
                    self._greet(message[2:], writer)
                case b"\x14" if message[1] == 1:
                    self._send_metadata(info, message[2:], writer)
                case b"\x06":
                    self._send_block(message[1:13], writer)
                case _:
                    pass
            await writer.drain()

    def _greet(self, message: bytes, writer: asyncio.StreamWriter) -> None:
        told = decode(message, CAPS)
        assert isinstance(told, dict)
        speaks = told[b"m"]
        assert isinstance(speaks, dict)
        self.speaks = {name.decode(): id for name, id in speaks.items() if isinstance(id, int)}
        if self.gossip and "ut_pex" in self.speaks:
            added = bytes([127, 0, 0, 1]) + struct.pack(">H", self.gossip)
            named: Value = {b"added": added, b"added.f": b"\x02"}
            writer.write(_message(20, bytes([self.speaks["ut_pex"]]) + encode(named)))
        if self.gossip and "ut_holepunch" in self.speaks:
            connect = struct.pack(">BB4sHI", 1, 0, bytes([127, 0, 0, 1]), self.gossip, 0)
            writer.write(_message(20, bytes([self.speaks["ut_holepunch"]]) + connect))

    def _send_metadata(self, info: bytes, message: bytes, writer: asyncio.StreamWriter) -> None:
        asked = decode(message, CAPS)
        assert isinstance(asked, dict)
        number = asked[b"piece"]
        assert isinstance(number, int)
        if asked[b"msg_type"] == 0:
            part = info[number * 16384 :][:16384]
            head: Value = {b"msg_type": 1, b"piece": number, b"total_size": len(info)}
            id = bytes([self.speaks["ut_metadata"]])
            writer.write(_message(20, id + encode(head) + part))

    def _send_block(self, message: bytes, writer: asyncio.StreamWriter) -> None:
        number, begin, size = struct.unpack(">III", message)
        piece = self._piece(number)
        if piece is not None:
            block = piece[begin : begin + size]
            writer.write(_message(7, struct.pack(">II", number, begin) + block))
            self.sent += len(block)


def _message(id: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IB", len(payload) + 1, id) + payload


def info_of(content: Content) -> Info:
    return decode_torrent(content.torrent.read_bytes()).info


def stranger(content: Content, first: int = 0, behind: int | None = None) -> Stranger:
    """A peer that has the pieces from ``first`` to ``behind`` of a generation, index and all."""
    info = info_of(content)
    whole = content.data.read_bytes()[: content.data_length] + content.index.read_bytes()
    end = info.index_pieces.stop if behind is None else behind

    def piece(number: int) -> bytes | None:
        return whole[number * PIECE :][:PIECE] if first <= number < end else None

    return Stranger(info.encode(), piece, info.index_pieces.stop)


class Recorder:
    """Listens on TCP and UDP on loopback and counts whoever comes, however little they say."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.port = 0

    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append("tcp")
        writer.close()


@asynccontextmanager
async def recorder() -> AsyncIterator[Recorder]:
    """One that is closed again."""
    found = Recorder()

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            found.visits.append("udp")

    server = await asyncio.start_server(found._visited, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", found.port)
    )
    try:
        yield found
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
