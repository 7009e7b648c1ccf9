"""``drop_torrent``: offer nothing of this community any more; the files stay."""

from __future__ import annotations

from states.community import Event
from workflow.actions.tools import Tools
from workflow.ports.work import Answer, Work


async def drop_torrent(tools: Tools, work: Work) -> Answer[Event]:
    """Answers torrent_dropped."""
    generation, older = await work.read(
        lambda tx: (
            tools.store.generation(tx, work.id),
            tools.store.older_locators(tx, work.id),
        )
    )
    if generation is not None:
        older.append(generation.locator)
    for locator in older:
        await tools.carrier.withdraw(locator)
    return Answer(Event.TORRENT_DROPPED)
