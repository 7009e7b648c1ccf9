"""A link comes in: nothing of it is believed before it is verified, and every refusal is counted.

Sent by anyone, over a network that repeats and reorders. It counts when the community's control
key signed exactly these bytes and its clock is newer than any before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from states.community import has_generation, link_is_wanted
from workflow.actions.tools import Tools
from workflow.archive.announcement import SignedAnnouncement
from workflow.ports.records import Link
from workflow.ports.work import Transaction

FAR_FUTURE: Final = 3600.0
"""Seconds that an announcement's clock may be ahead of ours."""
ANOTHER_DEVICE: Final = "another device announces"


class LinkRefusedError(Exception):
    """The link changes nothing; ``reason`` is counted if it is worth a remark."""

    def __init__(self, reason: str, *, is_remarkable: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_remarkable = is_remarkable


@dataclass(frozen=True, slots=True)
class ReceiveLink:
    """The writes of a link_received event. Raises ``LinkRefusedError`` and writes nothing then."""

    tools: Tools
    community: str
    opened: SignedAnnouncement

    def __call__(self, tx: Transaction) -> None:
        """Store the link as the newest one, or refuse it."""
        store, now = self.tools.store, self.tools.clock.now()
        community = store.community(tx, self.community)
        clock, locator = self.opened.announcement.clock, self.opened.announcement.locator
        if self.opened.signer != community.control_key:
            raise LinkRefusedError("wrong signer")
        if store.is_own_announcement(tx, community.id, self.opened.message):
            raise LinkRefusedError("our own", is_remarkable=False)
        known = store.link(tx, community.id)
        # A clock that was accepted while clocks were ahead has to be outbid for ever after.
        newest = max(now * 1000, known.clock if known is not None else 0)
        if clock > newest + FAR_FUTURE * 1000:
            raise LinkRefusedError("clock far in the future")
        if clock < store.description_clock(tx, community.id):
            raise LinkRefusedError("older than the description")
        if known is not None and clock <= known.clock:
            is_repeat = (clock, locator) == (known.clock, known.locator)
            raise LinkRefusedError("repeated" if is_repeat else "older clock")
        facts = self.tools.facts(tx, community.id)
        is_waiting = known is not None and link_is_wanted(facts)
        first_at = known.first_at if known is not None and is_waiting else now
        store.set_link(tx, Link(community.id, clock, locator, self.opened.message, first_at, now))
        if facts.is_control_device and facts.epoch_matches and has_generation(facts):
            # Somebody else has our key. Two who announce would lead the members to and fro. That
            # our own copy of the key may be away just now changes nothing about it.
            store.hand_over(tx, community.id, community.control_key)
            store.set_condition(tx, community.id, ANOTHER_DEVICE)
