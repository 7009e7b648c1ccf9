"""``seed_torrent``: check every byte, offer the archives, and, if it is due, sign a link to them.

The announcement is signed and stored together with the step that says that the archives are live.
Whatever happens later, the same bytes are sent, as often as it takes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from loguru import logger

from states.community import Event, announcement_is_due, history_is_caught_up, is_control_node
from workflow.actions.retiring import retire
from workflow.actions.tools import Tools
from workflow.archive.announcement import Announcement, sign
from workflow.archive.index import IndexEntry
from workflow.errors import ContentDamagedError, LocatorInvalidError
from workflow.files.torrents import mend, seal_generation
from workflow.ports import records
from workflow.ports.carrier import Content
from workflow.ports.records import Generation
from workflow.ports.work import Answer, Transaction, Work

REPAIR_AGAIN: Final = 3600.0
"""Seconds after a repair in which damage is a failure of the disk, not a reason to fetch again."""


async def seed_torrent(tools: Tools, work: Work) -> Answer[Event]:
    """Answers torrent_seeded or pieces_missing."""
    generation = await work.read(lambda tx: tools.store.generation(tx, work.id))
    if generation is None:
        raise ContentDamagedError("there are no archives to seed", place=work.id)
    content = tools.folder.content_of(generation)
    entries = await work.read(lambda tx: tools.store.archives(tx, work.id, generation.lineage))
    try:
        info_hash = await work.in_thread(lambda: _complete(content, generation, entries))
        locator = await tools.carrier.publish(content, _own_locator(tools, generation))
    except ContentDamagedError as error:
        repaired_at = await work.read(lambda tx: tools.store.repaired_at(tx, work.id))
        if not generation.locator or tools.clock.now() - repaired_at < REPAIR_AGAIN:
            raise  # Nobody else can have these bytes yet, or this disk loses what it is given.
        return Answer(
            Event.PIECES_MISSING,
            lambda tx: tools.store.drop_candidate(tx, work.id),
            details={"problem": error.explained()},
        )

    def writes(tx: Transaction) -> None:
        tools.store.set_info_hash(tx, work.id, generation.number, info_hash)
        tools.store.set_seeded(tx, work.id, locator, tools.clock.now())
        facts = tools.facts(tx, work.id)
        if is_control_node(facts) and announcement_is_due(facts) and history_is_caught_up(facts):
            _prepare_announcement(tools, tx, work.id, locator)

    facts = await work.read(lambda tx: tools.facts(tx, work.id))
    if not is_control_node(facts):
        await retire(tools, work, locator)
    return Answer(Event.TORRENT_SEEDED, writes)


def _own_locator(tools: Tools, generation: Generation) -> str:
    """Its locator, unless that is another carrier's: then it is new to this one."""
    if generation.locator:
        with suppress(LocatorInvalidError):
            tools.carrier.check_locator(generation.locator)
            return generation.locator
    return ""


def _complete(content: Content, generation: Generation, entries: list[IndexEntry]) -> str:
    """Make what is lost again, as far as the bytes allow it; returns the files' info-hash."""
    if not generation.info_hash:  # They were downloaded, and are sealed for the first time.
        return seal_generation(content)
    ours = [one for one in entries if one.offset < generation.data_length]
    for name in mend(content, ours, generation.info_hash):
        logger.bind(community=generation.community).warning("{} was lost and made again", name)
    return generation.info_hash


def _prepare_announcement(tools: Tools, tx: Transaction, id: str, locator: str) -> None:
    """Sign an announcement of these archives unless one already waits to be sent.

    Its clock is the time in milliseconds, but always higher than any that was seen.
    """
    if tools.store.due_announcement(tx, id) is not None:
        return
    community = tools.store.community(tx, id)
    clock = max(tools.store.newest_clock(tx, id) + 1, int(tools.clock.now() * 1000))
    payload = sign(
        Announcement(clock, locator),
        lambda digest: tools.keys.sign(community.control_key, digest),
    )
    tools.store.add_announcement(
        tx,
        records.Announcement(id, clock, locator, community.control_epoch, payload, sent_at=None),
    )
