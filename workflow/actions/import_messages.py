"""``import_messages``: one archive's messages into the store, in one transaction."""

from __future__ import annotations

from pathlib import Path

from states import COMMUNITY
from states.archive_import import Event
from workflow.actions.tools import Tools
from workflow.archive.codec import unpack_archive
from workflow.archive.index import IndexEntry
from workflow.archive.message import EncodedMessage
from workflow.archive.ratchet import RatchetKey, readable
from workflow.errors import ArchiveInvalidError, RatchetKeyMissingError
from workflow.files.folder import read_archive
from workflow.ports.work import Answer, Reference, Transaction, Work


async def import_messages(tools: Tools, work: Work) -> Answer[Event]:
    """Answers import_committed, key_missing or archive_invalid."""
    store = tools.store
    community, lineage, entry = await work.read(lambda tx: store.archive(tx, work.id))
    keys = await work.read(lambda tx: store.ratchet_keys(tx, community))
    data = tools.folder.content(community, lineage, 0, 0).data
    stirs = (Reference(COMMUNITY.name, community),)  # It may wait for its history to be complete.
    try:
        messages = await work.in_thread(lambda: _read(data, entry, keys))
    except RatchetKeyMissingError:
        return Answer(Event.KEY_MISSING, lambda tx: store.set_archive_locked(tx, work.id))
    except ArchiveInvalidError as error:
        return Answer(
            Event.ARCHIVE_INVALID,
            lambda tx: store.set_archive_done(tx, work.id, is_done=True),
            stirs=stirs,
            details={"problem": error.explained()},
        )

    def writes(tx: Transaction) -> None:
        current = store.generation(tx, community)
        # What only a history that was rewritten since then holds is to be archived again.
        is_abandoned = current is not None and lineage < current.lineage
        if not is_abandoned:
            store.align(tx, community, entry.start)
        store.add_topics(tx, community, entry.topics)
        store.add_messages(
            tx,
            community,
            messages,
            tools.clock.now(),
            archive=None if is_abandoned else work.id,
        )
        store.set_archive_done(tx, work.id, is_done=True)

    return Answer(Event.IMPORT_COMMITTED, writes, stirs=stirs, details={"messages": len(messages)})


def _read(data: Path, entry: IndexEntry, keys: list[RatchetKey]) -> list[EncodedMessage]:
    return unpack_archive(readable(read_archive(data, entry), keys), entry)
