"""What is fuzzed: each public entry that strangers' bytes reach, as a function of bytes.

A target lets its entry's documented errors pass, and says whether the input was accepted. What was
accepted must hold what the entry promises; an assertion that fails is a finding like any other
exception.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Final

from google.protobuf.message import DecodeError

from tests.chat.sample_posts import sign_digest
from tests.inspection.made_archives import KEY, START, TOPIC, WEEK
from workflow.archive.announcement import MAX_LOCATOR_LENGTH, open_announcement
from workflow.archive.codec import decode_archive, encode_archive, unpack_archive
from workflow.archive.hashing import keccak256
from workflow.archive.index import TOPIC_LENGTH, IndexEntry, decode_index, encode_index
from workflow.archive.magnet import MAX_MAGNET_LENGTH, MAX_TRACKERS, magnet_uri, parse_magnet
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.application_metadata_message_pb2 import ApplicationMetadataMessage
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchiveIndexMetadata
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import encrypt, is_encrypted, readable
from workflow.archive.torrent import MAX_INDEX_LENGTH, decode_info, decode_torrent
from workflow.archive.windows import Window
from workflow.archive.wire import WireError, field, fields
from workflow.chat.discord import read_export
from workflow.chat.jsonl import MAX_LINE_MARKS, Line, read_lines, write_channel, write_line
from workflow.chat.post import MAX_ID_LENGTH, MAX_TIME_MS, Channel, Post, Problem
from workflow.chat.readable import post_of
from workflow.errors import (
    AnnouncementInvalidError,
    ArchiveInvalidError,
    ArchivesNotFoundError,
    ContentDamagedError,
    IndexInvalidError,
    MagnetInvalidError,
    RatchetKeyMissingError,
    TorrentInvalidError,
)
from workflow.files.found import find_archives
from workflow.sources import LeftHistory
from workflow.waku.chats import Chat
from workflow.waku.payload import decode
from workflow.waku.payload import encrypt as encrypt_payload
from workflow.waku.refusal import Refusal
from workflow.waku.sealing import Opened, Sealed, open_sealed
from workflow.waku.segments import Reassembly

ENTRY: Final = IndexEntry.at(0, window=Window(START, START + WEEK), topics=[TOPIC], raw_size=99)
"""What the index says of every archive that is fuzzed."""

NAMES: Final = (
    *("index", "entries", "archive", "ratchet", "torrent", "magnet", "announcement"),
    *("message", "content", "discord", "jsonl", "folder", "sealed", "segments"),
)
"""The names of all targets."""

FILE_END: Final = b"\0--file--\0"
"""Stands between the files of a folder: index, .torrent, and archives without their padding."""

CHAT: Final = Chat.of("fuzz")
"""The chat that payloads of the network are sealed for."""

_MAX_SIZE = (1 << 63) - 1
_NONCE = b"nonce for it"
_HELD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """``accepts`` is given anything; it raises nothing but ``refusals``."""

    name: str
    accepts: Callable[[bytes], bool]
    refusals: tuple[type[Exception], ...] = ()

    def run(self, data: bytes) -> bool:
        """Whether ``data`` was accepted. Whatever is raised is a finding."""
        try:
            return self.accepts(data)
        except self.refusals as refused:
            refusal = refused
        assert str(refusal)
        str(refusal).encode()  # the words are for a terminal and a log
        return False


def targets(folder: Path) -> dict[str, Target]:
    """Every target by its name. Those that read files put them into ``folder``, which exists."""
    sealed = (ArchiveInvalidError, RatchetKeyMissingError)
    found = (IndexInvalidError, ArchivesNotFoundError, ContentDamagedError, TorrentInvalidError)
    exports = folder / "exports"
    exports.mkdir()
    (exports / "photo.png").write_bytes(b"\x89PNG")
    (exports / "loop").symlink_to("loop")
    (exports / "away").symlink_to("/etc")
    every = (
        Target("index", _index, (IndexInvalidError,)),
        Target("entries", _entries, (IndexInvalidError,)),
        Target("archive", _archive, (ArchiveInvalidError,)),
        Target("ratchet", _ratchet, sealed),
        Target("torrent", _torrent, (TorrentInvalidError,)),
        Target("magnet", _magnet, (MagnetInvalidError,)),
        Target("announcement", _announcement, (AnnouncementInvalidError,)),
        Target("message", _message),
        Target("content", _content),
        Target("discord", lambda data: _discord(data, exports / "talk.json")),
        Target("jsonl", _jsonl),
        Target("folder", lambda data: _folder(data, folder / "found"), (*sealed, *found)),
        Target("sealed", _sealed),
        Target("segments", _segments),
    )
    return {target.name: target for target in every}


def _index(data: bytes) -> bool:
    entries = decode_index(data)
    for entry in entries:
        assert 0 <= entry.start < entry.end < 1 << 63
        assert 0 <= entry.offset < entry.offset + entry.size < 1 << 63
        assert 0 < entry.raw_size <= entry.size
        assert all(len(topic) == TOPIC_LENGTH for topic in entry.topics)
        assert IndexEntry.decode(entry.encode()) == entry
    assert all(one.offset + one.size <= other.offset for one, other in pairwise(entries))
    assert decode_index(encode_index(entries)) == entries
    return True


def _entries(data: bytes) -> bool:
    """The values of an index's map; each gets the id that it claims for itself."""
    index = b""
    try:
        for _, start, end in fields(data, at_most=100):
            parsed = WakuMessageArchiveIndexMetadata.FromString(data[start:end])
            value = IndexEntry.of(parsed).id.encode()
            index += field(1, field(1, value) + field(2, data[start:end]))
    except (WireError, DecodeError):
        return False
    return _index(index)


def _archive(data: bytes) -> bool:
    try:
        messages = decode_archive(data, ENTRY)
    except ArchiveInvalidError:
        try:
            unpack_archive(data, ENTRY)
        except ArchiveInvalidError:
            return False
        raise
    unpacked = unpack_archive(data, ENTRY)
    assert [message.packed() for message in messages] == unpacked
    assert all(ENTRY.start <= message.time < ENTRY.end for message in unpacked)
    assert all(message.topic in ENTRY.topics for message in unpacked)
    if messages:
        again = encode_archive(ENTRY.window, ENTRY.topics, [each.encoded for each in unpacked])
        assert decode_archive(again, ENTRY) == messages
    return True


def _ratchet(data: bytes) -> bool:
    plain = readable(data, [KEY])
    if is_encrypted(data):
        assert readable(encrypt(KEY, 1, bytes(12), "", plain), [KEY]) == plain
    else:
        assert plain == data
    return True


def _torrent(data: bytes) -> bool:
    """A .torrent; and the same bytes as metadata that peers sent."""
    try:
        info = decode_info(data)
    except TorrentInvalidError:
        torrent = decode_torrent(data)
        info = torrent.info
        assert decode_torrent(torrent.encode()) == torrent
        assert data.count(info.encode()) == 1
    else:
        assert info.encode() == data
    assert decode_info(info.encode()) == info
    assert info.info_hash == hashlib.sha1(info.encode(), usedforsecurity=False).hexdigest()
    assert info.index_length <= MAX_INDEX_LENGTH
    assert info.name.isprintable()
    return True


def _magnet(data: bytes) -> bool:
    magnet = parse_magnet(data.decode("latin-1"))
    assert len(magnet.info_hash) == 40
    assert int(magnet.info_hash, 16) > 0
    assert len(magnet.trackers) <= MAX_TRACKERS
    assert "".join((magnet.name, *magnet.trackers)).isprintable()
    try:
        link = magnet_uri(magnet.info_hash, magnet.name, magnet.trackers)
    except MagnetInvalidError:  # written with escapes it may be too long
        assert 3 * len(data) > MAX_MAGNET_LENGTH
    else:
        assert parse_magnet(link) == magnet
    return True


def _announcement(data: bytes) -> bool:
    opened = open_announcement(data)
    assert open_announcement(opened.message) == opened
    assert len(opened.signer) == 33
    assert 0 <= opened.announcement.clock < 1 << 63
    assert 0 < len(opened.announcement.locator.encode()) <= MAX_LOCATOR_LENGTH
    assert opened.message in data
    return True


def _message(payload: bytes) -> bool:
    """The payload of an archived message."""
    message = ArchivedMessage(b"", START, TOPIC, payload, b"", b"", "0x00")
    post = post_of(message)
    if not isinstance(post, Post):
        return False
    _check_post(post)
    if 0 < len(post.channel) <= MAX_ID_LENGTH:
        (line,) = _read_again(Line(post, message))
        assert line == Line(_without_payloads(post), message)
    return True


def _content(data: bytes) -> bool:
    """An envelope without its signature: the community signs what is in it."""
    try:
        payload = ApplicationMetadataMessage.FromString(data).payload
    except DecodeError:
        return False
    return _message(field(1, sign_digest(keccak256(payload))) + data)


def _discord(data: bytes, file: Path) -> bool:
    file.write_bytes(data)
    found = list(read_export(file))
    _check_problems(found)
    posts = [each for each in found if isinstance(each, Post)]
    channels = [each for each in found if isinstance(each, Channel)]
    assert found, "an export says something, if only that it is none"
    assert len(channels) <= 1
    if channels:
        assert found[0] == channels[0]
        assert list(_read_again(channels[0])) == channels
    for post in posts:
        assert post.channel == channels[0].id
        _check_post(post)
        assert list(_read_again(Line(post))) == [Line(post)]
    return len(found) == len(channels) + len(posts)


def _jsonl(data: bytes) -> bool:
    found = list(read_lines(BytesIO(data), "chat.jsonl"))
    assert len(found) == sum(1 for line in data.split(b"\n") if line.strip())
    _check_problems(found)
    for each in found:
        if isinstance(each, Channel):
            assert list(_read_again(each)) == [each]
        elif isinstance(each, Line):
            assert each.post or each.message
            if each.post:
                _check_post(each.post)
            post = _without_payloads(each.post) if each.post and each.message else each.post
            assert list(_read_again(Line(post, each.message))) == [Line(post, each.message)]
    return not any(isinstance(each, Problem) for each in found)


def _folder(data: bytes, root: Path) -> bool:
    """A folder that somebody left: see ``FILE_END``."""
    index, torrent, *archives = (*data.split(FILE_END, 9), b"", b"")
    root.mkdir()
    try:
        (root / "index").write_bytes(index)
        (root / "found.torrent").write_bytes(torrent)
        padding = (bytes(-len(archive) % PIECE_LENGTH) for archive in archives)
        (root / "data").write_bytes(
            b"".join(part for each in zip(archives, padding, strict=True) for part in each)
        )
        with suppress(TorrentInvalidError, ArchiveInvalidError, ArchivesNotFoundError):
            assert find_archives(root / "found.torrent").info() is not None
        history = LeftHistory(root, [KEY])
        times = [message.timestamp for message in history.messages()]
        assert times == sorted(times)
        return not history.problems
    finally:
        rmtree(root)


def _sealed(data: bytes) -> bool:
    """What is under a chat's encryption: whoever knows the chat's name can put anything there."""
    payload = encrypt_payload(CHAT.key, data, lambda _: _NONCE)
    message = Sealed(CHAT.content_topic, 1, payload).stamped(1)
    decoded, opened = decode(data), open_sealed(message, [CHAT])
    unencrypted = open_sealed(Sealed(CHAT.content_topic, 1, data).stamped(1), [CHAT])
    assert isinstance(unencrypted, Refusal)
    if isinstance(decoded, Refusal):
        assert opened is decoded
        return False
    signature = 0 if decoded.sender is None else 65
    width = data[0] & 3
    assert 1 + width + len(decoded.data) + len(decoded.padding) + signature == len(data)
    assert data[1 + width :].startswith(decoded.data + decoded.padding)
    if decoded.sender is None:
        assert opened is Refusal.UNSIGNED
    else:
        assert opened == Opened(CHAT, decoded.sender, decoded.data, decoded.padding)
        assert len(decoded.sender) == 65
    return True


def _segments(data: bytes) -> bool:
    """Payloads of one sender, one after the other, as fields; accepted when any of them passes."""
    passed = 0
    large, small = Reassembly(), Reassembly(max_length=_HELD // 2, max_held=_HELD)
    try:
        for time, (_, start, end) in enumerate(fields(data, at_most=100_000)):
            payload = data[start:end]
            for reassembly in (large, small):
                taken = reassembly.take(b"", payload, time)
                if isinstance(taken, bytes):
                    assert taken == payload or keccak256(taken) in data
                    passed += 1
            assert 0 <= small.held <= _HELD
    except WireError:
        return False
    return passed > 0


def _check_post(post: Post) -> None:
    assert 0 < len(post.id) <= MAX_ID_LENGTH
    assert 0 <= post.time_ms <= MAX_TIME_MS
    assert post.edited_ms is None or 0 <= post.edited_ms <= MAX_TIME_MS
    for each in post.attachments:
        assert type(each.size) is int
        assert 0 <= each.size <= _MAX_SIZE
        assert each.payload != b""
    repr(post).encode()


def _check_problems(found: list[Channel | Post | Problem] | list[Channel | Line | Problem]) -> None:
    for each in found:
        if isinstance(each, Problem):
            assert "\n" not in each.what
            assert len(str(each)) < 1000
            str(each).encode()


def _read_again(each: Channel | Line) -> list[Channel | Line | Problem]:
    stream = BytesIO()
    if isinstance(each, Channel):
        write_channel(stream, each)
    else:
        write_line(stream, each)
    if sum(map(stream.getvalue().count, (b"[", b"{", b","))) > MAX_LINE_MARKS:
        return [each]  # a line of so many is not read, even where they stand in its words
    stream.seek(0)
    return list(read_lines(stream, "again.jsonl"))


def _without_payloads(post: Post) -> Post:
    return replace(
        post, attachments=tuple(replace(each, payload=None) for each in post.attachments)
    )
