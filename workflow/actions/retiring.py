"""What older generations needed is given up, once nobody is sent to them any more."""

from __future__ import annotations

from workflow.actions.tools import Tools
from workflow.ports.work import Work


async def retire(tools: Tools, work: Work, locator: str) -> None:
    """Offer only the generation with this locator, and remove the files of those before it."""
    older, generation = await work.read(
        lambda tx: (
            tools.store.older_locators(tx, work.id),
            tools.store.generation(tx, work.id),
        )
    )
    for one in older:
        if one != locator:
            await tools.carrier.withdraw(one)
    if generation is not None:
        content = tools.folder.content_of(generation)
        await work.in_thread(lambda: tools.folder.sweep(content))
