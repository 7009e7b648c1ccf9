"""Why something that came in was not taken: words that are counted."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """What was wrong with a message. None of it tells anything of the network's health.

    ``OTHER_CHAT`` and ``OTHER_KEY`` are everyday: four bytes of topic are shared by many chats.
    """

    OTHER_VERSION = "not version 1"
    OTHER_CHAT = "on no chat's topic"
    OTHER_KEY = "not encrypted with the chat's key"
    CUT_OFF = "cut off"
    NO_SIZE = "without a size"
    PAST_THE_END = "longer than itself"
    UNSIGNED = "not signed"
    SIGNATURE = "signed by no key"
    SEGMENT_NUMBERS = "segment of impossible numbers"
    SEGMENT_CONTRADICTS = "segment that contradicts another"
    SEGMENT_REPEATED = "segment that was here already"
    SEGMENTS_TOO_LONG = "segments of too long a message"
    SEGMENTS_DIFFER = "segments of another message than they say"
