"""``send_link``: hand the signed link to the network, if at this very moment it may be sent."""

from __future__ import annotations

from typing import Final

from states.community import Event, is_control_node
from workflow.actions.retiring import retire
from workflow.actions.tools import Tools, channel_of
from workflow.ports.work import Answer, Transaction, Work

KEPT_BESIDE: Final = 30 * 86_400.0
"""Seconds that a message of the network is kept beside the archive that holds it."""


async def send_link(tools: Tools, work: Work) -> Answer[Event]:
    """Answers link_sent, torrent_missing or control_lost."""
    announcement, facts = await work.read(
        lambda tx: (tools.store.due_announcement(tx, work.id), tools.facts(tx, work.id))
    )
    if announcement is None or not is_control_node(facts):
        return Answer(Event.CONTROL_LOST)
    if not tools.carrier.is_live(announcement.locator):
        return Answer(Event.TORRENT_MISSING)
    await tools.messaging.publish(channel_of(work.id), announcement.payload)
    # Until now members may have been fetching the generation before.
    await retire(tools, work, announcement.locator)

    now = tools.clock.now()  # Before the step's own time, or it would seem to be of the future.

    def writes(tx: Transaction) -> None:
        tools.store.set_sent(tx, work.id, announcement.clock, now)
        # Now that all can fetch them, the network's own messages need not be kept twice.
        tools.store.let_go(tx, work.id, now - KEPT_BESIDE)

    return Answer(Event.LINK_SENT, writes)
