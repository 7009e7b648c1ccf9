"""However protobuf lets an archive be written, it is read as if each message were encoded anew."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.archive.codec import archive_head, unpack_archive
from workflow.archive.index import IndexEntry
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.archive.pb.waku_message_archive_pb2 import WakuMessageArchive
from workflow.archive.windows import Window
from workflow.archive.wire import field, varint

WEEK = Window(1704067200, 1704672000)
TOPICS = (bytes.fromhex("50ce5327"), bytes.fromhex("b056ba39"))
MESSAGES = st.builds(
    ArchivedMessage,
    sig=st.binary(max_size=65),
    timestamp=st.integers(WEEK.start, WEEK.end - 1),
    topic=st.sampled_from(TOPICS),
    payload=st.binary(),
    padding=st.binary(),
    hash=st.binary(max_size=32),
    third_party_id=st.text(),
)


def padded(value: int, more: int) -> bytes:
    """A number with so many bytes more than it needs."""
    encoded = bytearray(varint(value))
    for _ in range(more):
        encoded[-1] |= 0x80
        encoded.append(0)
    return bytes(encoded)


MORE = st.sampled_from([0, 0, 0, 1, 3])


def strange(number: int, content: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A field whose tag and length may be longer than they need be."""
    return st.builds(
        lambda content, tag, length: (
            padded(number << 3 | 2, tag) + padded(len(content), length) + content
        ),
        content,
        MORE,
        MORE,
    )


def strange_number(number: int, value: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda value, tag, more: padded(number << 3, tag) + padded(value, more), value, MORE, MORE
    )


TIMES = st.integers(WEEK.start, WEEK.end - 1)
STRANGE_FIELDS = st.one_of(
    *(strange(number, st.binary(max_size=140)) for number in (1, 4, 5, 6, 9, 100)),
    strange(3, st.sampled_from(TOPICS)),
    strange(7, st.text(max_size=5).map(str.encode)),
    strange_number(2, TIMES),
    strange_number(4, st.integers(0, 2**40)),  # Of a type that the field has not.
    st.binary(min_size=8, max_size=8).map(lambda content: b"\x09" + content),
)
STRANGE_MESSAGES = strange(
    3,
    st.builds(
        lambda time, topic, more: b"".join([time, topic, *more]),
        strange_number(2, TIMES),
        strange(3, st.sampled_from(TOPICS)),
        st.lists(STRANGE_FIELDS, max_size=6),
    ),
)
STRANGE_PARTS = st.lists(
    STRANGE_MESSAGES
    | strange(8, st.binary(max_size=5))
    | strange_number(1, st.just(0))
    | strange_number(3, st.integers(0, 300))
    | MESSAGES.map(lambda one: field(3, one.encode())),
    max_size=4,
)
STRANGE_ARCHIVES = st.builds(
    lambda before, after: b"".join([*before, archive_head(WEEK, TOPICS), *after]),
    st.just([]) | STRANGE_PARTS,
    STRANGE_PARTS,
)


@settings(max_examples=300)
@given(STRANGE_ARCHIVES)
def test_messages_are_unpacked_as_if_each_was_encoded_again(raw: bytes) -> None:
    archive = WakuMessageArchive.FromString(raw)
    archive.DiscardUnknownFields()
    expected = [
        EncodedMessage(
            time=one.timestamp,
            topic=one.topic,
            encoded=one.SerializeToString(),
            digest=hashlib.sha256(one.SerializeToString()).digest(),
            weight=len(one.payload) + len(one.sig),
            origin=one.third_party_id or None,
        )
        for one in archive.messages
    ]
    entry = IndexEntry.at(0, window=WEEK, topics=TOPICS, raw_size=len(raw))
    assert unpack_archive(raw, entry) == expected
