"""A link comes in: nothing of it is believed before it is verified, and every refusal is counted.

It comes over a network that repeats and reorders, from anyone; by hand; or in the answer to who
wants to join. It counts when the community's control key signed exactly these bytes and its clock
is newer than any before. A link that nobody signed counts for as long as there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from states.community import Facts, has_generation, link_is_wanted
from workflow.actions.tools import Tools
from workflow.archive.announcement import (
    MAX_CHANNELS,
    Announcement,
    SignedAnnouncement,
    SignedDescription,
    names_another,
)
from workflow.errors import LinkRefusedError, LocatorInvalidError
from workflow.ports.records import UNSIGNED_LINK, Channel, Community, Link
from workflow.ports.work import Transaction
from workflow.waku.chats import topic_of

FAR_FUTURE: Final = 3600.0
"""Seconds that an announcement's clock may be ahead of ours."""
ANOTHER_DEVICE: Final = "another device announces"


class Reason(Enum):
    """Why a link was refused: all reasons there are, so that nobody can make up another.

    The first of each pair is what is counted, the second is said to a person.
    """

    WRONG_SIGNER = "wrong signer", "the community's control key did not sign it"
    OUR_OWN = "our own", "this device has sent it"
    TO_THE_OWNER = "link to the control node", "this device controls the community and announces"
    ANOTHER_COMMUNITY = "link of another community", "it names another community"
    FAR_FUTURE = "clock far in the future", "its clock is more than an hour ahead"
    OLDER_THAN_PUBLIC = (
        "older than the description",
        "the community's description names a newer one",
    )
    OLDER = "older clock", "a newer one is known"
    REPEATED = "repeated", "it is known"
    LOCATOR_INVALID = LocatorInvalidError.code, "it leads nowhere that can be followed from here"
    SIGNED_IS_KNOWN = "signed link is known", "a signed link is known, and an unsigned one is older"

    def __init__(self, counted: str, words: str) -> None:
        self.counted = counted
        self.words = words


def refused(reason: Reason, community: str, problem: str = "") -> LinkRefusedError:
    """The error that says so; that something of our own comes back is not worth a remark."""
    return LinkRefusedError(
        f"the link is refused: {problem or reason.words}",
        reason=reason.counted,
        place=community,
        is_counted=reason is not Reason.OUR_OWN,
    )


@dataclass(frozen=True, slots=True)
class ReceiveLink:
    """The writes of a link_received event. Raises ``LinkRefusedError`` and writes nothing then."""

    tools: Tools
    community: str
    opened: SignedAnnouncement

    def __call__(self, tx: Transaction) -> None:
        """Store the link as the newest one, or refuse it."""
        store = self.tools.store
        community = store.community(tx, self.community)
        announcement = self.opened.announcement
        _check_signer(community, self.opened.signer)
        if store.is_own_announcement(tx, community.id, self.opened.message):
            raise refused(Reason.OUR_OWN, community.id)
        _check_locator(self.tools, community.id, announcement.locator)
        _check_clock_is_near(self.tools, tx, community.id, announcement.clock)
        if announcement.clock < store.description_clock(tx, community.id):
            raise refused(Reason.OLDER_THAN_PUBLIC, community.id)
        facts = _store_newer(self.tools, tx, community.id, announcement, self.opened.message)
        if _is_in_control(facts) and has_generation(facts):
            # Somebody else has our key. Two who announce would lead the members to and fro. That
            # our own copy of the key may be away just now changes nothing about it.
            store.hand_over(tx, community.id, community.control_key)
            store.set_condition(tx, community.id, ANOTHER_DEVICE)


@dataclass(frozen=True, slots=True)
class ReceiveJoinResponse:
    """The writes of a link_received event for the link in a join response.

    Its clock is that of the community's description, no later than the moment of sending: every
    announcement since then is newer. The clock of links in the description is no measure for it.
    Raises ``LinkRefusedError``, always on the control node: members could send it theirs back.
    """

    tools: Tools
    community: str
    signer: bytes
    announcement: Announcement

    def __call__(self, tx: Transaction) -> None:
        """Store the link as the newest one, or refuse it."""
        community = self.tools.store.community(tx, self.community)
        _check_signer(community, self.signer)
        if _is_in_control(self.tools.facts(tx, community.id)):
            raise refused(Reason.TO_THE_OWNER, community.id)
        _check_locator(self.tools, community.id, self.announcement.locator)
        _check_clock_is_near(self.tools, tx, community.id, self.announcement.clock)
        _store_newer(self.tools, tx, community.id, self.announcement, b"")


@dataclass(frozen=True, slots=True)
class FollowUnsigned:
    """The writes of a link_received event for a link that a person trusts, and nobody signed.

    Its clock is 0, so every signed link is newer. Raises ``LinkRefusedError``.
    """

    tools: Tools
    community: str
    locator: str

    def __call__(self, tx: Transaction) -> None:
        """Store the link as the newest one with the condition that says so, or refuse it."""
        store, now = self.tools.store, self.tools.clock.now()
        id = store.community(tx, self.community).id
        facts, known = self.tools.facts(tx, id), store.link(tx, id)
        if _is_in_control(facts):
            raise refused(Reason.TO_THE_OWNER, id)
        if (known is not None and known.clock > 0) or facts.announced_clock > 0:
            raise refused(Reason.SIGNED_IS_KNOWN, id)
        _check_locator(self.tools, id, self.locator)
        store.set_link(tx, Link(id, 0, self.locator, b"", now, now))
        store.set_condition(tx, id, UNSIGNED_LINK)


@dataclass(frozen=True, slots=True)
class ReceiveDescription:
    """What a description says of links and channels is kept. Raises ``LinkRefusedError``."""

    tools: Tools
    community: str
    opened: SignedDescription

    def __call__(self, tx: Transaction) -> bool:
        """Raise the clock of the description, and add channels; True unless nothing is new.

        Networks repeat, so a description may be an old one: no channel is taken away or renamed.
        There are ``MAX_CHANNELS`` at most.
        """
        store = self.tools.store
        community = store.community(tx, self.community)
        _check_signer(community, self.opened.signer)
        _check_clock_is_near(self.tools, tx, community.id, self.opened.magnetlink_clock)
        before = store.description_clock(tx, community.id)
        store.raise_description_clock(tx, community.id, self.opened.magnetlink_clock)
        known = {one.chat_id: one.name for one in store.channels(tx, community.id)}
        told = {community.id + uuid: name for uuid, name in self.opened.channels.items()}
        new = [
            Channel(topic_of(chat), chat, name)
            for chat, name in told.items()
            if chat not in known or (name and not known[chat])
        ]
        for channel in new[: max(0, MAX_CHANNELS - len(known))]:
            store.add_channel(tx, community.id, channel)
        return self.opened.magnetlink_clock > before or bool(new)


def _check_signer(community: Community, signer: bytes) -> None:
    if signer != community.control_key:
        raise refused(Reason.WRONG_SIGNER, community.id)


def _check_locator(tools: Tools, community: str, locator: str) -> None:
    if names_another(locator, community):
        raise refused(Reason.ANOTHER_COMMUNITY, community)
    try:
        tools.carrier.check_locator(locator)
    except LocatorInvalidError as error:
        raise refused(Reason.LOCATOR_INVALID, community, error.message) from error


def _check_clock_is_near(tools: Tools, tx: Transaction, community: str, clock: int) -> None:
    known = tools.store.link(tx, community)
    # A clock that was accepted while clocks were ahead has to be outbid for ever after.
    newest = max(tools.clock.now() * 1000, known.clock if known is not None else 0)
    if clock > newest + FAR_FUTURE * 1000:
        raise refused(Reason.FAR_FUTURE, community)


def _store_newer(
    tools: Tools, tx: Transaction, community: str, announcement: Announcement, message: bytes
) -> Facts:
    """Store a link that is newer than the newest one; returns the facts before."""
    known, now = tools.store.link(tx, community), tools.clock.now()
    clock, locator = announcement.clock, announcement.locator
    if known is not None and clock <= known.clock:
        is_repeat = (clock, locator) == (known.clock, known.locator)
        raise refused(Reason.REPEATED if is_repeat else Reason.OLDER, community)
    facts = tools.facts(tx, community)
    is_waiting = known is not None and link_is_wanted(facts)
    first_at = known.first_at if known is not None and is_waiting else now
    tools.store.set_link(tx, Link(community, clock, locator, message, first_at, now))
    return facts


def _is_in_control(facts: Facts) -> bool:
    return facts.is_control_device and facts.epoch_matches
