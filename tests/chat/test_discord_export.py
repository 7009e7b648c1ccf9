"""Posts written as DiscordChatExporter's JSON, and the folder that they appear in."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import CHANNELS, posts
from workflow.chat.discord import export_files, read_export
from workflow.chat.discord_export import discord_export
from workflow.chat.post import Attachment, Author, Channel, Post, Reference
from workflow.errors import DataDirectoryError

POST = Post("1", "7", Author("9", "bob"), 1658137903953, "hello")


@given(CHANNELS, st.lists(posts(), max_size=4))
def test_what_is_written_is_read_again(channel: Channel, drawn: list[Post]) -> None:
    expected = [replace(post, channel=channel.id) for post in drawn]
    with TemporaryDirectory() as folder:
        target = Path(folder) / "export"
        with discord_export(target) as export:
            assert export.write_channel(channel, iter(expected)) == len(expected)
        (file,) = export_files([target])
        assert list(read_export(file)) == [channel, *expected]


def test_the_form_is_discord_chat_exporters(tmp_path: Path) -> None:
    with discord_export(tmp_path / "export") as export:
        reply = replace(POST, id="2", kind="Reply", reference=Reference("1", "7", "5"))
        export.write_channel(Channel("7", "talk", guild="5", guild_name="G"), [POST, reply])
    written = json.loads((tmp_path / "export" / "7.json").read_text("utf-8"))
    assert list(written) == ["guild", "channel", "dateRange", "messages", "messageCount"]
    assert written["guild"] == {"id": "5", "name": "G", "iconUrl": ""}
    assert written["channel"] == {
        "id": "7",
        "type": "GuildTextChat",
        "categoryId": None,
        "category": None,
        "name": "talk",
        "topic": None,
    }
    assert written["messageCount"] == 2
    first, second = written["messages"]
    assert first["timestamp"] == "2022-07-18T09:51:43.953+00:00"
    assert first["timestampEdited"] is None
    assert "reference" not in first
    assert second["reference"] == {"messageId": "1", "channelId": "7", "guildId": "5"}


def test_equal_posts_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with discord_export(tmp_path / name) as export:
            export.write_channel(Channel("7"), [POST])
    assert (tmp_path / "a/7.json").read_bytes() == (tmp_path / "b/7.json").read_bytes()


def test_payloads_lie_beside_the_file_under_harmless_names(tmp_path: Path) -> None:
    attachment = Attachment("4", "../../<evil>.html", 3, "text/html", "https://h/x", b"abc")
    with discord_export(tmp_path / "export") as export:
        export.write_channel(Channel("../A"), [replace(POST, attachments=(attachment,))])
    files = [path for path in (tmp_path / "export").rglob("*") if path.is_file()]
    media, written = sorted(files, key=lambda path: path.suffix)
    assert media.read_bytes() == b"abc"
    assert (media.suffix, written.suffix) == (".bin", ".json")
    assert media.parent.name == f"{written.name}_Files"
    assert written.name == f"id-{sha256(b'../A').hexdigest()[:32]}.json"


class TestTheFolder:
    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), discord_export(tmp_path / "export") as export:
            export.write_channel(Channel("7"), (POST for _ in [1 // 0]))
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_there_before_the_end(self, tmp_path: Path) -> None:
        target = tmp_path / "deep" / "export"
        with discord_export(target) as export:
            export.write_channel(Channel("7"), [POST])
            assert not target.exists()
        assert [path.name for path in target.parent.iterdir()] == ["export"]

    def test_an_empty_folder_is_taken_and_a_full_one_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "export"
        target.mkdir()
        with discord_export(target) as export:
            export.write_channel(Channel("7"), [])
        with pytest.raises(DataDirectoryError, match="not empty"), discord_export(target):
            pass  # pragma: no cover - never entered
        assert [path.name for path in target.iterdir()] == ["7.json"]

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "export").write_text("mine")
        with pytest.raises(DataDirectoryError), discord_export(tmp_path / "export"):
            pass  # pragma: no cover - never entered
        assert (tmp_path / "export").read_text() == "mine"

    def test_what_a_crash_left_is_cleared_away(self, tmp_path: Path) -> None:
        (tmp_path / ".export.incomplete").mkdir()
        (tmp_path / ".export.incomplete" / "7.json").touch()
        with discord_export(tmp_path / "export"):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["export"]
        assert list((tmp_path / "export").iterdir()) == []

    def test_a_channel_is_written_once(self, tmp_path: Path) -> None:
        def twice() -> None:
            with discord_export(tmp_path / "export") as export:
                export.write_channel(Channel("7"), [])
                export.write_channel(Channel("7"), [])

        with pytest.raises(DataDirectoryError, match="File exists"):
            twice()
        assert list(tmp_path.iterdir()) == []
