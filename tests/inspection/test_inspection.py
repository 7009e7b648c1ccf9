"""Whatever lies at a path: what is sound in it is shown, and everything else is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inspection.made_archives import (
    COMMUNITY,
    KEY,
    MESSAGES,
    START,
    TOPIC,
    WEEK,
    flip,
    made,
    put,
    torrent_of,
)
from workflow.archive.index import IndexEntry
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import RatchetKey
from workflow.archive.torrent import MAX_INDEX_LENGTH, MAX_TORRENT_SIZE
from workflow.archive.windows import Window
from workflow.archive.wire import field
from workflow.errors import ArchivesNotFoundError
from workflow.inspection import Inspection, inspect, inspect_archive

TWO = made()
LOCKED = made(is_encrypted=True)


def codes(seen: Inspection) -> set[str]:
    return {problem.code for problem in seen.problems}


# ------------------------------------------------------------------------------------ what is there


def test_a_folder_of_status_go_is_told_in_full(tmp_path: Path) -> None:
    seen = inspect(put(tmp_path, TWO))
    assert (seen.kind, seen.community, seen.problems) == ("folder", COMMUNITY, ())
    assert seen.torrent is not None
    assert (seen.torrent.info_hash, seen.torrent.magnet) == (TWO.info_hash, TWO.magnet)
    assert (seen.torrent.path, seen.torrent.damaged) == (torrent_of(tmp_path), ())
    assert (seen.torrent.pieces, seen.torrent.creation_date) == (3, START)
    assert [archive.entry for archive in seen.archives] == list(TWO.entries)
    assert [archive.messages for archive in seen.archives] == [3, 2]
    assert {archive.form for archive in seen.archives} == {"plain"}
    assert (seen.data_length, seen.size, seen.messages) == (204_800, 204_800, 5)
    assert seen.padding == sum(entry.padding for entry in TWO.entries)
    assert seen.time == Window(START, START + 2 * WEEK)


def test_without_a_torrent_its_info_hash_is_made_of_the_files(tmp_path: Path) -> None:
    seen = inspect(put(tmp_path, TWO, has_torrent=False))
    assert seen.torrent is not None
    assert (seen.torrent.path, seen.torrent.damaged) == (None, None)
    assert seen.torrent.info_hash == TWO.info_hash


def as_status_go(root: Path) -> Path:
    return put(root, TWO)


def as_a_download(root: Path) -> Path:
    folder = put(root, TWO)
    return torrent_of(root).rename(folder.parent / f"{COMMUNITY}.torrent").parent / COMMUNITY


def as_our_own(root: Path) -> Path:
    folder = put(root, TWO)
    lineage = folder / "1"
    lineage.mkdir()
    torrent_of(root).rename(lineage / "4.torrent")
    (folder / "index").rename(lineage / "index.4")
    (folder / "data").rename(lineage / "data")
    with (lineage / "data").open("ab") as data:
        data.write(b"what a crash left behind the committed bytes")
    return folder


PLACES: dict[str, Callable[[Path], Path]] = {
    "the folder": as_status_go,
    "a download": as_a_download,
    "our own folder": as_our_own,
    "our own lineage": lambda root: as_our_own(root) / "1",
    "our own index": lambda root: as_our_own(root) / "1" / "index.4",
    "our own .torrent": lambda root: as_our_own(root) / "1" / "4.torrent",
    "the index": lambda root: as_status_go(root) / "index",
    "the data": lambda root: as_status_go(root) / "data",
    "the .torrent": lambda root: torrent_of(as_status_go(root).parents[1]),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_same_is_found_from_everywhere(tmp_path: Path, place: str) -> None:
    seen = inspect(PLACES[place](tmp_path))
    assert seen.problems == ()
    assert (seen.community, seen.messages) == (COMMUNITY, 5)
    assert seen.torrent is not None
    assert (seen.torrent.info_hash, seen.torrent.damaged) == (TWO.info_hash, ())


@pytest.mark.parametrize(
    ("content", "kind", "archives", "messages"),
    [
        (TWO.index, "index", 2, None),
        (TWO.torrent, "torrent", 0, None),
        (TWO.archives[0].raw, "archive", 1, 3),
        (TWO.data[:PIECE_LENGTH], "archive", 1, 3),
        (LOCKED.index, "archive", 0, None),
        (LOCKED.archives[0].raw, "archive", 0, None),
    ],
    ids=["index", "torrent", "archive", "archive and padding", "sealed index", "sealed archive"],
)
@pytest.mark.parametrize("name", ["picture.jpeg", "it.torrent"])
def test_a_file_is_told_by_its_content(
    tmp_path: Path, content: bytes, kind: str, archives: int, messages: int | None, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    seen = inspect(tmp_path / name)
    assert (seen.kind, seen.problems) == (kind, ())
    assert (len(seen.archives), seen.messages) == (archives, messages)


@pytest.mark.parametrize(
    ("content", "kind", "messages"),
    [(LOCKED.index, "index", None), (LOCKED.archives[1].raw, "archive", 2)],
    ids=["index", "archive"],
)
def test_with_its_key_an_encrypted_file_is_told_by_its_content(
    tmp_path: Path, content: bytes, kind: str, messages: int | None
) -> None:
    (tmp_path / "file").write_bytes(content)
    seen = inspect(tmp_path / "file", [KEY])
    assert (seen.kind, seen.form, seen.key) == (kind, "decrypted", KEY.id.hex())
    assert (seen.community, seen.problems, seen.messages) == (COMMUNITY, (), messages)


def test_without_a_key_it_is_said_which_one_is_missing(tmp_path: Path) -> None:
    seen = inspect(put(tmp_path, LOCKED))
    assert (seen.form, seen.key, seen.archives) == ("encrypted", KEY.id.hex(), ())
    assert seen.problems == (), "a key that is not here is nothing wrong"
    assert seen.torrent is not None
    assert seen.torrent.damaged == (), "and the pieces were verified all the same"


def test_with_the_key_everything_is_told(tmp_path: Path) -> None:
    seen = inspect(put(tmp_path, LOCKED), [RatchetKey(bytes(32), 1, KEY.group_id), KEY])
    assert [(one.form, one.messages) for one in seen.archives] == [
        ("decrypted", 3),
        ("decrypted", 2),
    ]
    assert seen.problems == ()


def test_a_key_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = put(tmp_path, LOCKED, has_torrent=False)
    flip(folder / "data", 150)
    seen = inspect(folder, [KEY])
    assert [one.form for one in seen.archives] == ["unreadable", "decrypted"]
    (problem,) = seen.problems
    assert problem.code == "archive-invalid"
    assert KEY.id.hex() in problem.place


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    inspect(put(tmp_path, TWO), watch=lambda done, total: heard.append((done, total)))
    assert [done for done, _ in heard] == [204_800, 307_200, 409_600]
    assert {total for _, total in heard} == {409_600}


# -------------------------------------------------------------------------------- what is not sound


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = torrent_of(folder.parents[1]) if name == ".torrent" else folder / name
        path.write_bytes(change(path.read_bytes()))

    return spoil


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def entry(offset: int, size: int = PIECE_LENGTH, padding: int = 7, key: str = "") -> bytes:
    made_up = IndexEntry(START, START + WEEK, (TOPIC,), offset, size, padding)
    return field(1, field(1, (key or made_up.id).encode()) + field(2, made_up.encode()))


BROKEN: dict[str, tuple[Callable[[Path], None], set[str], int]] = {
    "the beginning of an archive": (
        edit("data", lambda raw: b"\xff" + raw[1:]),
        {"content-damaged", "archive-invalid"},
        2,
    ),
    "the padding": (
        edit("data", lambda raw: raw[:-1] + b"\1"),
        {"content-damaged", "archive-invalid"},
        2,
    ),
    "data is cut": (edit("data", lambda raw: raw[:-1]), {"content-damaged"}, 2),
    "data is empty": (edit("data", lambda _: b""), {"content-damaged"}, 2),
    "data is missing": (remove("data"), {"content-damaged"}, 2),
    "the index is missing": (remove("index"), {"index-invalid"}, 0),
    "the index is cut": (
        edit("index", lambda raw: raw[:-5]),
        {"index-invalid", "content-damaged"},
        1,
    ),
    "the index has a tail": (
        edit("index", lambda raw: raw + raw[:108]),
        {"index-invalid", "content-damaged"},
        2,
    ),
    "the index is too long": (
        edit("index", lambda _: bytes(MAX_INDEX_LENGTH + 1)),
        {"index-invalid"},
        0,
    ),
    "the index is one field after the other": (
        edit("index", lambda _: b"\x0a\x00" * 30_000),
        {"index-invalid", "content-damaged"},
        0,
    ),
    "another id": (
        edit("index", lambda raw: raw + entry(204_800, key="0x" + "0" * 64)),
        {"index-invalid", "content-damaged"},
        2,
    ),
    "archives overlap": (
        edit("index", lambda raw: raw + entry(0)),
        {"index-invalid", "content-damaged"},
        2,
    ),
    "an archive is behind the end": (
        edit("index", lambda raw: raw + entry(2**20 * PIECE_LENGTH)),
        {"content-damaged"},
        3,
    ),
    "something else in the index": (
        edit("index", lambda raw: raw + field(9, b"hm")),
        {"index-invalid", "content-damaged"},
        2,
    ),
    "an old field of the index": (
        edit("index", lambda raw: raw + b"\x08\x01"),
        {"index-invalid", "content-damaged"},
        2,
    ),
    "the .torrent is cut": (edit(".torrent", lambda raw: raw[:-1]), {"torrent-invalid"}, 2),
    "the .torrent is too long": (
        edit(".torrent", lambda _: b"d" * (MAX_TORRENT_SIZE + 1)),
        {"torrent-invalid"},
        2,
    ),
    "the .torrent is another's": (
        edit(".torrent", lambda _: made(weeks=1).torrent or b""),
        {"content-damaged"},
        2,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_and_the_rest_is_shown(tmp_path: Path, case: str) -> None:
    spoil, expected, archives = BROKEN[case]
    folder = put(tmp_path, TWO)
    spoil(folder)
    seen = inspect(folder)
    assert codes(seen) == expected, seen.problems
    assert len(seen.archives) == archives


def test_damaged_pieces_are_numbered_and_their_archives_marked(tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    flip(folder / "data", PIECE_LENGTH + 200)
    flip(folder / "index", 3)
    seen = inspect(folder)
    assert seen.torrent is not None
    assert seen.torrent.damaged == (1, 2)
    assert [archive.damaged for archive in seen.archives] in ([0, 1], [0], [1])
    assert any("2 of 3 pieces are damaged: 1-2" in one.message for one in seen.problems)


def test_an_archive_that_states_nothing_has_no_window(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(field(3, MESSAGES[0].encode()))
    seen = inspect(tmp_path / "file")
    assert (seen.archives, codes(seen)) == ((), {"archive-invalid"})


def test_an_archive_that_breaks_off_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(TWO.archives[0].raw[:-1])
    assert inspect(tmp_path / "file").messages == 2
    _, messages, problems = inspect_archive(tmp_path / "file", "")
    assert [one.number for one in messages] == [0, 1]
    assert [one.code for one in problems] == ["archive-invalid"]


@pytest.mark.parametrize("content", [b"", bytes(100), b"hello", b"\xff" * 50, b"\x7fELF"], ids=repr)
def test_what_is_nothing_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ArchivesNotFoundError):
        inspect(tmp_path / "file")


def test_where_there_is_nothing_it_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "such"):
        with pytest.raises(ArchivesNotFoundError):
            inspect(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchivesNotFoundError):
        inspect(tmp_path / "pipe")
    folder = put(tmp_path, TWO)
    (folder / "index").unlink()
    os.mkfifo(folder / "index")
    assert codes(inspect(folder)) == {"index-invalid"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_is_overlooked_and_none_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    history = data.draw(st.sampled_from([TWO, LOCKED]))
    name = data.draw(st.sampled_from(["data", "index"]))
    folder = put(tmp_path_factory.mktemp("damaged"), history)
    length = len(history.index or b"") if name == "index" else 600
    flip(folder / name, data.draw(st.integers(0, length - 1)), data.draw(st.integers(1, 255)))
    assert "content-damaged" in codes(inspect(folder, [KEY]))


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x0a", b"\x12", b"\x1a", b"d", b"\x12\x04"])
)
def test_no_bytes_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, head: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(head + content)
    try:
        inspect(path, [KEY])
    except ArchivesNotFoundError as error:
        assert error.place == str(path)  # noqa: PT017 - either answer is right


# --------------------------------------------------------------------------- messages of an archive


def test_the_messages_of_an_archive_are_listed(tmp_path: Path) -> None:
    folder = put(tmp_path, TWO)
    id, messages, problems = inspect_archive(folder, TWO.archives[0].id[:8])
    found = list(messages)
    assert (id, problems) == (TWO.archives[0].id, ())
    assert [one.number for one in found] == [0, 1, 2]
    assert [one.time for one in found] == [START, START + 3600, START + 7200]
    assert found[2].third_party_id == "7" * 40
    assert (found[1].topic, found[1].payload_length) == (TOPIC, 9)
    assert found[1].sender == b"\x04" + b"\1" * 64
    assert {one.kind for one in found} == {"malformed"}


@pytest.mark.parametrize(("id", "count"), [("0x", "2 archives"), ("0xz", "no archives")])
def test_an_id_must_begin_one_archive(tmp_path: Path, id: str, count: str) -> None:
    with pytest.raises(ArchivesNotFoundError, match=count):
        inspect_archive(put(tmp_path, TWO), id)
