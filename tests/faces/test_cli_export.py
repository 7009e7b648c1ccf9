from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.faces.chatter import (
    CHANNELS,
    HOSTILE,
    ID,
    KEY,
    MONDAY,
    NAME,
    PICTURE,
    WEEK,
    node_in,
    plant,
)
from tests.faces.command_line import COMMAND, PATIENCE, CommandLine, environment
from workflow.adapters.clock.manual import ManualClock
from workflow.chat.jsonl import Line, read_lines
from workflow.chat.post import Channel, Post
from workflow.cli.app import app
from workflow.errors import DataDirectoryError
from workflow.importing import read_discord, read_jsonl

MESSAGES = 11


@pytest.fixture(scope="session")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("chatting") / "data"
    plant(directory)
    return directory


@pytest.fixture
def chat(chatting: Path) -> CommandLine:
    """Everything here only reads."""
    return CommandLine(chatting)


def encoded(directory: Path) -> list[bytes]:
    """What is stored, in its order."""

    async def read() -> list[bytes]:
        node = node_in(directory, ManualClock(MONDAY + 12 * WEEK))
        try:
            return [one.encoded or b"" for one in await node.messages(ID)]
        finally:
            await node.stop()

    return asyncio.run(read())


def imported(directory: Path, file: Path) -> list[bytes]:
    """What is stored of an export in an empty community of the same key."""

    async def write() -> None:
        node = node_in(directory, ManualClock(MONDAY + 12 * WEEK))
        await node.create_community(NAME, private_key=KEY)
        report = await node.import_items(ID, read_jsonl(file))
        assert report.problem_count == 0
        await node.stop()

    asyncio.run(write())
    return encoded(directory)


def test_lines_bring_back_every_byte(chat: CommandLine, tmp_path: Path) -> None:
    said = chat("export", "gardeners", "--format", "jsonl", str(tmp_path / "out"))
    assert said.code == 0
    assert said.err == "2 messages cannot be shown: 1 encrypted, 1 of another community.\n"
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "messages.jsonl"
    assert said.out.startswith(f"11 messages of 3 channels written to {tmp_path / 'out'}\n")
    shutil.copytree(chat.data_dir, tmp_path / "copy")
    before = encoded(tmp_path / "copy")
    assert len(before) == MESSAGES
    assert imported(tmp_path / "other", file) == before


def test_lines_from_a_folder_are_those_from_the_store(chat: CommandLine, tmp_path: Path) -> None:
    chat("export", "gardeners", "--format", "jsonl", str(tmp_path / "stored"))
    folder = str(chat.data_dir / "archives" / ID)
    assert chat("export", folder, "--format", "jsonl", str(tmp_path / "left")).code == 0
    raw: dict[str, list[bytes]] = {}
    for name in ("stored", "left"):
        data = (tmp_path / name / "messages.jsonl").read_bytes()
        lines = [one for one in read_lines(io.BytesIO(data), name) if isinstance(one, Line)]
        raw[name] = [one.message.encode() for one in lines if one.message is not None]
    assert raw["left"] == raw["stored"][:-1], "the newest message is in no archive yet"


@pytest.mark.parametrize("source", ["store", "folder"])
def test_discords_form_says_the_same_again(chat: CommandLine, tmp_path: Path, source: str) -> None:
    name = "gardeners" if source == "store" else str(chat.data_dir / "archives" / ID)
    said = chat("export", name, "--format", "discord-json", str(tmp_path / "out"), "--json")
    report = json.loads(said.out)
    items = list(read_discord([tmp_path / "out"]))
    posts = [one for one in items if isinstance(one, Post)]
    channels = [one for one in items if isinstance(one, Channel)]
    assert len(items) == len(posts) + len(channels)
    lines = chat("messages", name, "--json").out.encode()
    expected = {
        one.post.id: one.post
        for one in read_lines(io.BytesIO(lines), "lines")
        if isinstance(one, Line) and one.post is not None
    }
    assert {one.id for one in posts} == set(expected)
    for one in posts:
        assert (one.text, one.author, one.time_ms, one.reference) == (
            expected[one.id].text,
            expected[one.id].author,
            expected[one.id].time_ms,
            expected[one.id].reference,
        )
    (picture,) = [each.payload for one in posts for each in one.attachments]
    assert picture == PICTURE
    ordered = [one.id for one in posts if one.channel == CHANNELS[0].id]
    assert ordered.index("12") < ordered.index("11"), "milliseconds count"
    if source == "store":
        assert {(one.name, one.category) for one in channels} == {
            (one.name, one.category) for one in CHANNELS
        }
    else:
        assert {one.name for one in channels} == {"11111111", "22222222"}
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert report["messages"] == len(posts)
    assert report["channels"] == len(channels)
    assert report["files"] == len(files)
    assert report["size"] == sum(path.stat().st_size for path in files)
    assert report["unreadable"]["encrypted"] == 1


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in {"src", "href"}]


def test_pages_ask_no_network_and_escape_everything(chat: CommandLine, tmp_path: Path) -> None:
    said = chat("export", "gardeners", "--format", "html", str(tmp_path / "out"))
    assert said.out.startswith("9 messages of 3 channels written to ")
    pages = list((tmp_path / "out").glob("*.html"))
    assert len(pages) == 1 + len(CHANNELS)
    shown = ""
    for file in pages:
        text = file.read_text("utf-8")
        page = Page()
        page.feed(text)
        assert "script" not in page.tags
        assert page.links
        assert all((tmp_path / "out" / link).is_file() for link in page.links)
        shown += text
    assert HOSTILE not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; https://a.b" in shown
    assert "seeds &lt;&amp;&gt; bulbs" in shown
    assert shown.index("the earlier one") < shown.index("the later one")
    assert (tmp_path / "out" / "files").is_dir()


def test_what_is_there_is_never_written_over(chatting: Path, tmp_path: Path) -> None:
    for form in ("jsonl", "html", "discord-json"):
        kept = tmp_path / f"out-{form}"
        kept.mkdir()
        (kept / "mine").write_text("kept")
        arguments = ["gardeners", "--format", form, str(kept), "--data-dir", str(chatting)]
        said = CliRunner().invoke(app, ["export", *arguments])
        assert isinstance(said.exception, DataDirectoryError)
        assert said.exception.explained().startswith(
            f"[data-directory] the export's folder is not empty ({kept})"
        )
        assert [path.name for path in kept.iterdir()] == ["mine"]
    assert len(list(tmp_path.iterdir())) == 3, "nothing is left beside them"


def test_an_export_of_damaged_archives_says_so(chat: CommandLine, tmp_path: Path) -> None:
    shutil.copytree(chat.data_dir / "archives" / ID, tmp_path / "left")
    with (tmp_path / "left" / "1" / "data").open("r+b") as data:
        data.seek(20)
        data.write(b"\xff" * 20)
    said = chat(
        "export", str(tmp_path / "left"), "--format", "html", str(tmp_path / "out"), "--json"
    )
    assert said.code == 4
    assert re.search("  ! archive 0x[0-9a-f]{64}: ", said.err)
    report = json.loads(said.out)
    assert report["messages"] == 2
    assert len(report["problems"]) == 1


def test_a_folder_that_cannot_be_written(chat: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = chat("export", "gardeners", "--format", "html", str(tmp_path / "file" / "out"))
    assert said.code == 1
    assert said.err.startswith("[data-directory] the export cannot be written: ")


def test_it_is_told_how_far_it_is_on_a_terminal_only(chat: CommandLine, tmp_path: Path) -> None:
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "export", "gardeners", "--format", "html", str(tmp_path / "out")],
        env=environment(COMMUNITY_ARCHIVES_DATA_DIR=str(chat.data_dir), TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    out, _ = process.communicate(timeout=PATIENCE)
    with os.fdopen(mine, "rb", buffering=0) as terminal:
        assert b"Exporting" in terminal.read(4096)
    assert process.returncode == 0
    assert "\x1b" not in out
