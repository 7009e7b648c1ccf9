"""Which files are exports, the attachments beside them, and real exports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chat.sample_exports import export, message, read
from workflow.chat.discord import export_files, read_export
from workflow.chat.media import MAX_MEDIA_LENGTH
from workflow.chat.post import Channel, Post, Problem
from workflow.errors import ExportInvalidError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "discord"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talk.json"


class TestMedia:
    def attached(self, file: Path, *urls: str) -> tuple[list[bytes | None], list[Problem]]:
        described = [{"id": "4", "fileName": "a.png", "url": url} for url in urls]
        (post,), problems = read(file, export(message(attachments=described)))
        return [attachment.payload for attachment in post.attachments], problems

    def test_a_file_beside_the_export_goes_into_the_post(self, file: Path) -> None:
        folder = file.parent / "talk.json_Files"
        folder.mkdir()
        (folder / "a.png").write_bytes(b"abc")
        (folder / "empty.png").touch()
        for url in ("talk.json_Files/a.png", "talk.json_Files\\a.png"):
            assert self.attached(file, url) == ([b"abc"], [])
        assert self.attached(file, "talk.json_Files/empty.png") == ([None], [])

    @pytest.mark.parametrize(
        "url", ["", "https://h/a.png", "//h/a.png", "data:,x", "file:///etc/x"]
    )
    def test_nothing_is_fetched(self, file: Path, url: str) -> None:
        assert self.attached(file, url) == ([None], [])

    @pytest.mark.parametrize(
        "url",
        [
            "/etc/passwd",
            "../secret",
            "sub/../../secret",
            "C:\\secret",
            "c:secret",
            "..\\secret",
            "link",
            "sub",
            "missing.png",
            "a\x00b",
            "x" * 5000,
            "pipe",
        ],
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, tmp_path: Path, url: str) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        folder = tmp_path / "export"
        (folder / "sub").mkdir(parents=True)
        (folder / "link").symlink_to(tmp_path / "secret")
        os.mkfifo(folder / "pipe")
        payloads, (problem,) = self.attached(folder / "talk.json", url)
        assert payloads == [None]
        assert problem.position == 1

    def test_attachments_share_the_room_of_a_message(self, file: Path) -> None:
        with (file.parent / "big").open("wb") as big:
            big.truncate(MAX_MEDIA_LENGTH)
        (file.parent / "small").write_bytes(b"a")
        payloads, (problem,) = self.attached(file, "big", "small")
        assert payloads[1] is None
        assert payloads[0] == bytes(MAX_MEDIA_LENGTH)
        assert "longer than the 0 bytes that are left" in problem.what


class TestFolders:
    def test_parts_follow_each_other(self, tmp_path: Path) -> None:
        names = ["b.json", "a [part 10].json", "a.json", "a [part 2].json", "c/d.JSON"]
        for name in [*names, "x.txt", "a.json_Files/data.json"]:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "link.json").symlink_to(tmp_path / "b.json")
        (tmp_path / "loop").symlink_to(tmp_path)
        (tmp_path / "folder.json").mkdir()
        expected = ["a.json", "a [part 2].json", "a [part 10].json", "b.json", "c/d.JSON"]
        assert export_files([tmp_path]) == [tmp_path / name for name in expected]

    def test_files_are_taken_as_they_are_named_and_once(self, tmp_path: Path) -> None:
        (tmp_path / "b.json").touch()
        (tmp_path / "a.txt").touch()
        named = [tmp_path / "b.json", tmp_path / "a.txt", tmp_path]
        assert export_files(named) == [tmp_path / "b.json", tmp_path / "a.txt"]

    def test_nothing_there_is_refused_by_name(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "missing"):
            with pytest.raises(ExportInvalidError, match="no export is there"):
                export_files([path])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real exports are not beside this repository")
class TestRealExports:
    @pytest.mark.parametrize(
        ("name", "posts", "problems"),
        [
            ("cre8r-dao/damo-labs.json", 39, 0),
            ("cre8r-dao/rules.json", 1, 0),
            ("cre8r-dao/welcome-and-hellos.TRUNCATED.json", 327, 1),
            ("offset-0900-overlapping/messages_1159487918512017488_20250611_215746.json", 2, 0),
            ("offset-0900-overlapping/messages_1159487918512017488_20250611_220037.json", 3, 0),
            ("offset-0900-overlapping/test_messages.TRUNCATED.json", 7, 1),
        ],
    )
    def test_they_are_read(self, name: str, posts: int, problems: int) -> None:
        found = list(read_export(REAL / name))
        assert isinstance(found[0], Channel)
        assert sum(isinstance(each, Post) for each in found) == posts
        assert sum(isinstance(each, Problem) for each in found) == problems

    def test_overlapping_exports_agree_on_what_they_share(self) -> None:
        by_id: dict[str, set[Post]] = {}
        for file in export_files([REAL / "offset-0900-overlapping"]):
            for each in read_export(file):
                if isinstance(each, Post):
                    by_id.setdefault(each.id, set()).add(each)
        shared = by_id["1382337174048866385"]
        assert {post.time_ms for post in shared} == {1749645264876}
        assert {post.text for post in shared} == {next(iter(shared)).text}
