from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.archive.hashing import keccak256
from workflow.archive.wire import WireError, field, fields, varint


def test_keccak_is_not_the_sha3_that_nist_made_of_it() -> None:
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == empty


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (1704067200, "8081c8ac06")],
)
def test_numbers_are_in_groups_of_seven_bits(value: int, encoded: str) -> None:
    assert varint(value).hex() == encoded


def test_every_kind_of_field_is_walked_over() -> None:
    number, fixed64, content, fixed32 = "08ac02", "11" + 8 * "00", "1a036c6f67", "25" + 4 * "00"
    found = fields(bytes.fromhex(number + fixed64 + content + fixed32), at_most=4)
    assert list(found) == [(1, 1, 3), (2, 4, 12), (3, 14, 17), (4, 18, 22)]


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.binary(max_size=300))))
def test_fields_finds_what_field_wrote(written: list[tuple[int, bytes]]) -> None:
    data = b"".join(field(number, content) for number, content in written)
    found = fields(data, at_most=len(written))
    assert [(number, data[start:end]) for number, start, end in found] == written


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("0a01610a0261", "field 1 at byte 3 is cut off"),
        ("0a", "a number at byte 1 does not end"),
        ("08ff", "a number at byte 1 does not end"),
        ("08" + 10 * "ff" + "00", "a number at byte 1 does not end"),
        ("11" + 7 * "00", "field 2 at byte 0 is cut off"),
        ("0b0c", "unknown wire type 3 at byte 0"),
        ("0000", "field number 0 at byte 0"),
        ("0a000a000a00", "more than 2 fields"),
    ],
)
def test_where_protobuf_ends_the_walk_ends(data: str, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        list(fields(bytes.fromhex(data), at_most=2))


@given(st.binary())
def test_no_bytes_lead_to_another_error(data: bytes) -> None:
    try:
        ends = [end for _, _, end in fields(data, at_most=len(data))]
    except WireError:
        return
    assert ends[-1:] == ([len(data)] if data else [])
