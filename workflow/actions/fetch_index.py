"""``fetch_index``: fetch the index that the newest link names, and see what is lacking here.

A community whose history was only added to goes on in the same lineage, and only what is new is
fetched. One whose history was rewritten begins a new lineage with files of its own. When more is
chosen of a history that is here in part, its link is followed once more.
"""

from __future__ import annotations

from dataclasses import replace

from states import ARCHIVE_IMPORT
from states.community import Event
from workflow.actions.tools import Tools
from workflow.archive.index import IndexEntry, decode_index
from workflow.archive.ratchet import readable
from workflow.errors import CarrierError, RatchetKeyMissingError, TorrentInvalidError
from workflow.files.torrents import write_described
from workflow.ports.records import Generation, Link
from workflow.ports.work import Answer, Reference, Transaction, Work


async def fetch_index(tools: Tools, work: Work) -> Answer[Event]:
    """Answers index_fetched or key_missing."""
    link, keys = await work.read(
        lambda tx: (tools.store.link(tx, work.id), tools.store.ratchet_keys(tx, work.id))
    )
    if link is None:
        raise CarrierError("there is no link to follow", place=work.id)
    fetched = await tools.carrier.fetch_index(link.locator)
    try:
        entries = decode_index(readable(fetched.index, keys))
    except RatchetKeyMissingError:
        return Answer(Event.KEY_MISSING, lambda tx: tools.store.set_link_locked(tx, work.id))
    if fetched.info.name != work.id:
        raise TorrentInvalidError("the torrent is another community's", place=fetched.info.name)
    for entry in entries:
        fetched.info.pieces_of(entry)
    length = fetched.info.data_length
    generation, missing = await work.read(lambda tx: _compare(tools, tx, link, entries, length))
    content = tools.folder.content_of(generation)
    info_hash = await work.in_thread(lambda: write_described(tools.folder, content, fetched))
    sealed = replace(generation, info_hash=info_hash)

    def writes(tx: Transaction) -> None:
        tools.store.add_candidate(tx, sealed, entries)
        if not missing:  # And if more was chosen just now, the link is wanted again.
            tools.store.complete_candidate(tx, work.id)

    name = tools.store.instance_of
    return Answer(
        Event.INDEX_FETCHED,
        writes,
        tuple(
            Reference(ARCHIVE_IMPORT.name, name(work.id, generation.lineage, one.id))
            for one in missing
        ),
    )


def _compare(
    tools: Tools, tx: Transaction, link: Link, entries: tuple[IndexEntry, ...], length: int
) -> tuple[Generation, list[IndexEntry]]:
    """The generation that the index makes, and what is chosen of it and must be fetched.

    The comparison is of sets of ids, never of counts.
    """
    store = tools.store
    before = store.candidate(tx, link.community)
    if before is not None and before.locator == link.locator:
        return before, store.missing_archives(tx, link.community, before.lineage, entries)
    number = store.next_generation(tx, link.community)
    lineage = store.newest_lineage(tx, link.community)
    known = {entry.id for entry in store.archives(tx, link.community, lineage)}
    if lineage == 0 or not known <= {entry.id for entry in entries}:
        lineage += 1
    generation = Generation(link.community, number, lineage, link.locator, length, is_own=False)
    return generation, store.missing_archives(tx, link.community, lineage, entries)
