"""Links by hand and in other messages: passed on, taken in, and verified like those of the network.

What the network brings by itself is not here; this is for people, and for whoever embeds a node
and has an application's join responses and descriptions in hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from workflow.actions.receive_link import (
    FollowUnsigned,
    Reason,
    ReceiveDescription,
    ReceiveJoinResponse,
    ReceiveLink,
)
from workflow.actions.tools import Tools
from workflow.archive.announcement import (
    Announcement,
    describe,
    from_line,
    open_announcement,
    open_description,
    open_join_response,
    to_line,
)
from workflow.engine.engine import Engine
from workflow.errors import LinkRefusedError, NothingAnnouncedError
from workflow.library import Library
from workflow.links import Links
from workflow.ports.work import Transaction, Writes

KNOWN: Final = (Reason.REPEATED.counted, Reason.OUR_OWN.counted)


@dataclass(frozen=True, slots=True)
class ReceivedLink:
    """A link that was taken in, of the community with this id; it was known unless ``is_new``.

    ``clock`` is in milliseconds; of a link in a join response it is the response's, and of an
    unsigned one 0.
    """

    community: str
    clock: int
    locator: str
    is_new: bool


class Announcing(Library):
    """The verbs of a node that concern links."""

    def __init__(self, engine: Engine, tools: Tools, links: Links) -> None:
        super().__init__(engine, tools)
        self._links = links

    @property
    def address(self) -> str:
        """Where a process on this machine reaches the network of files; empty for nowhere."""
        return self._tools.carrier.address

    async def announcement(self, id: str) -> str:
        """The community's newest announcement, sent or received, as a line to be passed on.

        Raises ``UnknownCommunityError``, and ``NothingAnnouncedError`` when there is none.
        """
        return await self.engine.run(lambda tx: announcement_of(tx, self._tools, id))

    async def receive_announcement(self, line: str) -> ReceivedLink:
        """Take an announcement that a person was given, verified as if the network had brought it.

        Raises ``AnnouncementInvalidError``, ``UnknownCommunityError``, and ``LinkRefusedError``
        with the reason. One that is known already is no error.
        """
        id, message = from_line(line)
        await self._known(id)
        async with self._links.counted(id):
            opened = open_announcement(message)
        writes = ReceiveLink(self._tools, id, opened)
        return await self._received(id, opened.announcement, writes)

    async def follow_unsigned(self, id: str, locator: str) -> ReceivedLink:
        """Follow a bare link (a magnet link, for BitTorrent) that nobody signed, until one is.

        ``status`` says so from now on, until a signed link has led to its archives. Raises
        ``UnknownCommunityError``, and ``LinkRefusedError`` on the control node, when a signed link
        is known, and for what the network of files could never follow.
        """
        await self._known(id)
        writes = FollowUnsigned(self._tools, id, locator)
        return await self._received(id, Announcement(0, locator), writes)

    async def magnet_for(self, id: str) -> str | None:
        """The locator of the community's archives: what an owner puts into a join response.

        None while they are not live here. Raises ``UnknownCommunityError``.
        """

        def live(tx: Transaction) -> str | None:
            facts = self._tools.facts(tx, self._store.community(tx, id).id)
            return facts.locator if facts.torrent_is_live else None

        return await self.engine.run(live)

    async def receive_join_response(self, message: bytes) -> ReceivedLink | None:
        """Take the link in a CommunityRequestToJoinResponse (type 48, wrapped or not).

        None when it carries none. Raises ``AnnouncementInvalidError``, ``UnknownCommunityError``,
        and ``LinkRefusedError`` unless the control key of the community that it names signed it,
        on the control node, and when a link is known that is as new.
        """
        response = open_join_response(message)
        await self._known(response.community)
        if response.announcement is None:
            return None
        writes = ReceiveJoinResponse(
            self._tools, response.community, response.signer, response.announcement
        )
        return await self._received(response.community, response.announcement, writes)

    async def receive_description(self, id: str, message: bytes) -> bool:
        """Keep what a CommunityDescription (type 25, wrapped or not) says of links and channels.

        Links older than the newest one are refused from now on; the one that it speaks of is not.
        Channels that are not known are added. True when it says something new. Raises
        ``AnnouncementInvalidError``, ``UnknownCommunityError``, and ``LinkRefusedError`` unless the
        community's control key signed it, or its clock is ahead.
        """
        await self._known(id)
        async with self._links.counted(id):
            opened = open_description(message)
            return await self.engine.run(ReceiveDescription(self._tools, id, opened))

    async def describe(self, id: str, description: bytes, *, publish: bool = True) -> bytes:
        """The community's description with the clock of the newest link in it, signed and sent.

        ``description`` is what the owner's application has: a CommunityDescription, signed or not.
        Its own clock is the application's to raise. Returns the signed message. Raises
        ``AnnouncementInvalidError``, ``UnknownCommunityError``, ``KeyFileError`` without the
        community's key, and ``MessagingError``.
        """
        known, clock = await self.engine.run(
            lambda tx: (self._store.community(tx, id), self._store.description_clock(tx, id))
        )
        sign = partial(self._tools.keys.sign, known.control_key)
        message = describe(description, clock, sign)
        if publish:
            await self._tools.messaging.publish(known.id, message)
        return message

    async def _received(self, id: str, link: Announcement, writes: Writes) -> ReceivedLink:
        received = partial(ReceivedLink, id, link.clock, link.locator)
        try:
            await self._links.take(id, writes, "operator")
        except LinkRefusedError as error:
            if error.reason not in KNOWN:
                raise
            return received(is_new=False)
        return received(is_new=True)

    async def _known(self, id: str) -> None:
        await self.engine.run(lambda tx: self._store.community(tx, id))


def announcement_of(tx: Transaction, tools: Tools, id: str) -> str:
    """The newest announcement by the key that controls the community now, as a line.

    Raises ``UnknownCommunityError`` and ``NothingAnnouncedError``.
    """
    community = tools.store.community(tx, id)
    message = tools.store.newest_announcement(tx, id)
    if message is None or open_announcement(message).signer != community.control_key:
        raise NothingAnnouncedError("there is no announcement to pass on", place=id)
    return to_line(id, message)
