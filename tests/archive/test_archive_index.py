"""The index. The constants were made by status-go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.archive import index
from workflow.archive.hashing import keccak256
from workflow.archive.index import (
    MAX_ENTRIES,
    MAX_INDEX_SIZE,
    IndexEntry,
    decode_index,
    encode_index,
    encode_metadata,
)
from workflow.archive.pieces import MAX_RAW_SIZE, PIECE_LENGTH
from workflow.archive.windows import Window
from workflow.archive.wire import field, varint
from workflow.errors import IndexInvalidError

TOPICS = (bytes.fromhex("50ce5327"), bytes.fromhex("b056ba39"))
FIRST = IndexEntry(1704067200, 1704672000, TOPICS, offset=0, size=102400, padding=101964)
SECOND = IndexEntry(1704672000, 1704931200, TOPICS, offset=102400, size=102400, padding=101986)
FIRST_ID = "0xe630f84d131fc27f8e572f7ca63205d33240fe07476df8281fdb4201a6c120ca"
SECOND_ID = "0x71249f3347ed60a77f3c224b4780017930cf384e08712e83a82df5db4fe2c11c"
FIRST_ENTRY = "1218108081c8ac061880f6ecac06220450ce53272204b056ba392080a00628cc9c06"
SECOND_ENTRY = "12181080f6ecac061880dffcac06220450ce53272204b056ba391880a0062080a00628e29c06"
SORTED_BY_ID = bytes.fromhex(
    f"0a6c0a42{SECOND_ID.encode().hex()}1226{SECOND_ENTRY}"
    f"0a680a42{FIRST_ID.encode().hex()}1222{FIRST_ENTRY}"
)
AS_THE_REFERENCE_RAN = SORTED_BY_ID[110:] + SORTED_BY_ID[:110]


def listed(entry: bytes, key: str | None = None) -> bytes:
    """One entry of an index, under its own id unless another is given."""
    name = key or "0x" + keccak256(entry).hex()
    return field(1, field(1, name.encode()) + field(2, entry))


class TestGoldenIndex:
    @pytest.mark.parametrize(
        ("entry", "encoded", "archive_id"),
        [(FIRST, FIRST_ENTRY, FIRST_ID), (SECOND, SECOND_ENTRY, SECOND_ID)],
    )
    def test_an_id_is_the_hash_of_the_entry(
        self, entry: IndexEntry, encoded: str, archive_id: str
    ) -> None:
        assert entry.encode().hex() == encoded
        assert entry.id == archive_id
        assert IndexEntry.decode(bytes.fromhex(encoded)) == entry

    def test_an_entry_of_broken_bytes_is_refused(self) -> None:
        with pytest.raises(IndexInvalidError, match="not an index entry"):
            IndexEntry.decode(b"\x12\x05")

    def test_an_entry_comes_from_its_archive(self) -> None:
        window = Window(1704672000, 1704931200)
        assert IndexEntry.at(102400, window=window, topics=TOPICS, raw_size=414) == SECOND
        assert SECOND.window == window
        assert SECOND.raw_size == 414

    def test_metadata_is_what_the_entry_holds(self) -> None:
        assert encode_metadata(FIRST.window, TOPICS).hex() == FIRST_ENTRY[4:52]

    def test_the_index_is_sorted_by_id(self) -> None:
        for entries in permutations((FIRST, SECOND)):
            assert encode_index(entries) == SORTED_BY_ID

    def test_it_is_read_in_any_order(self) -> None:
        assert decode_index(SORTED_BY_ID) == (FIRST, SECOND)
        assert decode_index(AS_THE_REFERENCE_RAN) == (FIRST, SECOND)

    def test_empty_bytes_are_an_empty_index(self) -> None:
        assert encode_index([]) == b""
        assert decode_index(b"") == ()


@st.composite
def generations(draw: st.DrawFn) -> list[IndexEntry]:
    """Archives one behind another, with gaps."""
    entries: list[IndexEntry] = []
    offset = 0
    for raw_size in draw(st.lists(st.integers(1, MAX_RAW_SIZE), max_size=20)):
        offset += PIECE_LENGTH * draw(st.integers(0, 3))
        start = draw(st.integers(0, 2**40))
        window = Window(start, start + draw(st.integers(1, 2**40)))
        topics = draw(st.lists(st.binary(min_size=4, max_size=4), max_size=4))
        entries.append(IndexEntry.at(offset, window=window, topics=topics, raw_size=raw_size))
        offset += entries[-1].size
    return entries


class TestRoundTrip:
    @given(generations(), st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, entries: list[IndexEntry], chance: Random) -> None:
        shuffled = list(entries)
        chance.shuffle(shuffled)
        assert encode_index(shuffled) == encode_index(entries)
        assert decode_index(encode_index(shuffled)) == tuple(entries)

    @given(st.binary())
    def test_any_bytes_are_read_or_refused_by_name(self, data: bytes) -> None:
        try:
            entries = decode_index(data)
        except IndexInvalidError:
            return
        assert decode_index(encode_index(entries)) == entries


DEFECTS = [
    ("the window is empty", replace(FIRST, end=FIRST.start)),
    ("the window is empty", replace(FIRST, end=FIRST.start - 1)),
    ("a topic has not 4 bytes", replace(FIRST, topics=(*TOPICS, b"abc"))),
    ("a topic has not 4 bytes", replace(FIRST, topics=(b"",))),
    ("the offset is not on a piece", replace(FIRST, offset=1)),
    ("the size is not in whole pieces", replace(FIRST, size=102401)),
    ("the padding is longer than a piece", replace(FIRST, size=307200, padding=102401)),
    ("there is nothing but padding", replace(FIRST, padding=102400)),
    ("there is nothing but padding", replace(FIRST, size=0, padding=0)),
    ("too long to be read", replace(FIRST, size=656 * PIECE_LENGTH, padding=0)),
    ("a number is too large", replace(FIRST, end=2**63)),
    ("a number is too large", replace(FIRST, offset=PIECE_LENGTH * (2**63 // PIECE_LENGTH))),
]


class TestReadingBelievesNothing:
    @pytest.mark.parametrize(("complaint", "entry"), DEFECTS)
    @pytest.mark.parametrize(
        "pass_on",
        [
            lambda entry: decode_index(listed(entry.encode())),
            lambda entry: encode_index([entry]),
        ],
        ids=["read", "write"],
    )
    def test_an_entry_without_sense(
        self, complaint: str, entry: IndexEntry, pass_on: Callable[[IndexEntry], object]
    ) -> None:
        with pytest.raises(IndexInvalidError, match=complaint) as caught:
            pass_on(entry)
        assert caught.value.place == entry.id

    def test_an_entry_with_more_topics_than_any_community_has_channels(self) -> None:
        long = replace(FIRST, topics=(b"talk",) * 11_000)
        for pass_on in (lambda: decode_index(listed(long.encode())), lambda: encode_index([long])):
            with pytest.raises(IndexInvalidError, match="is longer than 65536"):
                pass_on()

    @pytest.mark.parametrize(
        "other",
        [
            FIRST,
            replace(FIRST, end=FIRST.end + 1),
            replace(SECOND, offset=0, size=2 * PIECE_LENGTH),
        ],
    )
    def test_archives_that_share_bytes(self, other: IndexEntry) -> None:
        with pytest.raises(IndexInvalidError, match="begins inside 0x"):
            encode_index([SECOND, FIRST, other])
        if other != FIRST:
            encoded = b"".join(listed(entry.encode()) for entry in (SECOND, FIRST, other))
            with pytest.raises(IndexInvalidError, match="begins inside 0x"):
                decode_index(encoded)

    def test_an_id_of_another_entry(self) -> None:
        for key in (SECOND_ID, FIRST_ID.upper(), FIRST_ID[2:], "\x1b[2J"):
            with pytest.raises(IndexInvalidError, match="not that of its entry") as caught:
                decode_index(listed(FIRST.encode(), key))
            assert caught.value.place == FIRST_ID

    def test_an_entry_of_an_unknown_version(self) -> None:
        with pytest.raises(IndexInvalidError, match="not that of its entry"):
            decode_index(listed(b"\x08\x01" + FIRST.encode()))

    def test_an_entry_that_describes_nothing(self) -> None:
        with pytest.raises(IndexInvalidError, match="does not describe its archive"):
            decode_index(listed(field(9, b"")))

    def test_an_entry_twice(self) -> None:
        with pytest.raises(IndexInvalidError, match="stands twice"):
            decode_index(SORTED_BY_ID + listed(FIRST.encode()))

    def test_something_else_than_entries(self) -> None:
        with pytest.raises(IndexInvalidError, match="something else"):
            decode_index(SORTED_BY_ID + field(7, b"?"))

    def test_the_rest_of_an_older_longer_file(self) -> None:
        """What status-go's members keep behind a new index that is shorter than the old one."""
        with pytest.raises(IndexInvalidError, match="not an index"):
            decode_index(listed(FIRST.encode()) + SORTED_BY_ID[50:])

    def test_too_many_bytes(self) -> None:
        with pytest.raises(IndexInvalidError, match="is longer than 8388608"):
            decode_index(bytes(MAX_INDEX_SIZE + 1))

    def test_too_many_entries(self) -> None:
        with pytest.raises(IndexInvalidError, match="more than 20000 fields"):
            decode_index(b"\x0a\x00" * (MAX_ENTRIES + 1))

    @pytest.mark.parametrize("broken", [b"\x0a", b"\x0a" + varint(2**63), b"\x0a\x02\x0a\x05"])
    def test_broken_bytes(self, broken: bytes) -> None:
        with pytest.raises(IndexInvalidError, match="not an index"):
            decode_index(broken)

    @pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 1), ("MAX_INDEX_SIZE", 215)])
    def test_an_index_that_nobody_reads_is_not_written(
        self, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
    ) -> None:
        monkeypatch.setattr(index, limit, value)
        with pytest.raises(IndexInvalidError, match="of 2 archives and 216 bytes is too long"):
            encode_index([FIRST, SECOND])
