"""The file of local messages: what a look costs, what others write into it, when it is unusable."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from loguru import logger

from tests.adapters.local_nodes import (
    DAY,
    START,
    Node,
    Nodes,
    contents,
    descriptors,
    rows,
    write,
)
from workflow.adapters.messaging.message_file import (
    DAMAGED,
    MAX_CHANNEL,
    MAX_PAYLOAD,
    MESSAGES,
    VERSION,
    MessageFile,
)
from workflow.errors import MessagingError
from workflow.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest_asyncio.fixture
async def nodes(tmp_path: Path, clock: ManualClock) -> AsyncGenerator[Nodes, None]:
    made = Nodes(tmp_path / "shared", clock)
    yield made
    await made.close()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")
    yield lines
    logger.remove(sink)


# -- what it costs to wait -------------------------------------------------------------------------


def test_a_look_at_nothing_new_asks_for_the_version_only(tmp_path: Path) -> None:
    ours, other = MessageFile(tmp_path), MessageFile(tmp_path)
    ours.open()
    other.open()
    assert ours.new() == []
    asked: list[str] = []
    assert ours._connection is not None
    ours._connection.set_trace_callback(asked.append)
    for _ in range(100):
        assert ours.new() == []
    assert asked == 100 * ["PRAGMA data_version"]
    other.append("chat", b"a", lambda: START)
    assert ours.new() == [(1, "chat")]
    ours.append("chat", b"b", lambda: START)
    assert ours.new() == [(2, "chat")]
    del asked[:]
    assert [ours.new() for _ in range(3)] == [[], [], []]
    assert len(asked) <= 4
    ours.close()
    other.close()


def test_many_new_ones_come_in_parts(tmp_path: Path) -> None:
    ours, other = MessageFile(tmp_path), MessageFile(tmp_path)
    ours.open()
    write(tmp_path, *[("chat", START, b"")] * 1_234)
    told = []
    while some := ours.new():
        assert len(some) <= 500
        told += some
    assert told == [(number, "chat") for number in range(1, 1_235)]
    ours.close()
    other.close()


# -- what others put into the file -----------------------------------------------------------------

UNSOUND = {
    "no time": ("chat", "yesterday", b"x"),
    "no bytes": ("chat", START, "text"),
    "a number": ("chat", START, 5),
    "endless": ("chat", float("inf"), b"x"),
    "too large": ("chat", START, bytes(MAX_PAYLOAD + 1)),
    "a long channel": ("chat" * MAX_CHANNEL, START, b"x"),
    "a channel of bytes": (b"chat", START, b"x"),
}


@pytest.mark.parametrize("row", UNSOUND.values(), ids=UNSOUND)
async def test_rows_that_are_no_messages_are_left_out_and_logged(
    nodes: Nodes, clock: ManualClock, log: list[str], row: tuple[object, ...]
) -> None:
    node = await nodes.open("chat")
    await node.messaging.publish("chat", b"before")
    write(nodes.folder, row)
    await node.messaging.publish("chat", b"after")
    await clock.advance(1)
    assert node.payloads == [b"before", b"after"]
    assert await node.stored() == [b"before", b"after"]
    assert any("1 rows" in line and "left out" in line for line in log)


async def test_a_channel_that_is_no_text_disturbs_nobody(nodes: Nodes, clock: ManualClock) -> None:
    node = await nodes.open("chat")
    with closing(sqlite3.connect(nodes.folder / MESSAGES)) as other, other:
        other.execute(
            "INSERT INTO message (channel, at, payload) VALUES (CAST(x'63ff' AS TEXT), 1, x'00')"
        )
    await node.messaging.publish("chat", b"after")
    await clock.advance(1)
    assert node.payloads == [b"after"]


async def test_when_no_number_is_left_publishing_is_refused(nodes: Nodes) -> None:
    node = await nodes.open("chat")
    with closing(sqlite3.connect(nodes.folder / MESSAGES)) as other, other:
        other.execute("INSERT INTO message VALUES (?, 'chat', 1, x'00')", (2**63 - 1,))
    with pytest.raises(MessagingError):
        await node.messaging.publish("chat", b"a")


# -- files that cannot be used ---------------------------------------------------------------------


def garbage(folder: Path) -> None:
    folder.mkdir()
    (folder / MESSAGES).write_bytes(b"these are no messages " * 1_000)


def foreign(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / MESSAGES)) as other, other:
        other.execute("CREATE TABLE cookies (name)")


def newer(folder: Path) -> None:
    write(folder)
    with closing(sqlite3.connect(folder / MESSAGES)) as other, other:
        other.execute(f"PRAGMA user_version={VERSION + 1}")


def incomplete(folder: Path) -> None:
    write(folder)
    with closing(sqlite3.connect(folder / MESSAGES)) as other, other:
        other.execute("DROP TABLE message")


def a_folder(folder: Path) -> None:
    (folder / MESSAGES).mkdir(parents=True)


def a_link(folder: Path) -> None:
    folder.mkdir()
    (folder / MESSAGES).symlink_to(folder / "elsewhere")


def a_pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / MESSAGES)


def remains(folder: Path) -> None:
    folder.mkdir()
    (folder / f"{MESSAGES}-shm").write_bytes(bytes(32_768))


def a_file(folder: Path) -> None:
    folder.write_text("a file")


def below_a_file(folder: Path) -> None:
    folder.parent.rmdir()
    folder.parent.write_text("a file")


def forbidden(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    folder.mkdir(mode=0o500)


UNUSABLE: dict[Callable[[Path], None], tuple[str, str]] = {
    garbage: ("not a database", "delete all files"),
    foreign: ("not one of messages", "nothing was changed"),
    newer: ("newer version", "Upgrade"),
    incomplete: ("no such table", "delete all files"),
    a_folder: ("something else", "Take it away"),
    a_link: ("something else", "Take it away"),
    a_pipe: ("something else", "Take it away"),
    remains: ("taken away", "delete all files"),
    a_file: ("cannot be used", "writable"),
    below_a_file: ("cannot be used", "writable"),
    forbidden: ("cannot be used", "writable"),
}


@pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__)
async def test_what_cannot_be_used_is_said_with_place_and_remedy(
    tmp_path: Path, clock: ManualClock, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "parent" / "shared"
    folder.parent.mkdir()
    spoil(folder)
    before = threading.active_count(), descriptors(), contents(tmp_path)
    node = Node(folder, clock)
    message, remedy = UNUSABLE[spoil]
    for _ in range(2):
        with pytest.raises(MessagingError, match=message) as caught:
            await node.open()
        assert str(folder) in caught.value.place
        assert remedy in caught.value.advice
    assert (threading.active_count(), descriptors(), contents(tmp_path)) == before


def test_a_folder_for_all_eyes_still_has_files_for_the_owners(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write(tmp_path)
    (tmp_path / MESSAGES).chmod(0o644)
    file = MessageFile(tmp_path)
    file.append("chat", b"a", lambda: START)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {MESSAGES + end: 0o600 for end in ("", "-wal", "-shm")}
    file.close()


def test_a_file_that_cannot_be_switched_to_wal_now_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as others keep it busy; the next one that opens it switches it."""
    monkeypatch.setattr("workflow.adapters.messaging.message_file.PATIENCE", 0.01)
    write(tmp_path)
    with closing(sqlite3.connect(tmp_path / MESSAGES, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM message").fetchall()
        file, late = MessageFile(tmp_path), MessageFile(tmp_path)
        file.open()
        other.execute("COMMIT")
        file.append("chat", b"a", lambda: START)
        assert mode(tmp_path) == "delete"
        late.open()
        assert mode(tmp_path) == "wal"
    late.append("chat", b"b", lambda: START)
    assert file.new() == [(1, "chat"), (2, "chat")]
    file.close()
    late.close()


def test_a_full_disk_takes_nothing_and_says_so(tmp_path: Path) -> None:
    file = MessageFile(tmp_path)
    file.open()
    file.append("chat", b"a", lambda: START)
    assert file._connection is not None
    file._connection.execute("PRAGMA max_page_count=10")
    with pytest.raises(MessagingError, match="full") as caught:
        file.append("chat", bytes(MAX_PAYLOAD), lambda: START)
    assert "Make room" in caught.value.advice
    file.append("chat", b"b", lambda: START)
    assert [message.payload for message in file.read("chat", file.since("chat", 0.0))] == [
        b"a",
        b"b",
    ]
    file.close()


async def test_old_messages_that_cannot_be_deleted_hinder_nobody(
    nodes: Nodes, clock: ManualClock, log: list[str]
) -> None:
    node = await nodes.open()
    with closing(sqlite3.connect(nodes.folder / MESSAGES)) as other, other:
        other.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON message BEGIN SELECT raise(ABORT, 'kept'); END"
        )
    await node.messaging.publish("chat", b"old")
    clock.jump(31 * DAY)
    await node.messaging.publish("chat", b"new")
    assert await node.stored() == [b"new"]
    assert any("not deleted" in line for line in log)


async def test_a_file_that_is_damaged_while_it_is_open_is_noticed_and_may_be_replaced(
    nodes: Nodes, clock: ManualClock, log: list[str]
) -> None:
    """After it was deleted as the remedy says, everybody goes on with a new one."""
    first, second = await nodes.open("chat"), await nodes.open("chat")
    for number in range(20):
        await first.messaging.publish("chat", b"%d" % number * 10_000)
    await clock.advance(1)
    path = nodes.folder / MESSAGES
    path.write_bytes(b"\x00" * 100)
    for end in ("-wal", "-shm"):
        with path.with_name(MESSAGES + end).open("r+b") as beside:
            beside.write(b"\xff" * 4_000)
    with pytest.raises(MessagingError) as caught:
        await second.messaging.publish("chat", b"lost")
    assert caught.value.place == str(path)
    for left in nodes.folder.iterdir():
        left.unlink()
    await second.messaging.publish("chat", b"found")
    await clock.advance(11)
    assert first.payloads[-1] == second.payloads[-1] == b"found"
    await first.messaging.publish("chat", b"again")
    await first.messaging.close()
    assert await second.stored() == [b"found", b"again"]


async def test_who_holds_a_file_that_was_taken_away_takes_nothing_from_the_new_one(
    nodes: Nodes, clock: ManualClock
) -> None:
    """Closing the old one must not touch what the new one has committed."""
    idle, busy = await nodes.open("chat"), await nodes.open("chat")
    await idle.messaging.publish("chat", b"old")
    for left in nodes.folder.iterdir():
        left.unlink()
    await busy.messaging.publish("chat", b"one")
    await busy.messaging.publish("chat", b"two")
    await clock.advance(1)
    assert idle.payloads[-2:] == busy.payloads[-2:] == [b"one", b"two"]
    await idle.messaging.close()
    assert rows(nodes.folder) == [b"one", b"two"]
    assert await busy.stored() == [b"one", b"two"]


async def test_when_only_the_database_is_deleted_nothing_is_mixed(
    nodes: Nodes, clock: ManualClock, log: list[str]
) -> None:
    node = await nodes.open("chat")
    await node.messaging.publish("chat", b"a")
    (nodes.folder / MESSAGES).unlink()
    with pytest.raises(MessagingError, match="taken away") as caught:
        await node.messaging.publish("chat", b"b")
    assert caught.value.advice == DAMAGED
    await clock.advance(1)
    assert any("could not be read" in line for line in log)
    for left in nodes.folder.iterdir():
        left.unlink()
    await node.messaging.publish("chat", b"c")
    await clock.advance(11)
    assert node.payloads[-1] == b"c"


def test_a_file_that_is_taken_away_during_the_writing_took_nothing(tmp_path: Path) -> None:
    file = MessageFile(tmp_path)
    file.open()

    def now() -> float:
        for left in tmp_path.iterdir():
            left.unlink()
        return START

    with pytest.raises(MessagingError, match="taken away while"):
        file.append("chat", b"a", now)
    file.append("chat", b"a", lambda: START)
    assert rows(tmp_path) == [b"a"]
    file.close()


def mode(folder: Path) -> str:
    with closing(sqlite3.connect(folder / MESSAGES)) as other:
        return str(other.execute("PRAGMA journal_mode").fetchone()[0])
