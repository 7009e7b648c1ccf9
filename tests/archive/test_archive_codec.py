"""One message, and many messages in one archive. The constants were made by status-go."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.archive.codec import (
    MAX_CHUNK_LENGTH,
    MAX_CHUNK_WEIGHT,
    MAX_MESSAGES,
    Filling,
    Measure,
    archive_head,
    chunked,
    decode_archive,
    encode_archive,
    framed,
)
from workflow.archive.index import IndexEntry
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.waku_message_archive_pb2 import (
    WakuMessageArchive,
    WakuMessageArchiveMetadata,
)
from workflow.archive.pieces import MAX_RAW_SIZE, PIECE_LENGTH, padding_after
from workflow.archive.windows import Window
from workflow.archive.wire import field, varint
from workflow.errors import ArchiveInvalidError

WEEK_1 = Window(1704067200, 1704672000)
WEEK_2_CUT = Window(1704672000, 1704931200)
WEEK_3 = Window(1705276800, 1705881600)
GENERAL, RANDOM = bytes.fromhex("50ce5327"), bytes.fromhex("b056ba39")
TOPICS = (GENERAL, RANDOM)
SENDER = bytes.fromhex(
    "04ba5734d8f7091719471e7f7ed6b9df170dc70cc661ca05e688601ad984f068b0"
    "d67351e5f06073092499336ab0839ef8a521afd334e53807205fa2f08eec74f4"
)


def message(
    number: int, timestamp: int, payload: bytes, topic: bytes = GENERAL, third_party_id: str = ""
) -> ArchivedMessage:
    """Message ``number`` of the reference's run: its padding and hash follow from the number."""
    return ArchivedMessage(
        sig=SENDER,
        timestamp=timestamp,
        topic=topic,
        payload=payload,
        padding=bytes([number, number]),
        hash=hashlib.sha256(bytes([number])).digest(),
        third_party_id=third_party_id,
    )


def pattern(length: int, seed: int) -> bytes:
    return bytes((i * 31 + seed) & 0xFF for i in range(length))


AT_START = message(1, 1704067200, b"exactly at start: included")
SECOND = message(2, 1704070800, b"second")
THIRD = message(3, 1704074400, b"third by time", RANDOM)
AT_FIRST_END = message(4, 1704672000, b"exactly at the first partition end: second archive")
FROM_DISCORD = message(
    5,
    1704672100,
    b"with a third party id",
    RANDOM,
    "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792999",
)
OTHER_TOPIC = message(8, 1704067250, b"other topic: excluded", bytes.fromhex("01020304"))

ARCHIVE_OF_WEEK_1 = bytes.fromhex(
    "1218108081c8ac061880f6ecac06220450ce53272204b056ba39"
    "1a91010a41" + SENDER.hex() + "108081c8ac061a0450ce5327"
    "221a65786163746c792061742073746172743a20696e636c756465642a020101"
    "32204bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"
    "1a7d0a41" + SENDER.hex() + "10909dc8ac061a0450ce532722067365636f6e642a020202"
    "3220dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986"
    "1a84010a41" + SENDER.hex() + "10a0b9c8ac061a04b056ba39"
    "220d74686972642062792074696d652a020303"
    "3220084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5"
)


def archive_of(
    window: Window, messages: Sequence[ArchivedMessage], topics: Sequence[bytes] = TOPICS
) -> bytes:
    return encode_archive(window, topics, [one.encode() for one in messages])


def entry_of(
    window: Window, raw: bytes, topics: Sequence[bytes] = TOPICS, offset: int = 0
) -> IndexEntry:
    return IndexEntry.at(offset, window=window, topics=topics, raw_size=len(raw))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class TestMessage:
    def test_is_encoded_like_the_reference(self) -> None:
        assert AT_START.encode() == ARCHIVE_OF_WEEK_1[29:174]

    def test_leaves_out_what_is_empty(self) -> None:
        assert ArchivedMessage(b"", 0, b"", b"", b"", b"").encode() == b""

    def test_weighs_payload_and_sender(self) -> None:
        assert SECOND.weight == len(b"second") + 65

    def test_digest_covers_all_that_is_said(self) -> None:
        assert SECOND.packed().digest == hashlib.sha256(SECOND.encode()).digest()
        assert replace(SECOND, padding=b"").packed().digest != SECOND.packed().digest

    @pytest.mark.parametrize("encoded", ["0a05", "3a01ff"])
    def test_of_broken_bytes_is_refused(self, encoded: str) -> None:
        with pytest.raises(ArchiveInvalidError, match="not an archived message"):
            ArchivedMessage.decode(bytes.fromhex(encoded))


class TestGoldenArchives:
    def test_first_week_is_the_reference_s_archive(self) -> None:
        raw = archive_of(WEEK_1, [AT_START, SECOND, THIRD])
        assert raw == ARCHIVE_OF_WEEK_1
        assert entry_of(WEEK_1, raw).id == (
            "0xe630f84d131fc27f8e572f7ca63205d33240fe07476df8281fdb4201a6c120ca"
        )

    def test_second_week_lies_behind_it(self) -> None:
        first = archive_of(WEEK_1, [AT_START, SECOND, THIRD])
        second = archive_of(WEEK_2_CUT, [AT_FIRST_END, FROM_DISCORD])
        assert len(second) == 414
        assert entry_of(WEEK_2_CUT, second, offset=PIECE_LENGTH).id == (
            "0x71249f3347ed60a77f3c224b4780017930cf384e08712e83a82df5db4fe2c11c"
        )
        data = b"".join(raw + bytes(padding_after(len(raw))) for raw in (first, second))
        assert len(data) == 204800
        assert sha256(data) == "df75f981aacffffab9f262f5009150be4135a308521eba33e037e1c1fcbabb92"

    def test_messages_may_come_in_any_order(self) -> None:
        raw = archive_of(WEEK_1, [THIRD, AT_START, SECOND, OTHER_TOPIC])
        assert sha256(raw) == "13b7bb76b589cca38e2d106d5f9ab72e91f552638509e5582268b9c63ab26e7f"

    def test_a_week_later_the_bounds_are_the_window_s(self) -> None:
        raw = archive_of(WEEK_3, [message(2, 1705276801, b"week 3")])
        assert sha256(raw) == "ff0acea7d4652c4db354cba989bb88fab66d881e620e5e63d71371998a2cc955"

    @pytest.mark.parametrize(
        ("length", "raw_size", "padding", "archive_id"),
        [
            (
                102249,
                102400,
                0,
                "0xabbbb9d3e55c4bd638e74c4b768a7998659381916b4947e6c4019031143fddf1",
            ),
            (
                204649,
                204800,
                102400,
                "0x94fb6654e045f7b419bb1641c3203215c45c3c5034795429ef852e907b32b750",
            ),
        ],
        ids=["one piece", "two pieces"],
    )
    def test_exact_pieces(self, length: int, raw_size: int, padding: int, archive_id: str) -> None:
        raw = archive_of(WEEK_1, [message(1, 1704067200, pattern(length, 0))])
        entry = entry_of(WEEK_1, raw)
        assert (entry.raw_size, entry.padding, entry.id) == (raw_size, padding, archive_id)

    def test_chunks_of_a_lowered_limit(self) -> None:
        lengths = (400, 400, 100, 935, 936, 200, 2000, 735, 1)
        messages = [
            message(seed + 1, WEEK_1.start + seed, pattern(length, seed))
            for seed, length in enumerate(lengths)
        ]
        kept, dropped = chunked(messages, measure, max_weight=1000)
        assert dropped == (messages[4], messages[6])
        offset, ids = 0, []
        for chunk in kept:
            entry = entry_of(WEEK_1, archive_of(WEEK_1, chunk), offset=offset)
            offset += entry.size
            ids.append(entry.id)
        assert ids == [
            "0x417156150fee2f4a8b3ab54527b53a34eff97fdc48c8ac8037cd79719627421d",
            "0xbf42170b6109df4fa77474f49f83d018187be138e70b9f2fdebe3636999e8ad5",
            "0x907554cc5b4e0d247d5eb4385a2e63d8f6c40dbddef9cfe380979c83f5dc9ec7",
            "0x70592fe1fa2d2ab8e7abae81e97533ad6576a616d211309017005630270182b2",
            "0x2c99d92b1654108993e31158979251cbb0ca02352cf1f175d162d3d9a09db7ec",
        ]


def measure(one: ArchivedMessage) -> Measure:
    return Measure(one.weight, len(one.encode()))


@pytest.mark.parametrize(
    ("raw_size", "padding"),
    [
        (1, 102399),
        (102399, 1),
        (102400, 0),
        (102401, 102399),
        (204799, 1),
        (204800, 102400),
        (204801, 102399),
    ],
)
def test_padding_has_the_reference_s_quirk(raw_size: int, padding: int) -> None:
    assert padding_after(raw_size) == padding


class TestChunks:
    """Rows are (weight, length) here: nothing else is looked at."""

    def test_the_limits(self) -> None:
        assert MAX_CHUNK_WEIGHT == 30_000_000
        assert MAX_MESSAGES == 200_000

    def test_exactly_the_limit_is_kept_and_one_byte_more_is_dropped(self) -> None:
        at_limit, over = Measure(30_000_000, 30_000_100), Measure(30_000_001, 30_000_101)
        assert chunked([over, at_limit, over], Measure._make) == (((at_limit,),), (over, over))

    def test_nothing_but_dropped_messages_makes_no_chunk(self) -> None:
        assert chunked([Measure(11, 11)], Measure._make, max_weight=10).kept == ()
        assert chunked([], Measure._make).kept == ()

    def test_weightless_padding_fills_a_chunk_too(self) -> None:
        padded = Measure(1, MAX_CHUNK_LENGTH)
        small = Measure(1, 1)
        assert chunked([small, padded, small], Measure._make).kept == (
            (small,),
            (padded,),
            (small,),
        )

    def test_what_is_too_long_for_every_reader_is_dropped(self) -> None:
        assert chunked([Measure(1, MAX_CHUNK_LENGTH + 1)], Measure._make).kept == ()

    def test_a_chunk_has_no_more_messages_than_a_reader_takes(self) -> None:
        rows = range(MAX_MESSAGES + 1)
        assert [len(chunk) for chunk in chunked(rows, lambda _: Measure(1, 1)).kept] == [
            MAX_MESSAGES,
            1,
        ]

    @given(st.lists(st.integers(0, 30)), st.integers(1, 25))
    def test_every_message_is_in_one_chunk_or_dropped(self, weights: list[int], most: int) -> None:
        kept, dropped = chunked(weights, lambda weight: Measure(weight, weight), most)
        assert [one for chunk in kept for one in chunk] == [one for one in weights if one <= most]
        assert list(dropped) == [one for one in weights if one > most]
        assert all(chunk and sum(chunk) <= most for chunk in kept)
        assert all(sum(a) + b[0] > most for a, b in pairwise(kept))


MESSAGES = st.builds(
    ArchivedMessage,
    sig=st.binary(max_size=65),
    timestamp=st.integers(WEEK_1.start, WEEK_1.end - 1),
    topic=st.sampled_from(TOPICS),
    payload=st.binary(),
    padding=st.binary(),
    hash=st.binary(max_size=32),
    third_party_id=st.text(),
)


class TestRoundTrip:
    @given(MESSAGES)
    def test_of_a_message(self, one: ArchivedMessage) -> None:
        assert ArchivedMessage.decode(one.encode()) == one

    @given(st.lists(MESSAGES, min_size=1))
    def test_of_an_archive(self, messages: list[ArchivedMessage]) -> None:
        raw = archive_of(WEEK_1, messages)
        assert decode_archive(raw, entry_of(WEEK_1, raw)) == tuple(messages)

    @given(st.lists(MESSAGES, min_size=1))
    def test_bytes_are_protobuf_s_own(self, messages: list[ArchivedMessage]) -> None:
        archive = WakuMessageArchive(
            metadata=WakuMessageArchiveMetadata(
                start=WEEK_1.start, end=WEEK_1.end, content_topic=TOPICS
            )
        )
        for one in messages:
            archive.messages.add().ParseFromString(one.encode())
        assert archive.SerializeToString() == archive_of(WEEK_1, messages)

    def test_of_a_full_chunk_of_ordinary_messages(self) -> None:
        """30 MB of payload and sender are 37 MB of archive, and they must be readable."""
        ordinary = replace(SECOND, payload=bytes(450), padding=bytes(120))
        kept, _ = chunked([ordinary] * 60_000, measure)
        raw = archive_of(WEEK_1, kept[0])
        assert len(raw) > 37_000_000
        assert len(decode_archive(raw, entry_of(WEEK_1, raw))) == 30_000_000 // ordinary.weight

    def test_archives_that_the_reference_left_empty_are_read(self) -> None:
        raw = ARCHIVE_OF_WEEK_1[:26]
        assert decode_archive(raw, entry_of(WEEK_1, raw)) == ()


def test_an_archive_is_its_head_and_its_framed_messages() -> None:
    messages = [AT_START.encode(), SECOND.encode()]
    parts = archive_head(WEEK_1, TOPICS) + framed(messages[:1]) + framed(messages[1:])
    assert parts == encode_archive(WEEK_1, TOPICS, messages)


def test_an_archive_is_filled_until_there_is_no_room_for_the_next() -> None:
    filling = Filling()
    filling.fill([Measure(MAX_CHUNK_WEIGHT - 1, 3), Measure(1, 1)])
    assert filling == Filling(MAX_CHUNK_WEIGHT, 4, 2)
    filling.fill([Measure(0, 1), Measure(1, 1), Measure(0, 1)])
    assert filling == Filling(MAX_CHUNK_WEIGHT, 5, 3)


def test_an_empty_archive_is_never_made() -> None:
    with pytest.raises(ArchiveInvalidError, match="without messages"):
        encode_archive(WEEK_1, TOPICS, [])


class TestReadingBelievesNothing:
    """Each thing that an archive can say wrongly."""

    def refused(self, raw: bytes, complaint: str, entry: IndexEntry | None = None) -> None:
        entry = entry or entry_of(WEEK_1, ARCHIVE_OF_WEEK_1)
        with pytest.raises(ArchiveInvalidError, match=complaint) as caught:
            decode_archive(raw, entry)
        assert caught.value.place == entry.id

    def test_too_many_bytes(self) -> None:
        self.refused(bytes(MAX_RAW_SIZE + 1), "is longer than")

    def test_too_many_messages(self) -> None:
        """Fifteen million of these would cost two gigabytes to parse."""
        flood = ARCHIVE_OF_WEEK_1[:26] + b"\x1a\x00" * (MAX_MESSAGES + 1)
        self.refused(flood, "more than 200001 fields")

    @pytest.mark.parametrize("raw", [b"", ARCHIVE_OF_WEEK_1[26:], 2 * ARCHIVE_OF_WEEK_1])
    def test_not_exactly_one_metadata(self, raw: bytes) -> None:
        self.refused(raw, "metadata is not that of its index entry")

    @pytest.mark.parametrize(
        "other",
        [
            archive_of(Window(WEEK_1.start, WEEK_1.end + 1), [SECOND]),
            archive_of(Window(WEEK_1.start - 1, WEEK_1.end), [SECOND]),
            archive_of(WEEK_1, [SECOND], topics=(RANDOM, GENERAL)),
            archive_of(WEEK_1, [SECOND], topics=(GENERAL,)),
        ],
    )
    def test_metadata_of_another_entry(self, other: bytes) -> None:
        self.refused(other, "metadata is not that of its index entry")

    @pytest.mark.parametrize("timestamp", [WEEK_1.start - 1, WEEK_1.end, 2**64 - 1])
    def test_message_outside_the_window(self, timestamp: int) -> None:
        raw = archive_of(WEEK_1, [SECOND, replace(SECOND, timestamp=timestamp)])
        self.refused(raw, f"message 1 is of {timestamp}, outside")

    @pytest.mark.parametrize("topic", [OTHER_TOPIC.topic, b"", GENERAL + b"\x00"])
    def test_message_on_another_topic(self, topic: bytes) -> None:
        raw = archive_of(WEEK_1, [replace(SECOND, topic=topic)])
        self.refused(raw, "message 0 is on none of the archive's topics")

    def test_unknown_version(self) -> None:
        self.refused(b"\x08\x01" + ARCHIVE_OF_WEEK_1, "archives of version 1 are not known")

    def test_padding_left_on(self) -> None:
        self.refused(ARCHIVE_OF_WEEK_1 + bytes(102400 - 436), "field number 0 at byte 436")

    def test_cut_off(self) -> None:
        self.refused(ARCHIVE_OF_WEEK_1[:-1], "cut off")

    def test_message_that_is_not_protobuf(self) -> None:
        self.refused(ARCHIVE_OF_WEEK_1 + field(3, b"\x0a\x05"), "not an archive")

    def test_message_with_text_that_is_no_text(self) -> None:
        self.refused(ARCHIVE_OF_WEEK_1 + field(3, field(7, b"\xff")), "not an archive")

    def test_message_of_absurd_length(self) -> None:
        self.refused(ARCHIVE_OF_WEEK_1 + b"\x1a" + varint(2**63), "cut off")

    @settings(max_examples=300)
    @given(st.data())
    def test_any_byte_changed_is_refused_or_read_within_bounds(self, data: st.DataObject) -> None:
        raw = bytearray(ARCHIVE_OF_WEEK_1)
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
        try:
            messages = decode_archive(bytes(raw), entry_of(WEEK_1, ARCHIVE_OF_WEEK_1))
        except ArchiveInvalidError:
            return
        assert all(one.timestamp in WEEK_1 and one.topic in TOPICS for one in messages)
