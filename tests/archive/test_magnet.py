"""Magnet links. The first one was made by status-go."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflow.archive.magnet import MAX_TRACKERS, Magnet, magnet_uri, parse_magnet
from workflow.errors import MagnetInvalidError

COMMUNITY = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
HASH = "a8b23ed896cfdf1d73de7491d1ae9e078a8e3af9"
OTHER = "0123456789abcdef0123456789abcdef01234567"
TRACKERS = (
    "udp://tracker.opentrackr.org:1337/announce",
    "udp://tracker.openbittorrent.com:6969/announce",
)
RECORDED = (
    f"magnet:?xt=urn:btih:{HASH}&dn={COMMUNITY}"
    "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce"
    "&tr=udp%3A%2F%2Ftracker.openbittorrent.com%3A6969%2Fannounce"
)
V2 = "xt=urn:btmh:1220" + "cd" * 32
FOREIGN_LINKS = Path(__file__).parents[3] / "shared" / "data" / "torrents" / "magnets.tsv"

PRINTABLE = st.text(max_size=30).filter(str.isprintable)


class TestWriting:
    def test_a_link_is_the_reference_s(self) -> None:
        assert magnet_uri(HASH, COMMUNITY, TRACKERS) == RECORDED

    def test_what_is_not_there_is_left_out(self) -> None:
        assert magnet_uri(HASH, "", ()) == f"magnet:?xt=urn:btih:{HASH}"

    @given(PRINTABLE.filter(bool))
    @example("a b+c%20/~é€𝄞-_.")
    def test_text_is_escaped_like_a_form(self, name: str) -> None:
        assert magnet_uri(HASH, name, ()).split("&dn=")[1] == quote_plus(name, safe="")

    @pytest.mark.parametrize(
        ("info_hash", "name", "trackers"),
        [
            (HASH.upper(), "", ()),
            (HASH[1:], "", ()),
            ("0" * 40, "", ()),
            (HASH + "&x=1", "", ()),
            (f"{HASH}&tr=udp%3A%2F%2Fa", "", ()),
            ("é" * 40, "", ()),
            (HASH, "line\nbreak", ()),
            (HASH, "\ud800", ()),
            (HASH, "", ("",)),
            (HASH, "", ("udp://\x1b[2J",)),
            (HASH, "", tuple(map(str, range(MAX_TRACKERS + 1)))),
            (HASH, "n" * 4096, ()),
        ],
    )
    def test_a_link_that_nobody_could_read_back_is_not_written(
        self, info_hash: str, name: str, trackers: tuple[str, ...]
    ) -> None:
        with pytest.raises(MagnetInvalidError):
            magnet_uri(info_hash, name, trackers)


class TestReading:
    def test_the_reference_s_link(self) -> None:
        assert parse_magnet(RECORDED) == Magnet(HASH, COMMUNITY, TRACKERS)

    @given(
        st.integers(1, 2**160 - 1).map(lambda number: f"{number:040x}"),
        PRINTABLE,
        st.lists(PRINTABLE.filter(bool), max_size=8).map(tuple),
    )
    def test_what_is_written(self, info_hash: str, name: str, trackers: tuple[str, ...]) -> None:
        uri = magnet_uri(info_hash, name, trackers)
        assert parse_magnet(uri) == Magnet(info_hash, name, trackers)

    @pytest.mark.parametrize(
        ("link", "magnet"),
        [
            (f"magnet:?xt=urn:btih:{HASH}", Magnet(HASH)),
            (f"MAGNET:?xt=URN:BTIH:{HASH.upper()}", Magnet(HASH)),
            (f"magnet:?xt=urn%3abtih%3A{HASH}", Magnet(HASH)),
            (f"magnet:?x%74=urn:btih:{HASH}", Magnet(HASH)),
            (f"magnet:?xt.1=urn:btih:{HASH}", Magnet(HASH)),
            (f"magnet:?&&dn&tr=&xt=urn:btih:{HASH}&", Magnet(HASH)),
            (f"magnet:?xt=urn:btih:{HASH}&xt=urn:btih:{HASH.upper()}", Magnet(HASH)),
            (f"magnet:?xt=urn:ed2k:31d6cfe0&xt=urn:btih:{HASH}", Magnet(HASH)),
            (
                "magnet:?xt=urn:btih:ZOCMZQIPFFW7OLLMIC5HUB6BPCSDEOQU",
                Magnet("cb84ccc10f296df72d6c40ba7a07c178a4323a14"),
            ),
            (
                "magnet:?xt=urn:btih:abaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Magnet("0040000000000000000000000000000000000000"),
            ),
            (f"magnet:?dn=a+b%2Bc&dn=other&xt=urn:btih:{HASH}", Magnet(HASH, "a b+c")),
            (
                f"magnet:?tr.2=udp://b&tr=udp://a&tr.a=udp://c&xt=urn:btih:{HASH}",
                Magnet(HASH, "", ("udp://b", "udp://a")),
            ),
            (
                f"magnet:?xt=urn:btih:{HASH}&ws=http://10.0.0.1/&x.pe=127.0.0.1:1&dht=a&xs=%zz",
                Magnet(HASH),
            ),
            (f"magnet:?XT=urn:btih:{OTHER}&xt=urn:btih:{HASH}", Magnet(HASH)),
        ],
    )
    def test_a_link_of_another_program(self, link: str, magnet: Magnet) -> None:
        assert parse_magnet(link) == magnet

    @pytest.mark.parametrize(
        ("link", "complaint"),
        [
            ("", "begins with"),
            ("magnet:", "begins with"),
            (f"magnet://?xt=urn:btih:{HASH}", "begins with"),
            (f" magnet:?xt=urn:btih:{HASH}", "begins with"),
            (f"http://example.org/?xt=urn:btih:{HASH}", "begins with"),
            ("magnet:?", "0 info-hashes"),
            ("magnet:?dn=name", "0 info-hashes"),
            (f"magnet:?XT=urn:btih:{HASH}", "0 info-hashes"),
            ("magnet:?xt=urn:sha1:PDAQRAOQQRYS76MRZJ33LK4MMVZBDSCL", "0 info-hashes"),
            (f"magnet:?xt=urn:btih:{HASH}&xt=urn:btih:{OTHER}", "2 info-hashes"),
            (f"magnet:?xt=urn:btih:{HASH}&xt.1=urn:btih:{OTHER}", "2 info-hashes"),
            (f"magnet:?xt=urn:btih:{HASH}&%78t=URN:btih:{OTHER}", "2 info-hashes"),
            (f"magnet:?xt=urn:btih:{HASH}&{V2}", "version 2"),
            (f"magnet:?{V2}", "version 2"),
            ("magnet:?xt=urn:btih:", "not one of version 1"),
            (f"magnet:?xt=urn:btih:{HASH[1:]}", "not one of version 1"),
            (f"magnet:?xt=urn:btih:{HASH}0", "not one of version 1"),
            (f"magnet:?xt=urn:btih:{HASH}#fragment", "not one of version 1"),
            (f"magnet:?xt=urn:btih:{HASH};dn=name", "not one of version 1"),
            ("magnet:?xt=urn:btih:" + "0" * 40, "not one of version 1"),
            ("magnet:?xt=urn:btih:" + "a" * 32, "not one of version 1"),
            ("magnet:?xt=urn:btih:" + "1" * 32, "not one of version 1"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%", "two hex digits"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%f", "two hex digits"),
            (f"magnet:?xt=urn:btih:{HASH}&tr=%-1", "two hex digits"),
            (f"magnet:?xt=urn:btih:{HASH}&%zz=", "two hex digits"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%FF", "UTF-8"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%ED%A0%80", "UTF-8"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%00", "cannot be shown"),
            (f"magnet:?xt=urn:btih:{HASH}&tr=%1B%5B2J", "cannot be shown"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=%E2%80%AE", "cannot be shown"),
            (f"magnet:?xt=urn:btih:{HASH}\n", "cannot be shown"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=é", "ASCII"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=\ud800", "ASCII"),
            (f"magnet:?xt=urn:btih:{HASH}" + "&tr=a" * 65, "more than 64 trackers"),
            (f"magnet:?xt=urn:btih:{HASH}&dn=" + "n" * 4033, "longer than 4096"),
            ("&" * 1_000_000, "longer than 4096"),
        ],
    )
    def test_what_is_not_one_torrent_s_link_is_refused(self, link: str, complaint: str) -> None:
        with pytest.raises(MagnetInvalidError, match=complaint):
            parse_magnet(link)

    def test_a_link_may_have_4096_characters_and_64_trackers(self) -> None:
        link = f"magnet:?xt=urn:btih:{HASH}" + "&tr=a" * 64
        link += "&dn=" + "n" * (4096 - len(link) - 4)
        assert len(parse_magnet(link).trackers) == 64

    @given(
        st.sampled_from(["", "magnet:?", f"magnet:?xt=urn:btih:{HASH}&"]),
        st.text(max_size=80) | st.text("%+&=.123xtdnrurn:bihABf", max_size=80),
    )
    def test_any_text_is_read_or_refused_by_name(self, beginning: str, text: str) -> None:
        try:
            magnet = parse_magnet(beginning + text)
        except MagnetInvalidError:
            return
        uri = magnet_uri(magnet.info_hash, magnet.name, magnet.trackers)
        assert parse_magnet(uri) == magnet


def test_links_that_other_programs_test_with() -> None:
    """Theirs for one torrent of version 1 are read, whatever stands beside; all others are not."""
    if not FOREIGN_LINKS.exists():
        pytest.skip(f"the foreign links are not there: {FOREIGN_LINKS.name}")
    readable = {"btih-hex", "btih-base32", "other-urn+btih-hex"}
    rows = [line.split("\t") for line in FOREIGN_LINKS.read_text().splitlines()[1:]]
    assert len(rows) > 50
    for verdict, _, link in rows:
        if verdict in readable:
            assert parse_magnet(link).info_hash.strip("0")
        else:
            with pytest.raises(MagnetInvalidError):
                parse_magnet(link)
