"""Names, times and channels of posts."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import COMMUNITY_ID, IDS, TIMES
from workflow.chat.post import (
    MAX_TIME_MS,
    Author,
    Channel,
    Post,
    Problem,
    Reference,
    chat_id_of,
    clean,
    time_ms_of,
    time_text,
    unique_names,
)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [
            ("1970-01-01T00:00:00+00:00", 0),
            ("1970-01-01T00:00:00.001Z", 1),
            ("2022-01-04T21:24:50.96+00:00", 1641331490960),
            ("2025-08-14T02:07:52.1177416+00:00", 1755137272117),  # seven digits, as .NET writes
            ("2025-06-11T21:34:24.876+09:00", 1749645264876),
            ("2025-06-11T12:34:24.876+00:00", 1749645264876),  # the same moment
            ("9999-12-31T23:59:59.999+00:00", MAX_TIME_MS),
        ],
    )
    def test_a_time_is_read_to_its_millisecond(self, text: str, milliseconds: int) -> None:
        assert time_ms_of(text) == milliseconds

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "now",
            "2022-01-04",
            "2022-01-04T21:24:50",  # where?
            "2022-13-04T21:24:50Z",
            "2022-01-04T21:24:61Z",
            "1969-12-31T23:59:59Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "1600000000",
        ],
    )
    def test_what_is_no_time_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="time"):
            time_ms_of(text)

    @given(TIMES)
    def test_a_written_time_is_read_again(self, time_ms: int) -> None:
        assert time_ms_of(time_text(time_ms)) == time_ms


class TestChannels:
    def test_a_channels_chat_id_is_the_communitys_and_a_uuid(self) -> None:
        chat_id = chat_id_of(COMMUNITY_ID, "998527456925462549")
        assert chat_id == COMMUNITY_ID + "3ff7fd84-e0ea-57d9-9952-59ec66a4c620"
        assert chat_id_of(COMMUNITY_ID, "998527456925462550") != chat_id

    def test_a_chat_of_the_community_keeps_its_id(self) -> None:
        chat_id = chat_id_of(COMMUNITY_ID, "7")
        assert chat_id_of(COMMUNITY_ID, chat_id) == chat_id

    @pytest.mark.parametrize("rest", ["", "7", "-magnetlinks", "z" * 36, "1" * 36])
    def test_what_only_begins_like_a_chat_id_is_none(self, rest: str) -> None:
        chat_id = chat_id_of(COMMUNITY_ID, COMMUNITY_ID + rest)
        assert chat_id != COMMUNITY_ID + rest
        assert len(chat_id) == len(COMMUNITY_ID) + 36

    @given(st.text(max_size=30))
    def test_any_text_is_an_id(self, channel_id: str) -> None:
        assert len(chat_id_of(COMMUNITY_ID, channel_id)) == len(COMMUNITY_ID) + 36


class TestUniqueNames:
    def test_the_lowest_id_keeps_the_name_in_any_order(self) -> None:
        channels = [
            Channel("10", "general"),
            Channel("9", "General"),
            Channel("11", "general-2"),
            Channel("12", " "),
            Channel("13", "general"),
        ]
        for order in permutations(channels):
            assert unique_names(order) == {
                "9": "General",
                "10": "general-3",
                "11": "general-2",
                "12": "channel",
                "13": "general-4",
            }

    @given(st.lists(st.tuples(IDS, st.sampled_from(["a", "A", "a-2", "", "b"])), max_size=12))
    def test_names_are_unique_and_each_channel_has_one(self, drawn: list[tuple[str, str]]) -> None:
        channels = {id: Channel(id, name) for id, name in drawn}
        names = unique_names(channels.values())
        assert set(names) == set(channels)
        assert len({name.casefold() for name in names.values()}) == len(names)

    def test_a_thousand_equal_names_take_no_time(self) -> None:
        names = unique_names(Channel(str(number), "general") for number in range(5000))
        assert len(set(names.values())) == 5000


def test_the_name_that_is_shown_is_the_best_that_is_known() -> None:
    assert Author("1", "name", "nick").shown == "nick"
    assert Author("1", "name").shown == "name"
    assert Author("1").shown == "1"
    assert Author("").shown == "unknown"


def test_a_post_tells_what_it_replies_to() -> None:
    assert Post("1", "7", Author("1"), 0).reply_to == ""
    assert Post("1", "7", Author("1"), 0, reference=Reference("5")).reply_to == "5"


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert clean("a\ud83dü") == "a?ü"
    assert clean("👋ü") == "👋ü"


def test_a_problem_says_where() -> None:
    assert str(Problem("a.json", 3, "cut off")) == "a.json, 3: cut off"
    assert str(Problem("a.json", 0, "no export")) == "a.json: no export"
