"""A whole history in one call. The cases, ids and encrypted bytes were made by status-go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from states.errors import CommunityArchivesError
from tests.archive.vectors_history import (
    BOTH_WEEKS,
    CASES,
    COMMUNITY,
    DAYS,
    FIRST_WEEK,
    GENERAL,
    LENGTHS,
    OWNER,
    RANDOM,
    START,
    TOPICS,
    WEEK,
    message,
    pattern,
)
from workflow.archive.codec import decode_archive
from workflow.archive.history import (
    Encryption,
    Existing,
    History,
    HistoryOptions,
    archive_history,
)
from workflow.archive.index import IndexEntry, decode_index, encode_index
from workflow.archive.magnet import Magnet, parse_magnet
from workflow.archive.message import ArchivedMessage
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import KeyReference, RatchetKey, decrypt
from workflow.archive.torrent import decode_torrent, piece_hashes
from workflow.errors import (
    ArchiveInvalidError,
    ConfigurationError,
    IndexInvalidError,
    MagnetInvalidError,
    TorrentInvalidError,
)

KEY = RatchetKey(
    bytes.fromhex("0726456483a2c1e0ff1e3d5c7b9ab9d8f71635547392b1d0ef0e2d4c6b8aa9c8"),
    1704067200010,
    bytes.fromhex(COMMUNITY[2:]),
)
NONCES = tuple(bytes([n]) * 12 for n in range(9))
END = START + 864000


def archived(
    messages: Iterable[ArchivedMessage] = DAYS,
    start: int = START,
    end: int = END,
    *,
    topics: Sequence[bytes] = TOPICS,
    **options: object,
) -> History:
    chosen = HistoryOptions(**options)  # type: ignore[arg-type] # each test gives what it tests
    return archive_history(COMMUNITY, topics, messages, start, end, chosen)


def texts(history: History) -> list[list[bytes]]:
    return [[one.payload for one in archive.messages] for archive in history.archives]


def sha256(data: bytes | None) -> str:
    return hashlib.sha256(data or b"").hexdigest()


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_everything_is_the_reference_s(name: str, reference: bool) -> None:
    case = CASES[name]
    before, data = None, b""
    for run in case.runs:
        history = archived(
            case.messages,
            run.start,
            run.end,
            max_weight=case.max_weight,
            reference=reference,
            from_store=case.from_store,
            existing=before,
            created_by=OWNER,
            creation_date=START,
        )
        data += history.data
        assert tuple(archive.id for archive in history.archives) == run.ids
        if not run.ids:
            assert history == History((), b"", (), b"", ())
            continue
        assert sha256(data) == run.data
        assert history.info_hash == run.info_hash
        assert sha256(history.torrent) == run.torrent
        assert history.magnet == (
            f"magnet:?xt=urn:btih:{run.info_hash}&dn={COMMUNITY}"
            "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce"
            "&tr=udp%3A%2F%2Ftracker.openbittorrent.com%3A6969%2Fannounce"
        )
        before = history


def test_an_encrypted_community_s_bytes_are_the_reference_s() -> None:
    messages = message(1, START + 1, b"secret one"), message(2, START + 2, b"secret two")
    nonces = [bytes.fromhex("ea5183fd5d3d8c1a0a4fdffc"), bytes.fromhex("b0f5b1be08fac89103d3bcc0")]
    history = archived(
        messages,
        end=START + WEEK,
        topics=[GENERAL],
        encryption=Encryption(KEY, 1, "zwire-install-1", nonces),
    )
    (archive,) = history.archives
    assert archive.id == "0xc635365615b43b3ad2981b99c1a6bafe525876a56653c3371b318c0a543faa22"
    assert archive.entry.padding == 101975
    assert sha256(archive.raw) == "bbecf0bd84d31826f53bf40ba329b8a6cb551306ebf6ca01bf6cf21618e9c107"
    assert sha256(history.index) == (
        "bfb798cc34f70fdc571f1adf1e6fefd4a009aab997958b6662e2b24ed55e2713"
    )


class TestMessages:
    def test_those_too_heavy_are_told(self) -> None:
        case = CASES["chunks at a lowered limit"]
        history = archived(case.messages, end=START + WEEK, max_weight=1000)
        assert [len(one.payload) for one in history.dropped] == [936, 2000]
        assert [[len(text) for text in chunk] for chunk in texts(history)] == [
            [400, 400],
            [100],
            [935],
            [200],
            [735, 1],
        ]
        assert sum(LENGTHS) == 5707

    def test_same_second_by_topic_then_as_given(self) -> None:
        rows = [
            message(1, START, b"random first", RANDOM),
            message(2, START, b"general first"),
            message(3, START, b"random second", RANDOM),
            message(4, START, b"general second"),
        ]
        assert texts(archived(rows, topics=[RANDOM, GENERAL])) == [
            [b"general first", b"general second", b"random first", b"random second"]
        ]

    def test_a_row_replaces_an_earlier_one_of_its_hash(self) -> None:
        first, second = message(1, START, b"first"), message(2, START, b"second")
        again = replace(first, payload=b"again")
        assert texts(archived([first, second, again])) == [[b"second", b"again"]]
        assert texts(archived([first, second, again], from_store=False)) == [
            [b"first", b"second", b"again"]
        ]

    def test_rows_without_hash_replace_nothing(self) -> None:
        rows = [replace(message(n, START, bytes([n])), hash=b"") for n in (1, 2)]
        assert texts(archived(rows)) == [[b"\x01", b"\x02"]]

    def test_they_may_be_consumed_once(self) -> None:
        assert archived(iter(DAYS)) == archived(DAYS)

    def test_one_topic_is_stated_and_asked_for(self) -> None:
        history = archived(topics=[RANDOM])
        assert texts(history) == [[b"third by time"], [b"with a third party id"]]
        assert {entry.topics for entry in history.entries} == {(RANDOM,)}

    def test_without_topics_a_list_is_archived_and_a_store_is_not(self) -> None:
        assert archived(topics=[]).archives == ()
        assert len(archived(topics=[], from_store=False).archives) == 2


class TestWindows:
    @pytest.mark.parametrize(("start", "end"), [(START, START), (END, START), (5, -5)])
    def test_no_time_no_archive(self, start: int, end: int) -> None:
        history = archived(start=start, end=end)
        assert (history.archives, history.data, history.index, history.torrent) == (
            (),
            b"",
            None,
            None,
        )
        assert (history.info, history.info_hash, history.magnet) == (None, None, None)

    def test_they_are_as_long_as_asked(self) -> None:
        history = archived(partition=3600, end=START + 9000)
        assert [(entry.start - START, entry.end - START) for entry in history.entries] == [
            (0, 3600),
            (3600, 7200),
            (7200, 9000),
        ]

    def test_a_long_time_costs_nothing(self) -> None:
        history = archived([message(1, 2**62, b"late")], 0, 2**63 - 1, partition=1)
        assert history.entries[0].window.start == 2**62

    def test_one_of_heavy_messages_only_is_archived_by_the_reference(self) -> None:
        heavy = message(1, START, pattern(936, 0))
        history = archived([heavy], max_weight=1000)
        assert (history.archives, history.dropped) == ((), (heavy,))
        history = archived([heavy], max_weight=1000, reference=True)
        (archive,) = history.archives
        assert archive.raw.hex() == "1218108081c8ac061880f6ecac06220450ce53272204b056ba39"
        assert archive.messages == decode_archive(archive.raw, archive.entry) == ()
        assert history.dropped == (heavy,)


class TestAppending:
    def test_files_and_histories_go_on_alike(self) -> None:
        first = archived(end=START + WEEK)
        assert first.index is not None
        from_files = Existing.of(first.index, first.data)
        second = archived(start=START + WEEK, existing=from_files)
        assert second == archived(start=START + WEEK, existing=first)
        assert second.info_hash == BOTH_WEEKS.info_hash
        assert second.entries[0].id == FIRST_WEEK
        assert second.data_pieces == piece_hashes(first.data + second.data)

    def test_nothing_new_changes_nothing_and_can_be_gone_on_from(self) -> None:
        first = archived(end=START + WEEK)
        idle = archived([], existing=first)
        assert (idle.entries, idle.data_pieces) == (first.entries, first.data_pieces)
        assert (idle.archives, idle.data, idle.index, idle.magnet) == ((), b"", None, None)
        assert archived(start=START + WEEK, existing=idle).info_hash == BOTH_WEEKS.info_hash

    def test_the_same_time_twice_has_other_ids(self) -> None:
        first = archived()
        second = archived(existing=first)
        assert second.data == first.data
        assert len({entry.id for entry in second.entries}) == 4

    def test_entries_are_taken_in_any_order(self) -> None:
        first = archived()
        reordered = Existing(first.entries[::-1], first.data_pieces)
        assert archived([DAYS[0]], existing=reordered) == archived([DAYS[0]], existing=first)

    @pytest.mark.parametrize(
        ("entries", "length"),
        [
            ([], 1),
            ([], 102400),
            ([(0, 102400)], 0),
            ([(0, 102400)], 102401),
            ([(0, 102400)], 204800),
            ([(102400, 102400)], 102400),
            ([(0, 102400), (204800, 102400)], 307200),
        ],
    )
    def test_data_that_the_index_does_not_fill_is_refused(
        self, entries: list[tuple[int, int]], length: int
    ) -> None:
        index = encode_index(IndexEntry(0, 1, (), offset, size, 0) for offset, size in entries)
        with pytest.raises(IndexInvalidError, match=r"do not fill|whole pieces"):
            Existing.of(index, bytes(length))


class TestEncryption:
    def test_archives_come_first_and_the_index_after_them(self) -> None:
        encryption = Encryption(KEY, 7, "device", iter(NONCES))
        history = archived(encryption=encryption)
        assert history.index is not None
        sealed = [*(archive.raw for archive in history.archives), history.index]
        for number, raw in enumerate(sealed, 7):
            assert b"\xb2\x06\x4d\x08\x8a\xe8\xc7\x92\x0c\x10" + bytes([number]) in raw
            assert raw.count(NONCES[number - 7]) == 1
        assert decode_index(decrypt(history.index, the_key)) == history.entries

    @pytest.mark.parametrize("nonces", [0, 1, 2])
    def test_too_few_nonces(self, nonces: int) -> None:
        encryption = Encryption(KEY, 1, "device", NONCES[:nonces])
        with pytest.raises(ConfigurationError, match="not enough nonces"):
            archived(encryption=encryption)


def the_key(reference: KeyReference) -> RatchetKey | None:
    return KEY if KEY.answers(reference) else None


class TestOptions:
    def test_trackers_are_written_in_tiers_and_linked_once_each(self) -> None:
        tiers = (("udp://b", "udp://a"), ("udp://b",))
        history = archived(trackers=tiers)
        assert history.torrent is not None
        assert history.magnet is not None
        torrent = decode_torrent(history.torrent)
        assert (torrent.trackers, torrent.created_by, torrent.creation_date) == (tiers, None, None)
        assert parse_magnet(history.magnet) == Magnet(
            torrent.info.info_hash, COMMUNITY, ("udp://b", "udp://a")
        )

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"partition": 0}, ConfigurationError),
            ({"partition": -1}, ConfigurationError),
            ({"start": -1}, ConfigurationError),
            ({"end": 2**63}, ConfigurationError),
            ({"topics": [GENERAL, b"abc"]}, IndexInvalidError),
            ({"created_by": "\x00"}, TorrentInvalidError),
            ({"trackers": (("\n",),)}, TorrentInvalidError),
            ({"trackers": (("udp://" + "a" * 4096,),)}, MagnetInvalidError),
            ({"encryption": Encryption(KEY, 0, "device", NONCES)}, ArchiveInvalidError),
            ({"encryption": Encryption(KEY, 1, "device", [b"short"])}, ArchiveInvalidError),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, options: dict[str, object], error: type[CommunityArchivesError]
    ) -> None:
        with pytest.raises(error):
            archived(**options)  # type: ignore[arg-type] # the names are those of the arguments

    @pytest.mark.parametrize("name", ["", "\n", "\ud800", "n" * 256])
    def test_a_name_that_no_torrent_can_have_is_refused(self, name: str) -> None:
        with pytest.raises(TorrentInvalidError):
            archive_history(name, TOPICS, DAYS, START, END)


@st.composite
def messages_of_ten_days(draw: st.DrawFn) -> list[ArchivedMessage]:
    return [
        replace(
            message(number, START + second, pattern(length, number), topic),
            hash=b"",
        )
        for number, (second, length, topic) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.integers(-10, 864010),
                        st.sampled_from([0, 1, 700, 935, 936, 102_249]),
                        st.sampled_from([GENERAL, RANDOM, b"none"]),
                    ),
                    max_size=12,
                )
            )
        )
    ]


@settings(max_examples=50)
@given(
    messages_of_ten_days(),
    st.sampled_from([1, 1000, 200_000]),
    st.integers(0, 10),
    st.booleans(),
)
def test_what_is_archived_is_read_again(
    messages: list[ArchivedMessage], max_weight: int, days: int, encrypted: bool
) -> None:
    """Each message of the time is in one archive or dropped, over two calls."""
    encryption = Encryption(KEY, 1, "device", iter(lambda: bytes(12), b"")) if encrypted else None
    between = START + days * 86400
    first = archived(messages, START, between, max_weight=max_weight, encryption=encryption)
    second = archived(
        messages, between, END, max_weight=max_weight, encryption=encryption, existing=first
    )
    data = first.data + second.data
    assert second.data_pieces == piece_hashes(data)
    assert second.entries == first.entries + tuple(archive.entry for archive in second.archives)
    read: list[ArchivedMessage] = []
    for entry in second.entries:
        raw = data[entry.offset : entry.offset + entry.raw_size]
        assert not any(data[entry.offset + entry.raw_size : entry.offset + entry.size])
        read += decode_archive(decrypt(raw, the_key) if encrypted else raw, entry)
    expected = sorted(
        (m for m in messages if m.timestamp in range(START, END) and m.topic in TOPICS),
        key=lambda m: (m.timestamp, m.topic),
    )
    assert read == [m for m in expected if m.weight <= max_weight]
    assert [*first.dropped, *second.dropped] == [m for m in expected if m.weight > max_weight]
    for history in (first, second):
        if history.archives:
            assert history.torrent is not None
            assert history.index is not None
            info = decode_torrent(history.torrent).info
            assert info == history.info
            assert info.pieces == history.data_pieces + piece_hashes(history.index)
            assert info.data_length == len(history.data_pieces) // 20 * PIECE_LENGTH
