"""``download_archives``: fetch what is lacking, archive by archive, each imported as it comes.

Also the way to repair: pieces that were found damaged are fetched from other members.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from states import ARCHIVE_IMPORT, archive_import
from states.community import Event
from workflow.actions.tools import Tools
from workflow.archive.index import IndexEntry
from workflow.errors import CarrierError
from workflow.ports.carrier import Range
from workflow.ports.records import Generation
from workflow.ports.work import Answer, Transaction, Work


async def download_archives(tools: Tools, work: Work) -> Answer[Event]:
    """Answers archives_downloaded."""
    store = tools.store
    candidate, generation, by_id, missing = await work.read(
        lambda tx: _what_to_download(tools, tx, work.id)
    )
    content = tools.folder.content_of(generation)
    ranges = [
        Range(entry.id, entry.offset, entry.size)
        for entry in sorted(by_id.values(), key=lambda entry: entry.start)
    ]
    done = 0
    async with aclosing(tools.carrier.fetch(generation.locator, content, ranges)) as fetched:
        async for archive in fetched:
            done += 1
            work.report(done, len(ranges), "archives")
            if archive in missing:
                instance = store.instance_of(work.id, generation.lineage, archive)
                await work.send(
                    ARCHIVE_IMPORT.name,
                    instance,
                    archive_import.Event.PIECES_VERIFIED,
                    {"from": by_id[archive].start, "to": by_id[archive].end},
                    partial(_mark_here, tools, instance),
                )

    def writes(tx: Transaction) -> None:
        if candidate is None:
            store.set_repaired(tx, work.id, tools.clock.now())
        else:
            store.complete_candidate(tx, work.id)

    return Answer(Event.ARCHIVES_DOWNLOADED, writes)


def _what_to_download(
    tools: Tools, tx: Transaction, id: str
) -> tuple[Generation | None, Generation, dict[str, IndexEntry], set[str]]:
    """The candidate if there is one, the generation, its archives by id, those not here yet."""
    store = tools.store
    candidate = store.candidate(tx, id)
    generation = candidate or store.generation(tx, id)
    if generation is None:
        raise CarrierError("there is nothing to download", place=id)
    here, everything = store.archives_here(tx, generation), store.archives_of(tx, generation)
    # A repair repairs what is here; what is newly chosen has its turn with the next index.
    missing = (
        [] if candidate is None else store.missing_archives(tx, id, generation.lineage, everything)
    )
    by_id = {entry.id: entry for entry in (*here, *missing)}
    return candidate, generation, by_id, {one.id for one in missing}


def _mark_here(tools: Tools, instance: str, tx: Transaction) -> None:
    tools.store.set_archive_here(tx, instance)
