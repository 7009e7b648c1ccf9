"""Inputs of the greatest size that is read, each made to cost as much as it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from tests.chat.sample_exports import CHANNEL, export, message
from tests.fuzz.seeds import unsigned
from tests.fuzz.targets import ENTRY, FILE_END
from tests.inspection.made_archives import KEY, START, TOPIC, WEEK, made
from tests.waku.samples import segment
from workflow.archive.codec import MAX_CHUNK_WEIGHT, MAX_MESSAGES, archive_head
from workflow.archive.envelope import MAX_MESSAGE_LENGTH
from workflow.archive.index import MAX_ENTRIES, MAX_INDEX_SIZE, IndexEntry
from workflow.archive.magnet import MAX_MAGNET_LENGTH
from workflow.archive.message import ArchivedMessage
from workflow.archive.pieces import MAX_RAW_SIZE, PIECE_LENGTH
from workflow.archive.ratchet import MAX_SEQ_NO, encrypt
from workflow.archive.torrent import MAX_TORRENT_SIZE, Info
from workflow.archive.windows import Window
from workflow.archive.wire import field
from workflow.chat.discord import MAX_ELEMENT_LENGTH, MAX_ELEMENT_MARKS
from workflow.chat.jsonl import MAX_LINE_MARKS
from workflow.chat.readable import MAX_ATTACHMENTS
from workflow.waku.segments import MAX_PARITY_SEGMENTS, MAX_SEGMENTS

MESSAGE: Final = ArchivedMessage(b"", START, TOPIC, b"", b"", b"").encode()
HEAD: Final = archive_head(ENTRY.window, ENTRY.topics)
EXPORT: Final = b'{"channel":{"id":"7"},"messages":['
LINE: Final = b'{"id":"1","channel":"7","time":1,"author":{"name":'


def _index(*entries: IndexEntry) -> bytes:
    return b"".join(field(1, field(1, e.id.encode()) + field(2, e.encode())) for e in entries)


def _entry(number: int, topics: tuple[bytes, ...] = (TOPIC,)) -> IndexEntry:
    window = Window(START, START + WEEK)
    return IndexEntry.at(number * PIECE_LENGTH, window=window, topics=topics, raw_size=9)


def _segments_with_losses() -> bytes:
    """As many lost as there can be parity for, of the longest message."""
    count = MAX_SEGMENTS - MAX_PARITY_SEGMENTS
    part = bytes(8 * 1024 * 1024 // MAX_SEGMENTS)
    parity = [(0, 0, index, MAX_PARITY_SEGMENTS) for index in range(MAX_PARITY_SEGMENTS)]
    data = [(index, count, 0, 0) for index in range(MAX_PARITY_SEGMENTS, count)]
    return b"".join(field(1, segment(bytes(32), each, part)) for each in (*parity, *data))


def _in_index(metadata: bytes) -> bytes:
    return field(1, field(1, b"0x" + b"ab" * 32) + field(2, field(2, metadata)))


BOMBS: Final[dict[str, dict[str, Callable[[], bytes]]]] = {
    "index": {
        "many entries": lambda: _index(*map(_entry, range(MAX_ENTRIES // 4))),
        "empty topics": lambda: _in_index(b"\x22\x00" * (MAX_INDEX_SIZE // 2 - 99)),
        "topics": lambda: _in_index(b"\x22\x04seed" * (MAX_INDEX_SIZE // 6 - 99)),
        "topics of an entry that is right": lambda: _index(
            _entry(0, (TOPIC,) * (MAX_INDEX_SIZE // 6 - 99))
        ),
        "a small entry within": lambda: field(1, b"\x12\x00" * (MAX_INDEX_SIZE // 2 - 99)),
        "unknown fields": lambda: _in_index(b"\x30\x01" * (MAX_INDEX_SIZE // 2 - 99)),
        "groups": lambda: b"\x0b" * MAX_INDEX_SIZE,
        "small fields": lambda: b"\x0a\x00" * (MAX_INDEX_SIZE // 2),
    },
    "archive": {
        "many messages": lambda: HEAD + field(3, MESSAGE) * (MAX_MESSAGES // 8),
        "one long message": lambda: HEAD + field(3, MESSAGE + field(4, bytes(MAX_RAW_SIZE - 999))),
        "fields that come again": lambda: (
            HEAD + field(3, MESSAGE + b"\x22\x00" * (MAX_RAW_SIZE // 2 - 99))
        ),
        "unknown fields": lambda: HEAD + field(3, MESSAGE + b"\x40\x01" * (MAX_RAW_SIZE // 2 - 99)),
        "small fields": lambda: HEAD + b"\x1a\x00" * (MAX_RAW_SIZE // 2 - 99),
        "metadata": lambda: HEAD * (MAX_RAW_SIZE // len(HEAD)),
    },
    "ratchet": {
        "the last number": lambda: encrypt(KEY, MAX_SEQ_NO, bytes(12), "", b"x"),
        "a map of maps": lambda: field(
            101, field(1, b"none") + field(2, field(102, b"\x1a\x00" * (MAX_RAW_SIZE // 2 - 99)))
        ),
        "long": lambda: encrypt(KEY, 1, bytes(12), "", bytes(MAX_RAW_SIZE - 999)),
    },
    "torrent": {
        "lists": lambda: b"l" * MAX_TORRENT_SIZE,
        "items": lambda: b"l" + b"0:" * (MAX_TORRENT_SIZE // 2 - 1) + b"e",
        "keys": lambda: b"d" + b"0:0:" * (MAX_TORRENT_SIZE // 4 - 1) + b"e",
        "a long number": lambda: b"i" + b"9" * (MAX_TORRENT_SIZE - 2) + b"e",
        "a long length": lambda: b"9" * MAX_TORRENT_SIZE,
        "hashes": lambda: Info("talk", 209_000 * PIECE_LENGTH, 1, bytes(20 * 209_001)).encode(),
    },
    "magnet": {
        "names": lambda: b"magnet:?" + b"&" * (MAX_MAGNET_LENGTH - 8),
        "numbers": lambda: b"magnet:?" + b".1" * (MAX_MAGNET_LENGTH // 2 - 4),
        "digits": lambda: b"magnet:?." + b"1" * (MAX_MAGNET_LENGTH - 10) + b"x",
        "escapes": lambda: b"magnet:?" + b"%25" * (MAX_MAGNET_LENGTH // 3 - 4),
    },
    "announcement": {
        "small fields": lambda: field(102, b"\x18\x2b" * (MAX_MESSAGE_LENGTH // 2 - 9)),
        "groups": lambda: field(102, b"\x0b" * (MAX_MESSAGE_LENGTH - 9)),
    },
    "message": {
        "small fields": lambda: b"\x18\x01" * (MAX_CHUNK_WEIGHT // 2),
        "small fields within": lambda: field(102, b"\x18\x01" * (MAX_CHUNK_WEIGHT // 2 - 9)),
        "a long signature": lambda: field(1, bytes(MAX_CHUNK_WEIGHT - 9)),
    },
    "content": {
        "attachments": lambda: unsigned(
            1, field(99, field(1, b"8") + field(8, b"\x28\x01" * 9000) * (MAX_ATTACHMENTS - 1))
        ),
        "small fields of an import": lambda: unsigned(
            1, field(99, b"\x42\x00" * (MAX_CHUNK_WEIGHT // 2 - 999))
        ),
        "imports": lambda: unsigned(1, field(99, b"\x42\x00" * (MAX_ATTACHMENTS - 1)) * 63),
        "an author": lambda: unsigned(
            1, field(99, field(6, b"\x0a\x00" * (MAX_CHUNK_WEIGHT // 2 - 999)))
        ),
        "text": lambda: unsigned(1, field(3, b"x" * (MAX_CHUNK_WEIGHT - 999))),
        "a time of editing": lambda: unsigned(
            1, field(99, field(1, b"8") + field(4, b"9" * 10**6))
        ),
    },
    "discord": {
        "brackets before": lambda: b'{"channel":' + b"[" * MAX_ELEMENT_LENGTH,
        "brackets": lambda: EXPORT + b"[" * MAX_ELEMENT_LENGTH,
        "text before": lambda: b'{"channel":"' + b"x" * MAX_ELEMENT_LENGTH,
        "text": lambda: EXPORT + b'"' + b"x" * (MAX_ELEMENT_LENGTH - 999),
        "escapes": lambda: EXPORT + b'"' + b"\\u0041" * (MAX_ELEMENT_LENGTH // 6 - 999),
        "digits": lambda: EXPORT + b"9" * (MAX_ELEMENT_LENGTH - 999),
        "blanks": lambda: EXPORT + b" " * (MAX_ELEMENT_LENGTH - 999),
        "parts": lambda: EXPORT + b"[" + b"0," * (MAX_ELEMENT_MARKS - 9) + b"0]]}",
        "objects": lambda: EXPORT + b"[" + b"{}," * (MAX_ELEMENT_MARKS // 3 - 9) + b"0]]}",
        "a long name before": lambda: (
            b'{"' + b"k" * 10**6 + b'":{' + b'"":0,' * 100_000 + b'"":0},"messages":[]}'
        ),
        "a long name": lambda: (
            EXPORT + b'{"' + b"k" * 10**6 + b'":{' + b'"":0,' * 100_000 + b'"":0}}]}'
        ),
        "long names": lambda: (
            EXPORT + (b'{"' + b"k" * 10_000 + b'":') * 90 + b'"x"' + b"}" * 90 + b"]}"
        ),
        "messages": lambda: EXPORT + b"0," * 20_000 + b"0]}",
        "attachments": lambda: json.dumps(
            export(message(attachments=[{"url": "photo.png"}] * 5000), channel=CHANNEL)
        ).encode(),
    },
    "jsonl": {
        "brackets": lambda: b"[" * (MAX_LINE_MARKS - 1),
        "objects": lambda: LINE + b"[" + b"{}," * (MAX_LINE_MARKS // 2 - 9) + b"0]}}",
        "names": lambda: LINE + b"{" + b'"":0,' * (MAX_LINE_MARKS - 9) + b'"":0}}}',
        "text": lambda: LINE + b'"' + b"x" * 20_000_000 + b'"}}',
        "escapes": lambda: LINE + b'"' + b"\\u0041" * 3_000_000 + b'"}}',
        "digits": lambda: LINE + b"9" * 20_000_000 + b"}}",
        "a message": lambda: b'{"raw":"' + b"QAFA" * 5_000_000 + b'"}',
        "lines": lambda: b"{}\n" * 20_000,
    },
    "folder": {
        "nothing but folders": lambda: FILE_END * 1000,
        "one archive, many names": lambda: FILE_END.join(
            [made().index or b"", b"", *(a.raw for a in made().archives)]
        ),
    },
    "sealed": {
        "as long as a length can say": lambda: b"\x03\xff\xff\xff" + bytes(0xFF_FFFF),
    },
    "segments": {
        "all that may be lost": _segments_with_losses,
        "the first of many": lambda: b"".join(
            field(1, segment(number.to_bytes(32, "big"), (0, 2, 0, 0), b"a"))
            for number in range(99_999)
        ),
    },
}
