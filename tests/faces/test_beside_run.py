"""What is asked of a node that somebody else runs, with both of them in this process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chat.sample_exports import CHANNEL, export, message
from workflow.adapters.clock.system import SystemClock
from workflow.cli.asking import Asking, Own, Remote, carried_out, holding
from workflow.cli.kinds import Reach
from workflow.cli.networking import Networking
from workflow.cli.place import node_at, ports
from workflow.cli.selftest import reaching_for
from workflow.commanding import perform
from workflow.engine.inbox import Inbox, serve
from workflow.errors import (
    AdoptionError,
    ArchivesNotFoundError,
    ConfigurationError,
    ExportInvalidError,
    KeyFileError,
    MalformedIdError,
    NotControlNodeError,
    TorrentInvalidError,
    UnknownCommunityError,
    WorkFailedError,
)
from workflow.jobs import REMEMBERED, Jobs
from workflow.node import Node
from workflow.testing.world import World

KEY = bytes([9]) * 32


@asynccontextmanager
async def run(data_dir: Path) -> AsyncIterator[Node]:
    """A node that holds a data directory and answers, as 'run' does."""
    node = node_at(data_dir)
    await node.start_imports()
    answering = asyncio.create_task(serve(Inbox(data_dir), partial(perform, node), SystemClock()))
    try:
        yield node
    finally:
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering
        await node.stop()


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncGenerator[Node, None]:
    async with run(tmp_path / "data") as node:
        await node.create_community("chess", private_key=KEY)
        yield node


@pytest.fixture
async def asking(runner: Node, tmp_path: Path) -> AsyncGenerator[Asking, None]:
    assert runner.kept_journal is None
    async with holding(tmp_path / "data", importing=True) as found:
        assert isinstance(found, Remote)
        yield found


async def id_of(node: Node) -> str:
    return (await node.find("chess")).id


def said(folder: Path, *lines: object) -> str:
    path = folder / "said.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def line(number: int) -> dict[str, Any]:
    return {"id": str(number), "channel": "7", "time": 1656667200123 + number, "text": "hi"}


async def imported(asking: Asking, id: str, *paths: str, form: str = "jsonl") -> Any:
    return await carried_out(asking, "import", id, "Importing", form=form, paths=list(paths))


async def test_the_one_that_runs_reads_the_files_and_reports(
    runner: Node, asking: Asking, tmp_path: Path
) -> None:
    id = await id_of(runner)
    done = await imported(asking, id, said(tmp_path, line(1), line(2), "no message"))
    assert (done["new"], done["problem_count"]) == (2, 1)
    folder = tmp_path / "export"
    folder.mkdir()
    text = json.dumps(export(message(id="33"), channel={**CHANNEL, "id": "8", "name": "b"}))
    (folder / "b.json").write_text(text)
    assert (await imported(asking, id, str(folder), form="discord"))["new"] == 1
    assert len(await runner.messages(id)) == 3


async def test_a_node_of_our_own_does_the_same(tmp_path: Path) -> None:
    async with holding(tmp_path / "data") as own:
        assert isinstance(own, Own)
        key = (await own("create", name="chess", key=make_key(tmp_path / "data")))["id"]
        assert (await imported(own, key, said(tmp_path, line(1))))["new"] == 1


def make_key(data_dir: Path) -> str:
    return ports(data_dir)["keys"].create().hex()


async def test_what_cannot_be_read_is_a_named_error(
    runner: Node, asking: Asking, tmp_path: Path
) -> None:
    id = await id_of(runner)
    loop, pipe = tmp_path / "loop", tmp_path / "pipe"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    with pytest.raises(ExportInvalidError, match="cannot be read: Too many levels") as raised:
        await imported(asking, id, str(loop))
    assert raised.value.place == str(loop)
    assert "the user of the process that holds the data directory" in raised.value.advice
    with pytest.raises(ExportInvalidError, match="it is no file"):
        await imported(asking, id, str(pipe))
    with pytest.raises(ExportInvalidError, match="no export is there"):
        await imported(asking, id, str(tmp_path / "nothing"), form="discord")
    for path in ("said.jsonl", "/a\0b"):
        with pytest.raises(ConfigurationError, match="a whole path is needed"):
            await imported(asking, id, path)
    with pytest.raises(ConfigurationError, match="'csv' is not a form"):
        await imported(asking, id, str(pipe), form="csv")
    with pytest.raises(ArchivesNotFoundError):
        await carried_out(asking, "adopt", id, "Adopting", path=str(tmp_path))
    with pytest.raises(KeyFileError, match="cannot be read"):
        await asking("ratchet_keys", path=str(tmp_path / "nothing"))
    with pytest.raises(KeyFileError, match="it is no file"):  # It would be waited for, for ever.
        await asking("ratchet_keys", path=str(pipe))
    with pytest.raises(TorrentInvalidError, match="it is no file"):
        await carried_out(asking, "adopt", id, "Adopting", path=str(tmp_path), torrent=str(pipe))
    assert id in (await asking("overview"))["communities"], "who runs answers as before"


async def test_who_may_not_import_is_told_so(runner: Node, asking: Asking, tmp_path: Path) -> None:
    stranger = "0x02" + "ab" * 32
    with pytest.raises(UnknownCommunityError):
        await imported(asking, stranger, said(tmp_path, line(1)))
    with pytest.raises((MalformedIdError, UnknownCommunityError)):
        await asking("join", "nobody")
    await runner.remove_key(await id_of(runner))
    with pytest.raises(NotControlNodeError):
        await imported(asking, await id_of(runner), said(tmp_path, line(1)))


async def test_archives_are_adopted_beside_the_one_that_runs(
    tmp_path: Path,
) -> None:
    """Those of a node of ours, which made them of a week."""
    world = World(tmp_path / "world")
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("chess", private_key=KEY)
    async with run(tmp_path / "data") as runner:
        asking = Remote(tmp_path / "data")
        made = await imported_into(node, id, said(tmp_path, line(1), line(2)))
        await world.advance(3 * 3600)
        assert made == 2
        source = tmp_path / "world" / "owner" / "archives" / id
        await asking("join", id, name="chess")
        found = await carried_out(asking, "adopt", id, "Adopting", path=str(source))
        assert (found["archives"], found["messages"], found["locked"]) == (1, 2, 0)
        with pytest.raises(AdoptionError):
            await carried_out(asking, "adopt", id, "Adopting", path=str(source), torrent="")
        assert len(await runner.messages(id)) == 2
    await world.close()


async def imported_into(node: Node, id: str, path: str) -> int:
    return int((await imported(Own(node), id, path))["new"])


async def test_who_breaks_off_ends_the_import_and_what_was_imported_stays(
    runner: Node, tmp_path: Path
) -> None:
    id, count = await id_of(runner), 8_000
    path = said(tmp_path, *map(line, range(count)))
    working = asyncio.create_task(imported(Own(runner), id, path))
    await until(lambda: any(one.progress[0] for one in runner.jobs._begun.values()))
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not runner.jobs._begun
    again = await imported(Own(runner), id, path)
    assert again["known"] > 0
    assert again["new"] > 0
    assert again["known"] + again["new"] == count


async def test_who_breaks_off_ends_what_somebody_else_does(
    runner: Node, asking: Asking, tmp_path: Path
) -> None:
    id = await id_of(runner)
    async with runner._importing:  # Another import is under way.
        working = asyncio.create_task(imported(asking, id, said(tmp_path, line(1))))
        await until(lambda: bool(runner.jobs._begun))
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert not runner.jobs._begun
    assert await runner.messages(id) == []


class Endless:
    """A source that does not end."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> Any:
        from workflow.chat.jsonl import read_lines  # noqa: PLC0415

        self.read += 1
        raw = (json.dumps(line(self.read)) + "\n").encode()
        return list(read_lines(iter_of(raw), "endless"))[-1]


def iter_of(raw: bytes) -> Any:
    from io import BytesIO  # noqa: PLC0415

    return BytesIO(raw)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - what is waited for tells nobody.
        await asyncio.sleep(0.01)


async def test_who_asked_learns_that_the_process_has_ended(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with run(data_dir) as node:
        id = await node.create_community("chess", private_key=KEY)
        blocking = asyncio.create_task(node.import_items(id, Endless()))
        asked = asyncio.create_task(imported(Remote(data_dir), id, said(tmp_path, line(1))))
        await until(lambda: bool(node.jobs._begun))
        blocking.cancel()
        await node.jobs.end()
    with pytest.raises(WorkFailedError, match="has ended"):
        await asked


# --------------------------------------------------------------------------------------- selftest


@pytest.mark.parametrize(
    ("address", "given", "reached"),
    [
        ("127.0.0.1:5", {}, ("local", "0", ("127.0.0.1:5",))),
        ("192.0.2.7:5", {}, ("private", "0", ("192.0.2.7:5",))),
        ("[::1]:5", {"network": Reach.PRIVATE}, ("private", "0", ("[::1]:5",))),
        ("127.0.0.1:5", {"listen": "127.0.0.1:5"}, ("local", "127.0.0.1:0", ("127.0.0.1:5",))),
        ("127.0.0.1:5", {"network": Reach.PUBLIC}, ("public", "0", ())),
        ("127.0.0.1:5", {"peers": ("127.0.0.2:9",)}, ("local", "0", ("127.0.0.2:9",))),
        ("", {}, ("local", "0", ())),
    ],
)
def test_a_stranger_has_a_way_to_who_runs(
    address: str, given: dict[str, Any], reached: tuple[str, str, tuple[str, ...]]
) -> None:
    found = reaching_for(address, Networking(**given))
    assert (found.network, found.listen, found.peers) == reached


async def test_a_node_without_networks_is_reached_nowhere(asking: Asking) -> None:
    assert (await asking("address"))["address"].startswith("127.0.0.1:")


# ------------------------------------------------------------------------------------------- jobs


async def forever(_: object) -> dict[str, Any]:
    await asyncio.get_running_loop().create_future()
    return {}


async def at_once(told: Any) -> dict[str, Any]:
    told(1, 2, "bytes")
    return {"a": 1}


async def test_a_job_is_begun_once_and_its_result_given_once() -> None:
    jobs = Jobs()
    jobs.begin("a", forever)
    jobs.begin("a", at_once)
    await asyncio.sleep(0)
    assert jobs.look("a") == {"is_over": False, "done": 0, "total": 0, "unit": "", "result": {}}
    await jobs.stop("a")
    await jobs.stop("a")
    jobs.begin("b", at_once)
    await asyncio.sleep(0)
    assert jobs.look("b") == {
        "is_over": True, "done": 1, "total": 2, "unit": "bytes", "result": {"a": 1},
    }  # fmt: skip
    with pytest.raises(WorkFailedError, match="has ended, or was told to stop"):
        jobs.look("b")


async def test_results_that_nobody_takes_are_forgotten() -> None:
    jobs = Jobs()

    async def failing(_: object) -> dict[str, Any]:
        raise KeyFileError("nobody hears of it")

    for number in range(3 * REMEMBERED):
        jobs.begin(str(number), failing if number % 2 else at_once)
        await asyncio.sleep(0)
    assert len(jobs._begun) <= REMEMBERED + 1
    with pytest.raises(KeyFileError):
        jobs.look(str(3 * REMEMBERED - 1))
    await jobs.end()
    assert not jobs._begun
