"""How two differ: windows, archives, messages, and the first byte with the field it lies in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inspection.made_archives import (
    KEY,
    MESSAGES,
    START,
    WEEK,
    flip,
    made,
    message,
    put,
    torrent_of,
)
from workflow.archive.codec import framed
from workflow.archive.history import History
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.windows import Window
from workflow.inspection import Comparison, compare
from workflow.inspection.comparing import CHUNK, first_difference
from workflow.inspection.positions import archive_field_at, index_field_at, torrent_field_at

TWO = made()
ONE = made(weeks=1)
LOCKED = made(is_encrypted=True)
FIRST, SECOND = (archive.id[:10] for archive in TWO.archives)


def compared(tmp_path: Path, a: History, b: History) -> Comparison:
    return compare(put(tmp_path / "a", a), put(tmp_path / "b", b), [KEY])


def test_two_copies_are_identical(tmp_path: Path) -> None:
    found = compared(tmp_path, TWO, TWO)
    assert found.are_identical
    assert found.files_a == ("index", "data", ".torrent")
    assert (found.both, found.windows_both, found.windows, found.bytes) == (2, 2, (), ())


def test_an_archive_more_is_seen_from_both_sides(tmp_path: Path) -> None:
    found = compared(tmp_path, ONE, TWO)
    assert not found.are_identical
    assert (found.only_a, found.only_b, found.both) == ((), (TWO.entries[1],), 1)
    assert found.windows_only_b == (Window(START + WEEK, START + 2 * WEEK),)
    assert (found.windows_only_a, found.windows_both, found.windows) == ((), 1, ())
    assert [(one.file, one.offset_a, one.field_a, one.field_b) for one in found.bytes][1:] == [
        ("data", PIECE_LENGTH, "the end", f"archive {SECOND} metadata, its tag"),
        (".torrent", 319, "info/files/0/length", "info/files/0/length"),
    ]


def test_messages_that_only_one_has_are_counted_and_shown(tmp_path: Path) -> None:
    more = made((*MESSAGES, *(message(number) for number in range(10, 15))))
    (window,) = compared(tmp_path, TWO, more).windows
    assert (window.count_a, window.count_b) == (0, 5)
    assert (window.only_a, [one.number for one in window.only_b]) == ((), [3, 4, 5])
    assert [one.time for one in window.only_b] == [START + hour * 3600 for hour in (10, 11, 12)]
    assert window.byte is not None
    assert (window.byte.file, window.byte.offset_a) == ("data", TWO.entries[0].raw_size)
    assert window.byte.field_a == f"archive {FIRST} padding"
    assert window.byte.field_b.endswith("message 3, its tag")


def test_a_message_twice_is_one_more(tmp_path: Path) -> None:
    raw = TWO.archives[0].raw
    (tmp_path / "a").write_bytes(raw)
    (tmp_path / "b").write_bytes(raw + framed([MESSAGES[2].encode()]))
    (window,) = compare(tmp_path / "a", tmp_path / "b").windows
    assert (window.count_a, window.count_b) == (0, 1)


def test_the_same_messages_under_another_encryption_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, TWO, LOCKED)
    assert (found.both, found.windows_both) == (0, 2)
    assert [(one.count_a, one.count_b) for one in found.windows] == [(0, 0), (0, 0)]
    assert (found.form_a, found.form_b) == ("plain", "decrypted")
    assert found.bytes[0].field_b == "field installation_id (2), its tag"


def test_without_the_key_messages_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(LOCKED.archives[0].raw)
    (tmp_path / "b").write_bytes(TWO.archives[0].raw)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found.form_a, found.windows_both) == ("encrypted", 0)
    assert not found.are_identical


def test_the_same_bytes_in_another_place_do_not_differ(tmp_path: Path) -> None:
    week = [one for one in MESSAGES if one.timestamp >= START + WEEK]
    found = compared(tmp_path, TWO, made(week))
    assert (found.windows, found.both, found.windows_both) == ((), 0, 1)
    assert found.windows_only_a == (Window(START, START + WEEK),)


def test_a_window_archived_twice_differs_from_one_archived_once(tmp_path: Path) -> None:
    twice = made(weeks=1, existing=ONE)
    folder = put(tmp_path / "b", twice)
    (folder / "data").write_bytes(ONE.data + twice.data)
    (window,) = compare(put(tmp_path / "a", ONE), folder).windows
    assert (window.count_a, window.count_b, window.byte) == (0, 3, None)


def test_a_torrent_that_only_one_has_is_a_difference(tmp_path: Path) -> None:
    found = compare(put(tmp_path / "a", TWO), put(tmp_path / "b", TWO, has_torrent=False))
    assert (found.bytes, found.windows, found.are_identical) == ((), (), False)
    assert found.files_b == ("index", "data")


def test_files_of_different_kinds_have_no_byte_in_common(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(TWO.index or b"")
    (tmp_path / "b").write_bytes(TWO.torrent or b"")
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found.files_a, found.files_b) == (("index",), (".torrent",))
    assert (found.bytes, found.are_identical) == ((), False)


def test_progress_never_goes_back(tmp_path: Path) -> None:
    heard: list[int] = []
    totals: set[int] = set()

    def watch(done: int, total: int) -> None:
        heard.append(done)
        totals.add(total)

    compare(put(tmp_path / "a", TWO), put(tmp_path / "b", TWO), watch=watch)
    assert heard == sorted(heard)
    assert totals == {heard[-1]}


@pytest.mark.parametrize(
    ("name", "offset", "field"),
    [
        ("data", 0, f"archive {FIRST} metadata, its tag"),
        ("data", 1, f"archive {FIRST} metadata, its length"),
        ("data", 3, f"archive {FIRST} metadata field from (2)"),
        ("data", TWO.data.index(b"message 1"), f"archive {FIRST} message 1 field payload (4)"),
        (
            "data",
            TWO.data.index(b"message 1") - 1,
            f"archive {FIRST} message 1 field payload (4), its length",
        ),
        ("data", PIECE_LENGTH - 1, f"archive {FIRST} padding"),
        (
            "data",
            TWO.data.index(b"message 169"),
            f"archive {SECOND} message 1 field payload (4)",
        ),
        (".torrent", 1, "the key 'announce-list'"),
        (".torrent", (TWO.torrent or b"").index(b"i102400e"), "info/piece length"),
        (".torrent", (TWO.torrent or b"").index(b"6:pieces") + 40, "info/pieces/hash of piece 1"),
    ],
)
def test_the_first_byte_that_differs_is_told_with_its_field(
    tmp_path: Path, name: str, offset: int, field: str
) -> None:
    folder = put(tmp_path / "b", TWO)
    flip(torrent_of(tmp_path / "b") if name == ".torrent" else folder / name, offset)
    (byte,) = compare(put(tmp_path / "a", TWO), folder).bytes
    assert (byte.file, byte.offset_a, byte.offset_b, byte.field_a) == (name, offset, offset, field)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_byte_is_never_overlooked(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("flipped")
    history = data.draw(st.sampled_from([TWO, LOCKED]))
    whole, spoilt = put(root / "a", history), put(root / "b", history)
    name = data.draw(st.sampled_from(["index", "data", ".torrent"]))
    path = torrent_of(root / "b") if name == ".torrent" else spoilt / name
    length = 700 if name == "data" else path.stat().st_size
    offset = data.draw(st.integers(0, length - 1))
    flip(path, offset, data.draw(st.integers(1, 255)))
    found = compare(whole, spoilt, [KEY])
    assert not found.are_identical
    assert [(one.file, one.offset_a) for one in found.bytes] == [(name, offset)]
    assert all(one.field_a and one.field_b for one in found.bytes)


@given(st.data())
def test_one_archive_alone_is_compared_as_well(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.getbasetemp()
    raw = data.draw(st.sampled_from([TWO, LOCKED])).archives[0].raw
    offset = data.draw(st.integers(1, len(raw) - 1))  # the first byte says that it is an archive
    spoilt = bytearray(raw)
    spoilt[offset] ^= data.draw(st.integers(1, 255))
    (root / "whole").write_bytes(raw)
    (root / "spoilt").write_bytes(spoilt)
    found = compare(root / "whole", root / "spoilt", [KEY])
    assert not found.are_identical
    assert found.bytes[0].offset_a == offset


# ---------------------------------------------------------------------------------------- positions


def test_the_fields_of_an_index_are_called_by_its_ids() -> None:
    index = TWO.index or b""
    id = TWO.entries[0].id
    at = index.index(id.encode())
    assert index_field_at(index, at) == f"entry {id[:10]} field key (1)"
    value = index.index(TWO.entries[0].encode())
    assert index_field_at(index, value) == f"entry {id[:10]} metadata, its tag"
    end = value + len(TWO.entries[0].encode()) - 1
    assert index_field_at(index, end) == f"entry {id[:10]} field padding (5)"
    assert index_field_at(index, len(index)) == "the end"


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        (b"\x0a\x02\x0a\x00", 2, "entry without an id field key (1), its tag"),
        (b"\x0a\x03\x12\x7f\x00", 3, "entry without an id, not readable from its byte 0 on"),
        (b"\x4a\x01x", 2, "field 9"),
        (b"\x0a\x00\x00\x00", 3, "not readable from its byte 2 on"),
    ],
)
def test_what_cannot_be_read_is_said_so(data: bytes, offset: int, words: str) -> None:
    assert index_field_at(data, offset) == words


def test_the_fields_of_an_encrypted_archive_are_those_of_its_envelope() -> None:
    raw = LOCKED.archives[0].raw
    assert archive_field_at(raw, 3) == "field installation_id (2)"
    at = raw.index(KEY.id)
    assert archive_field_at(raw, at) == "encrypted_message HR_header field key_id (4)"


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        (b"d1:ai1ee", 0, "the outermost value"),
        (b"d1:ai1ee", 2, "the key 'a'"),
        (b"d1:ai1ee", 5, "a"),
        (b"d1:ali1ei22eee", 9, "a/1"),
        (b"d1:\x1bi1ee", 5, "?"),
        (b"i5ei6e", 4, "behind the end of the value"),
        (b"d1:ai1e", 99, "the end"),
        (b"l" * 90, 80, "not readable from byte 16 on"),
        (b"d1:ai01xe", 8, "not readable from byte 4 on"),
        (b"9:x", 1, "not readable from byte 0 on"),
    ],
)
def test_a_byte_of_a_torrent_is_told_by_its_keys(data: bytes, offset: int, words: str) -> None:
    assert torrent_field_at(data, offset) == words


@given(st.binary(max_size=80), st.integers(0, 90))
def test_any_byte_of_anything_has_a_name(data: bytes, offset: int) -> None:
    for field_at in (index_field_at, archive_field_at, torrent_field_at):
        assert field_at(data, offset)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_the_first_difference_is_the_first(a: bytes, b: bytes) -> None:
    found = first_difference(iter([a]), iter([b]))
    same = 0
    while a[same : same + 1] == b[same : same + 1] and same < len(a):
        same += 1
    assert found == (None if a == b else same)


def test_the_first_difference_may_lie_in_a_later_slice() -> None:
    full = bytes(CHUNK)
    assert first_difference(iter([full, b"ab"]), iter([full, b"ac"])) == CHUNK + 1
    assert first_difference(iter([full]), iter([full, b"x"])) == CHUNK
