"""Torrents of generations. The recorded one was made by status-go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.vectors_history import BOTH_WEEKS, COMMUNITY, OWNER, START
from workflow.archive import torrent as torrent_module
from workflow.archive.bencode import Value, encode
from workflow.archive.index import IndexEntry
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.torrent import (
    MAX_INDEX_LENGTH,
    MAX_TORRENT_SIZE,
    Info,
    PieceHasher,
    Torrent,
    decode_info,
    decode_torrent,
    piece_hashes,
)
from workflow.errors import IndexInvalidError, TorrentInvalidError

TRACKERS = (
    ("udp://tracker.opentrackr.org:1337/announce",),
    ("udp://tracker.openbittorrent.com:6969/announce",),
)
HASHES = bytes.fromhex(
    "4fef84e41270310622817ab2233867dc193bdb3c0d66489cfe2929403b8f195913f221a907f6e9b3766ab5b0"
    "9cf883885d6a59b764985026892f9819"
)
INFO = Info(COMMUNITY, data_length=204800, index_length=216, pieces=HASHES)
RECORDED_INFO = (
    b"d5:filesld6:lengthi204800e4:pathl4:dataeed6:lengthi216e4:pathl5:indexeee"
    b"4:name68:" + COMMUNITY.encode() + b"12:piece lengthi102400e6:pieces60:" + HASHES + b"e"
)
RECORDED = (
    b"d13:announce-listll42:udp://tracker.opentrackr.org:1337/announceel"
    b"46:udp://tracker.openbittorrent.com:6969/announceee"
    b"10:created by132:" + OWNER.encode() + b"13:creation datei1704067200e"
    b"4:info" + RECORDED_INFO + b"e"
)
FOREIGN_TORRENTS = Path(__file__).parents[3] / "shared" / "data" / "torrents"

sha1 = partial(hashlib.sha1, usedforsecurity=False)


class TestRecorded:
    def test_the_info_is_the_reference_s(self) -> None:
        assert INFO.encode() == RECORDED_INFO
        assert INFO.info_hash == BOTH_WEEKS.info_hash
        assert decode_info(RECORDED_INFO) == INFO

    def test_the_torrent_is_the_reference_s(self) -> None:
        torrent = Torrent(INFO, TRACKERS, OWNER, START)
        assert torrent.encode() == RECORDED
        assert hashlib.sha256(RECORDED).hexdigest() == BOTH_WEEKS.torrent
        assert decode_torrent(RECORDED) == torrent

    def test_what_is_unknown_is_left_out(self) -> None:
        assert Torrent(INFO).encode() == b"d4:info" + RECORDED_INFO + b"e"
        assert decode_torrent(Torrent(INFO).encode()) == Torrent(INFO)


class TestPieces:
    def test_data_comes_first_and_the_index_on_a_piece_of_its_own(self) -> None:
        assert INFO.data_pieces == range(2)
        assert INFO.index_pieces == range(2, 3)
        assert info_of(1, PIECE_LENGTH).index_pieces == range(1, 2)
        assert info_of(1, PIECE_LENGTH + 1).index_pieces == range(1, 3)

    def test_an_archive_is_a_range_of_pieces(self) -> None:
        assert info_of(4, 1).pieces_of(entry_at(102400, 307200)) == range(1, 4)

    @pytest.mark.parametrize(("offset", "size"), [(102400, 204800), (1, 102400), (0, 102401)])
    def test_an_archive_outside_of_them_is_refused(self, offset: int, size: int) -> None:
        entry = entry_at(offset, size)
        with pytest.raises(IndexInvalidError, match="not on pieces") as caught:
            INFO.pieces_of(entry)
        assert caught.value.place == entry.id

    @given(
        st.binary(max_size=40).map(lambda seed: seed * 10_000),
        st.lists(st.integers(0, 150_000), max_size=6),
    )
    def test_they_are_hashed_in_slices_of_any_length(self, data: bytes, cuts: list[int]) -> None:
        hasher = PieceHasher()
        begin = 0
        for end in (*sorted(cuts), len(data)):
            hasher.update(memoryview(data)[begin:end])
            begin = max(begin, min(end, len(data)))
        pieces = [data[at : at + PIECE_LENGTH] for at in range(0, len(data), PIECE_LENGTH)]
        expected = b"".join(sha1(piece).digest() for piece in pieces)
        assert hasher.hashes() == piece_hashes(data) == expected

    def test_hashing_goes_on_after_a_look(self) -> None:
        hasher = PieceHasher()
        hasher.update(b"a")
        assert hasher.hashes() == piece_hashes(b"a")
        hasher.update(bytearray(b"b"))
        assert hasher.hashes() == piece_hashes(b"ab")


def info_of(data_pieces: int, index_length: int) -> Info:
    count = data_pieces + -(-index_length // PIECE_LENGTH)
    return Info(COMMUNITY, data_pieces * PIECE_LENGTH, index_length, b"\x01" * 20 * count)


def entry_at(offset: int, size: int) -> IndexEntry:
    return IndexEntry(START, START + 1, (), offset, size, 0)


# Every way in which an info may differ from ours. A change is made to a fresh value of INFO.
Change = Callable[[dict[bytes, Any]], object]
FILES: dict[str, Change] = {
    "no files": lambda info: info.pop(b"files"),
    "a single file": lambda info: (info.pop(b"files"), info.update({b"length": 204800})),
    "files that are no list": lambda info: info.update({b"files": {}}),
    "an empty list of files": lambda info: info.update({b"files": []}),
    "data only": lambda info: info[b"files"].pop(),
    "a third file": lambda info: info[b"files"].append({b"length": 0, b"path": [b"more"]}),
    "index first": lambda info: info[b"files"].reverse(),
    "data twice": lambda info: info[b"files"][1].update({b"path": [b"data"]}),
    "another case": lambda info: info[b"files"][0].update({b"path": [b"Data"]}),
    "a folder": lambda info: info[b"files"][0].update({b"path": [b"folder", b"data"]}),
    "a way up": lambda info: info[b"files"][0].update({b"path": [b"..", b"data"]}),
    "a path in one piece": lambda info: info[b"files"][0].update({b"path": [b"/etc/data"]}),
    "an empty path": lambda info: info[b"files"][0].update({b"path": []}),
    "a path that is no list": lambda info: info[b"files"][0].update({b"path": b"data"}),
    "a path of a number": lambda info: info[b"files"][0].update({b"path": [1]}),
    "no path": lambda info: info[b"files"][0].pop(b"path"),
    "no length": lambda info: info[b"files"][0].pop(b"length"),
    "a file that is no dictionary": lambda info: info.update({b"files": [b"data", b"index"]}),
    "a link": lambda info: info[b"files"][1].update({b"attr": b"l", b"symlink path": [b"data"]}),
    "padding": lambda info: info[b"files"][0].update({b"attr": b"p"}),
    "an executable": lambda info: info[b"files"][0].update({b"attr": b"x"}),
    "a checksum": lambda info: info[b"files"][0].update({b"md5sum": b"0" * 32}),
    "a second path": lambda info: info[b"files"][0].update({b"path.utf-8": [b"other"]}),
    "a length in text": lambda info: info[b"files"][0].update({b"length": b"204800"}),
    "a negative length": lambda info: info[b"files"][0].update({b"length": -102400}),
    "an empty data": lambda info: info[b"files"][0].update({b"length": 0}),
    "data between pieces": lambda info: info[b"files"][0].update({b"length": 204801}),
    "an enormous data": lambda info: info[b"files"][0].update({b"length": 102400 * 10**13}),
    "an empty index": lambda info: info[b"files"][1].update({b"length": 0}),
    "a negative index": lambda info: info[b"files"][1].update({b"length": -1}),
    "an enormous index": lambda info: info[b"files"][1].update({b"length": MAX_INDEX_LENGTH + 1}),
}
REST: dict[str, Change] = {
    "no name": lambda info: info.pop(b"name"),
    "an empty name": lambda info: info.update({b"name": b""}),
    "a long name": lambda info: info.update({b"name": b"n" * 256}),
    "a name that is no text": lambda info: info.update({b"name": b"\xff"}),
    "a name that is a number": lambda info: info.update({b"name": 1}),
    "a name with a zero byte": lambda info: info.update({b"name": b"a\x00b"}),
    "a name that turns around": lambda info: info.update({b"name": "a\u202eb".encode()}),
    "no piece length": lambda info: info.pop(b"piece length"),
    "pieces of 128 KiB": lambda info: info.update({b"piece length": 131072}),
    "pieces of nothing": lambda info: info.update({b"piece length": 0}),
    "a piece length in text": lambda info: info.update({b"piece length": b"102400"}),
    "no pieces": lambda info: info.pop(b"pieces"),
    "pieces that are a list": lambda info: info.update({b"pieces": []}),
    "a hash too few": lambda info: info.update({b"pieces": HASHES[:-20]}),
    "a hash too many": lambda info: info.update({b"pieces": HASHES + bytes(20)}),
    "half a hash": lambda info: info.update({b"pieces": HASHES[:-10]}),
    "private": lambda info: info.update({b"private": 1}),
    "a source": lambda info: info.update({b"source": b"somewhere"}),
    "a length beside the files": lambda info: info.update({b"length": 1}),
    "version 2": lambda info: info.update({b"meta version": 2, b"file tree": {}}),
    "a root hash": lambda info: info.update({b"root hash": bytes(20)}),
    "another name": lambda info: info.update({b"name.utf-8": b"other"}),
}


def info_value() -> dict[bytes, Any]:
    return {
        b"files": [
            {b"length": 204800, b"path": [b"data"]},
            {b"length": 216, b"path": [b"index"]},
        ],
        b"name": COMMUNITY.encode(),
        b"piece length": 102400,
        b"pieces": HASHES,
    }


class TestReadingBelievesNothing:
    @pytest.mark.parametrize("violation", [*FILES, *REST])
    def test_an_info_of_another_form(self, violation: str) -> None:
        info = info_value()
        assert encode(info) == RECORDED_INFO
        (FILES | REST)[violation](info)
        with pytest.raises(TorrentInvalidError):
            decode_info(encode(info))
        with pytest.raises(TorrentInvalidError):
            decode_torrent(encode({b"info": info}))

    @pytest.mark.parametrize("name", ["..", "/etc/passwd", "a/b", "a\\b", "C:", "n" * 255, "é"])
    def test_a_name_is_no_path_so_it_may_look_like_one(self, name: str) -> None:
        info = info_value() | {b"name": name.encode()}
        assert decode_info(encode(info)).name == name

    @pytest.mark.parametrize(
        ("fields", "complaint"),
        [
            ({b"info": []}, "the info is not a dictionary"),
            ({b"info": None}, "the info is not a dictionary"),
            ({b"announce-list": b"udp://a"}, "announce-list is not a list"),
            ({b"announce-list": [b"udp://a"]}, "tier of trackers is not a list"),
            ({b"announce-list": [[1]]}, "a tracker is not a string"),
            ({b"announce-list": [[b"\xff"]]}, "a tracker is not text"),
            ({b"announce-list": [[b"\x1b[2J"]]}, "a tracker has characters"),
            ({b"created by": 1}, "the creator is not a string"),
            ({b"created by": b"\x00"}, "the creator has characters"),
            ({b"creation date": b"today"}, "the creation date is not a number"),
            ({b"comment": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}, "nested deeper"),
            ({b"nodes": [0] * 10_000}, "more than 10000 values"),
            ({b"comment": b" " * MAX_TORRENT_SIZE}, "longer than 4194304"),
        ],
    )
    def test_a_torrent_of_another_form(
        self, fields: dict[bytes, Value | None], complaint: str
    ) -> None:
        whole = {b"info": info_value()} | fields
        given_fields = {key: value for key, value in whole.items() if value is not None}
        with pytest.raises(TorrentInvalidError, match=complaint):
            decode_torrent(encode(given_fields))

    @pytest.mark.parametrize("data", [b"", b"de", b"i1e", b"le", RECORDED[:-1], RECORDED + b"\n"])
    def test_bytes_that_are_no_torrent(self, data: bytes) -> None:
        with pytest.raises(TorrentInvalidError):
            decode_torrent(data)

    def test_what_stands_beside_the_info_is_ignored(self) -> None:
        fields: dict[bytes, Value] = {
            b"info": info_value(),
            b"announce": b"http://127.0.0.1/announce",
            b"announce-list": [[b"udp://a", b"udp://b"], []],
            b"comment": b"\xff\x00",
            b"nodes": [[b"127.0.0.1", 22]],
            b"url-list": [b"http://169.254.169.254/"],
            b"creation date": -1,
        }
        read = decode_torrent(encode(fields))
        assert read == Torrent(INFO, (("udp://a", "udp://b"), ()), None, -1)

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        for decode in (decode_torrent, decode_info):
            with pytest.raises(TorrentInvalidError):
                decode(data)

    @given(st.integers(0, 8 * len(RECORDED_INFO) - 1))
    def test_a_changed_bit_is_refused_or_another_torrent(self, bit: int) -> None:
        changed = bytearray(RECORDED_INFO)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            info = decode_info(bytes(changed))
        except TorrentInvalidError:
            return
        assert info.encode() == changed
        assert info.info_hash != INFO.info_hash


@given(
    st.integers(1, 40),
    st.integers(1, 3 * PIECE_LENGTH),
    st.text(min_size=1, max_size=60).filter(str.isprintable),
    st.lists(st.lists(st.text(max_size=9).filter(str.isprintable)).map(tuple)).map(tuple),
    st.none() | st.text(max_size=9).filter(str.isprintable),
    st.none() | st.integers(-(10**12), 10**12),
)
def test_what_is_written_is_read(
    data_pieces: int,
    index_length: int,
    name: str,
    trackers: tuple[tuple[str, ...], ...],
    created_by: str | None,
    creation_date: int | None,
) -> None:
    shape = info_of(data_pieces, index_length)
    info = Info(name, shape.data_length, shape.index_length, shape.pieces)
    torrent = Torrent(info, trackers, created_by, creation_date)
    assert decode_torrent(torrent.encode()) == torrent
    assert sha1(info.encode()).hexdigest() == info.info_hash


def test_a_torrent_that_nobody_would_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torrent_module, "MAX_TORRENT_SIZE", len(RECORDED))
    assert Torrent(INFO, TRACKERS, OWNER, START).encode() == RECORDED
    with pytest.raises(TorrentInvalidError, match="longer than"):
        Torrent(INFO, TRACKERS, OWNER, 10 * START).encode()


def test_torrents_that_other_programs_test_with_are_none_of_ours() -> None:
    if not FOREIGN_TORRENTS.exists():
        pytest.skip("the foreign torrents are not there")
    files = sorted(FOREIGN_TORRENTS.rglob("*.torrent"))
    assert len(files) > 20
    for file in files:
        with pytest.raises(TorrentInvalidError):
            decode_torrent(file.read_bytes())
