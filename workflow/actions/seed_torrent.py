"""``seed_torrent``: check every byte, offer the archives, and, if it is due, sign a link to them.

A member who has chosen a part offers that part.

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
from workflow.files.folder import stretch
from workflow.files.torrents import is_described, mend, write_described
from workflow.ports import records
from workflow.ports.carrier import Content, Range
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
    entries, here = await work.read(
        lambda tx: (
            tools.store.archives_of(tx, generation),
            tools.store.archives_here(tx, generation),
        )
    )
    try:
        if len(here) < len(entries):
            ranges = [Range(one.id, one.offset, one.size) for one in here]
            await _complete_part(tools, work, content, generation)
            locator = await tools.carrier.publish(content, generation.locator, ranges)
        else:
            await work.in_thread(lambda: _complete(content, generation, entries))
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


def _complete(content: Content, generation: Generation, entries: list[IndexEntry]) -> None:
    """Make what is lost again, as far as the bytes allow it."""
    for name in mend(content, entries, generation.info_hash):
        logger.bind(community=generation.community).warning("{} was lost and made again", name)


async def _complete_part(
    tools: Tools, work: Work, content: Content, generation: Generation
) -> None:
    """What describes the whole cannot be made again from a part: if it is lost, it is fetched."""
    await work.in_thread(lambda: stretch(content))
    if not await work.in_thread(lambda: is_described(content, generation.info_hash)):
        logger.bind(community=generation.community).warning("what describes a part was lost")
        fetched = await tools.carrier.fetch_index(generation.locator)
        await work.in_thread(lambda: write_described(tools.folder, content, fetched))


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
