"""``send_link``: hand the signed link to the network, if at this very moment it may be sent."""

from __future__ import annotations

from states.community import Event, is_control_node
from workflow.actions.tools import Tools, channel_of
from workflow.ports.work import Answer, Work


async def send_link(tools: Tools, work: Work) -> Answer[Event]:
    """Answers link_sent, torrent_missing or control_lost."""
    announcement, facts, older = await work.read(
        lambda tx: (
            tools.store.due_announcement(tx, work.id),
            tools.facts(tx, work.id),
            tools.store.older_locators(tx, work.id),
        )
    )
    if announcement is None or not is_control_node(facts):
        return Answer(Event.CONTROL_LOST)
    if not tools.carrier.is_live(announcement.locator):
        return Answer(Event.TORRENT_MISSING)
    await tools.messaging.publish(channel_of(work.id), announcement.payload)
    # Until now members may have been fetching the generation before.
    for locator in older:
        if locator != announcement.locator:
            await tools.carrier.withdraw(locator)
    return Answer(
        Event.LINK_SENT,
        lambda tx: tools.store.set_sent(tx, work.id, announcement.clock, tools.clock.now()),
    )
