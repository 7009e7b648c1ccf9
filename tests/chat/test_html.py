"""Pages for people, from words of strangers."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import CHANNELS, posts
from workflow.chat import html
from workflow.chat.html import html_export
from workflow.chat.media import content_type_of, safe_name, stored_name
from workflow.chat.post import Attachment, Author, Channel, Post, Reference

POST = Post("1", "7", Author("9", "bob"), 1658137903953, "hello")
EVIL = "<script>alert(1)</script>\"'>&<img src=http://evil/x onerror=x>\x00\x1b\u202eabc\ud83d"
ALLOWED = {
    "a", "article", "b", "bdi", "blockquote", "body", "div", "h1", "h2", "head", "header", "html",
    "i", "main", "meta", "nav", "p", "section", "small", "style", "time", "title",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser sees: the elements, their attributes and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data

    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name in {"href", "src"}]


def written(folder: Path, *channels: tuple[Channel, list[Post]]) -> dict[str, Page]:
    with html_export(folder / "pages") as export:
        for channel, found in channels:
            assert export.write_channel(channel, iter(found)) == len(found)
    return {path.name: Page(path) for path in (folder / "pages").glob("*.html")}


def assert_harmless(folder: Path, pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        source = (folder / "pages" / name).read_text("utf-8")
        assert page.tags <= ALLOWED
        assert "default-src 'none'" in source.partition("</head>")[0]
        assert {name for name, _ in page.attributes} <= {
            "charset", "class", "content", "datetime", "dir", "href", "http-equiv", "lang", "name",
        }  # fmt: skip
        for link in page.links():
            assert (folder / "pages" / link).is_file()
        assert "url(" not in source.partition("</style>")[0]
        assert "@import" not in source.partition("</style>")[0]


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    attachment = Attachment(EVIL, EVIL, 3, EVIL, "http://evil/x", b"abc")
    post = Post(
        EVIL, EVIL, Author(EVIL, EVIL, EVIL, EVIL, EVIL), 5, EVIL, EVIL, Reference(EVIL, EVIL),
        6, (attachment, replace(attachment, payload=None)),
    )  # fmt: skip
    channel = Channel(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL)
    pages = written(tmp_path, (channel, [post, replace(post, reference=Reference("x"))]))
    assert_harmless(tmp_path, pages)
    for page in pages.values():
        assert "<script>alert(1)</script>" in page.words
        assert "\x1b" not in page.words
        assert "\x00" not in page.words


@given(CHANNELS, st.lists(posts(), max_size=5))
def test_any_words_stay_words(channel: Channel, found: list[Post]) -> None:
    with TemporaryDirectory() as folder:
        assert_harmless(Path(folder), written(Path(folder), (channel, found)))


def test_addresses_stay_text(tmp_path: Path) -> None:
    url = "https://example.org/?a=1&b=2"
    page = written(tmp_path, (Channel("7"), [replace(POST, text=url)]))["channel-7-1.html"]
    assert url in page.words
    assert page.links() == ["index.html", "index.html"]


class TestPages:
    def test_a_long_channel_is_divided_and_linked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(html, "POSTS_ON_A_PAGE", 2)
        found = [replace(POST, id=str(number), text=f"text {number}") for number in range(5)]
        pages = written(tmp_path, (Channel("7", "talk"), found))
        assert sorted(pages) == [*(f"channel-7-{page}.html" for page in (1, 2, 3)), "index.html"]
        for number in range(5):
            assert f"text {number}" in pages[f"channel-7-{number // 2 + 1}.html"].words
        assert set(pages["channel-7-1.html"].links()) == {"index.html", "channel-7-2.html"}
        assert "channel-7-1.html" in pages["channel-7-2.html"].links()
        assert set(pages["channel-7-3.html"].links()) == {"index.html", "channel-7-2.html"}
        assert pages["index.html"].links() == ["channel-7-1.html"]

    def test_a_full_page_has_no_empty_one_after_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(html, "POSTS_ON_A_PAGE", 2)
        pages = written(tmp_path, (Channel("7"), [POST, POST]), (Channel("8"), []))
        assert sorted(pages) == ["channel-7-1.html", "channel-8-1.html", "index.html"]

    def test_long_texts_end_a_page_early(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(html, "TEXT_ON_A_PAGE", 10)
        pages = written(tmp_path, (Channel("7"), [replace(POST, text="x" * 10)] * 2))
        assert "channel-7-2.html" in pages

    def test_posts_of_one_author_stand_together(self, tmp_path: Path) -> None:
        later = replace(POST, id="2", time_ms=POST.time_ms + 60_000)
        much_later = replace(POST, id="3", time_ms=POST.time_ms + 60 * 60_000)
        other = replace(much_later, id="4", author=Author("8", "zoe"))
        next_day = replace(other, id="5", time_ms=POST.time_ms + 24 * 60 * 60_000)
        found = [POST, later, much_later, other, next_day]
        page = written(tmp_path, (Channel("7"), found))["channel-7-1.html"]
        assert (page.words.count("bob"), page.words.count("zoe")) == (2, 2)
        assert "2022-07-18" in page.words
        assert "2022-07-19" in page.words

    def test_a_reply_quotes_what_is_on_its_page(self, tmp_path: Path) -> None:
        reply = replace(POST, id="2", text="yes", reference=Reference("1"))
        lost = replace(POST, id="3", reference=Reference("0"))
        long = replace(POST, id="4", text="y" * 500 + "\nz")
        page = written(
            tmp_path,
            (Channel("7"), [POST, reply, lost, long, replace(reply, reference=Reference("4"))]),
        )["channel-7-1.html"]
        assert "bob hello" in page.words
        assert "an earlier message" in page.words
        assert "bob " + "y" * 120 + "…" in page.words

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            ("ChannelPinnedMessage", "pinned a message"),
            ("Unpin", "unpinned a message"),
            ("Delete", "deleted a message"),
            ("Edit", "edited a message: hello"),
            ("Reaction", "reacted with hello"),
            ("ReactionRemoved", "took back the reaction hello"),
            ("GuildNews", "hello"),
        ],
    )
    def test_what_is_no_message_is_told(self, tmp_path: Path, kind: str, told: str) -> None:
        post = replace(POST, kind=kind, reference=Reference("0"))
        page = written(tmp_path, (Channel("7"), [post]))["channel-7-1.html"]
        assert told.replace(" ", "") in page.words.replace(" ", "")

    def test_a_payload_is_a_file_beside_the_pages(self, tmp_path: Path) -> None:
        picture = Attachment("1", "a.png", 3, "image/png", "https://h/a.png", b"abc")
        page = Attachment("2", "b.html", 3, "text/html", "", b"abc")
        named = Attachment("3", "", 5)
        post = replace(POST, text="", attachments=(picture, page, named))
        words = written(tmp_path, (Channel("7"), [post]))["channel-7-1.html"]
        files = sorted((tmp_path / "pages" / "files").iterdir())
        assert [file.suffix for file in files] == [".bin", ".png"]
        assert {file.read_bytes() for file in files} == {b"abc"}
        assert "attachment 5 bytes" in words.words


class TestTheIndex:
    def test_channels_are_sorted_by_category_and_name(self, tmp_path: Path) -> None:
        channels = [
            Channel("1", "zoo", "B", topic="animals"),
            Channel("2", "Ant", "B", guild_name="Guild"),
            Channel("3", "plain"),
            Channel("4"),
        ]
        later = replace(POST, time_ms=POST.time_ms + 48 * 60 * 60_000)
        found: list[list[Post]] = [[POST, later], [POST], [], []]
        index = written(tmp_path, *zip(channels, found, strict=True))["index.html"]
        assert index.links() == [f"channel-{number}-1.html" for number in (4, 3, 2, 1)]
        words = " ".join(index.words.split())
        assert "Archive" in words
        assert "4 channels, 3 messages" in words
        assert "Channels # 4 0 messages # plain 0 messages" in words
        assert "B # Ant 1 message, 2022-07-18" in words
        assert "# zoo 2 messages, 2022-07-18 to 2022-07-20animals" in words

    def test_without_channels_it_is_there_too(self, tmp_path: Path) -> None:
        assert "0 channels, 0 messages" in written(tmp_path)["index.html"].words


class TestNames:
    @pytest.mark.parametrize("id_", ["7", "0x02ab-11", "a" * 120])
    def test_a_harmless_id_names_its_file(self, id_: str) -> None:
        assert safe_name(id_) == id_

    @pytest.mark.parametrize(
        "id_", ["", "A", "..", "a/b", "a.b", "a" * 121, "id-7", "\x00", "\ud83d"]
    )
    def test_any_other_is_hashed(self, id_: str) -> None:
        name = safe_name(id_)
        assert name.startswith("id-")
        assert len(name) == 35

    def test_an_ending_is_kept_where_it_is_harmless(self) -> None:
        assert stored_name(Attachment("1", "A.PNG", payload=b"abc")) == (
            "ba7816bf8f01cfea414140de5dae2223.png"
        )
        for name in ("a.html", "a.svg", "a.exe", "png", ".", "a.png/../x"):
            assert stored_name(Attachment("1", name, payload=b"abc")).endswith((".bin", ".png"))

    def test_a_media_type_is_told_by_the_ending(self) -> None:
        assert content_type_of("a.b.JPG") == "image/jpeg"
        assert content_type_of("a.html") == ""
