"""The messages and archives of a node's communities: what is put in, what is taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from states import ARCHIVE_IMPORT, COMMUNITY, archive_import
from workflow.actions.tools import Tools
from workflow.adopting import Adoption, begin_adoption, copy_archives, no_progress
from workflow.archive.message import ArchivedMessage
from workflow.archive.ratchet import RatchetKey
from workflow.chat.post import Post
from workflow.coverage import Coverage, examine
from workflow.engine.engine import Engine
from workflow.engine.rows import Outcome, Request
from workflow.engine.working import ended
from workflow.errors import NotControlNodeError
from workflow.health import MAX_AGE, Health, health_of
from workflow.identity import public_key_of
from workflow.importing import Batch, Before, Importer, ImportReport, Item, archived_weeks
from workflow.jobs import Jobs
from workflow.ports.records import Channel, Community, Place, StoredMessage
from workflow.ports.work import Progress, Transaction
from workflow.status import overview
from workflow.stored import Pages
from workflow.storing import store_messages


class Library:
    """The verbs of a node that concern what is kept, not who keeps it.

    ``kept_journal`` is where the journal of before was copied to, when opening this node has
    brought it up to date.
    """

    kept_journal: Path | None = None

    def __init__(self, engine: Engine, tools: Tools) -> None:
        self.engine = engine
        self._tools = tools
        self._store = tools.store
        self.jobs = Jobs()
        self._importing = asyncio.Lock()
        self._adopting = asyncio.Lock()

    # -- messages ---------------------------------------------------------------------------------

    async def add_channel(self, id: str, channel: Channel) -> None:
        """A channel of the community; messages on other topics are refused."""
        await self.engine.run(lambda tx: self._store.add_channel(tx, id, channel))

    async def add_topic(self, id: str, topic: bytes) -> None:
        """A channel of which no more is known than its content topic (4 bytes)."""
        await self.add_channel(id, Channel(topic))

    async def channels(self, id: str) -> list[Channel]:
        """The channels of a community in the order in which they were added."""
        return await self.engine.run(lambda tx: self._store.channels(tx, id))

    async def add_messages(self, id: str, messages: Iterable[ArchivedMessage | Post]) -> int:
        """Store messages; returns how many were new. Over-large and foreign ones are counted.

        A ``Post`` becomes a message that the community signs, in the channel that it names, as
        ``import_items`` does it. Raises ``NotControlNodeError`` for posts without the key.
        """
        batch = list(messages)
        posts = [one for one in batch if isinstance(one, Post)]
        others = [one for one in batch if not isinstance(one, Post)]
        new = (await self.import_items(id, posts)).new if posts else 0
        added: list[int] = []

        def writes(tx: Transaction) -> None:
            added.append(store_messages(self._tools, tx, id, others))

        await self.engine.look(COMMUNITY.name, id, writes)
        return new + added[-1]

    async def import_items(
        self,
        id: str,
        items: Iterable[Item],
        *,
        before: Before | None = None,
        progress: Progress = no_progress,
    ) -> ImportReport:
        """Store what a source says: channels, posts, messages. Returns what was done.

        ``items`` are read in threads, in batches that are committed one by one: an import that is
        broken off is gone on with by beginning again. Raises ``NotControlNodeError`` and what
        reading ``items`` raises.

        ``before`` makes this a rehearsal, in a node of its own that is thrown away: it says what
        the real one holds already, and messages are not signed.
        """
        known, channels, here = await self.engine.run(
            lambda tx: (
                self._store.community(tx, id),
                self._store.channels(tx, id),
                Before(archived_weeks(self._store.archive_states(tx, id))),
            )
        )
        if before is None and not self._tools.keys.holds(known.control_key):
            raise NotControlNodeError("the community's private key is not here", place=id)
        importer = Importer(known, channels, self._tools.keys if before is None else None)
        async with self._importing:
            batches = importer.batches(items)
            done = 0
            while batch := await asyncio.to_thread(next, batches, None):
                if isinstance(batch, Batch):
                    await self._import_batch(id, importer, batch, before or here)
                    done += len(batch.items)
                    progress(done, 0, "messages")
                else:
                    await self._add_channels(id, batch)
        return importer.report

    async def _import_batch(
        self,
        id: str,
        importer: Importer,
        batch: Batch,
        before: Before,
    ) -> None:
        asked = importer.asked_for(batch)
        known = await self.engine.run(lambda tx: self._store.known_origins(tx, id, asked))
        known |= before.known(asked)
        made = await asyncio.to_thread(importer.messages, batch, known)
        new = await self.engine.run(lambda tx: self._store.unknown_messages(tx, id, made))
        importer.count(new, len(made) - len(new), before.weeks)

        def writes(tx: Transaction) -> None:
            self._store.add_messages(tx, id, new, self._tools.clock.now())

        await self.engine.look(COMMUNITY.name, id, writes)

    async def mirror(self, community: Community, channels: Iterable[Channel]) -> None:
        """Know a community as another data directory does, without any control of it."""

        def writes(tx: Transaction) -> None:
            self._store.add_community(tx, replace(community, generation=0, candidate=0))

        await self.engine.enrol(COMMUNITY.name, community.id, writes=writes)
        await self._add_channels(community.id, channels)

    async def find(self, text: str) -> Community:
        """A community by its name, id, or the beginning of either.

        Raises ``UnknownCommunityError``, ``AmbiguousCommunityError``.
        """
        return await self.engine.run(lambda tx: self._store.find_community(tx, text))

    async def _add_channels(self, id: str, channels: Iterable[Channel]) -> None:
        def writes(tx: Transaction) -> None:
            for channel in channels:
                self._store.add_channel(tx, id, channel)

        await self.engine.run(writes)

    async def messages(self, id: str, after: Place | None = None) -> list[StoredMessage]:
        """A page (some megabytes) of a community's messages in archive order; empty at the end.

        ``after`` is the place of the last message that was seen. Bytes that the store has let go
        are read from the archive that holds them. Raises ``ContentDamagedError``.
        """
        pages = Pages(self._tools, id)
        page = await self.engine.run(lambda tx: pages.read(tx, after))
        return await asyncio.to_thread(pages.fill, page)

    async def set_key_saved(self, id: str, key: bytes | None = None) -> None:
        """A person has the community's private key in another place, too: ``status`` is content.

        ``key`` is the public one (33 bytes) of what was saved, None for that of now; one that the
        community no longer has changes nothing. Raises ``UnknownCommunityError``.
        """

        def writes(tx: Transaction) -> None:
            now = self._store.community(tx, id).control_key
            if key in {None, now}:
                self._store.set_key_saved(tx, id, now)

        await self.engine.run(writes)

    async def add_ratchet_key(self, id: str, key: RatchetKey) -> None:
        """A key of an encrypted community has arrived: what waited for it goes on."""
        await self.engine.look(
            COMMUNITY.name, id, lambda tx: self._store.add_ratchet_key(tx, id, key)
        )
        for archive in await self.engine.run(lambda tx: self._store.open_archives(tx, id)):
            await self.engine.look(ARCHIVE_IMPORT.name, archive)

    async def create_ratchet_key(self, id: str) -> RatchetKey:
        """Encrypt archives from now on, with a new key: for the members, who must be given it.

        Raises ``UnknownCommunityError``.
        """
        made_at = int(self._tools.clock.now() * 1000)
        key = RatchetKey(self._tools.keys.random(32), made_at, public_key_of(id))
        await self.add_ratchet_key(id, key)
        await self.set_encrypted(id, is_encrypted=True)
        return key

    async def set_encrypted(self, id: str, *, is_encrypted: bool) -> None:
        """Write archives for the holders of the ratchet key only, or for everybody, from now on."""
        await self.engine.look(
            COMMUNITY.name,
            id,
            lambda tx: self._store.set_encrypted(tx, id, is_encrypted=is_encrypted),
        )

    # -- archives ---------------------------------------------------------------------------------

    async def adopt(
        self, id: str, path: Path, torrent: Path | None = None, progress: Progress = no_progress
    ) -> Adoption:
        """Take over archives that lie elsewhere (status-go's, or a download); they are only read.

        They are checked, copied, and imported; later archives are appended to them. Raises
        ``AdoptionError``, ``ArchivesNotFoundError``, ``IndexInvalidError``,
        ``ArchiveInvalidError`` or ``TorrentInvalidError``; nothing has changed then.
        """
        async with self._adopting:
            return await self._adopt(id, path, torrent, progress)

    async def _adopt(
        self, id: str, path: Path, torrent: Path | None, progress: Progress
    ) -> Adoption:
        generation, keys = await self.engine.run(lambda tx: begin_adoption(self._tools, tx, id))
        adopted = await _copied(
            lambda told: copy_archives(self._tools, generation, keys, path, torrent, told), progress
        )

        def writes(tx: Transaction) -> None:
            # Meanwhile the community's own lifecycle may have made or begun to fetch some.
            begin_adoption(self._tools, tx, id)
            self._store.adopt_generation(tx, adopted.generation, adopted.entries)

        instances = [
            self._store.instance_of(id, generation.lineage, one.id) for one in adopted.entries
        ]
        await self.engine.enrol(ARCHIVE_IMPORT.name, *instances, writes=writes)
        await self._start_imports()
        await self.engine.look(COMMUNITY.name, id)
        return adopted

    async def imports(self, id: str) -> tuple[int, int]:
        """How many archives of a community are done with, and how many are still on their way.

        Those that wait for a key are done with: nothing happens to them until it comes.
        """
        return await self.engine.run(lambda tx: self._store.imports(tx, id))

    async def _start_imports(self) -> None:
        for instance in await self.engine.run(self._store.unstarted_imports):
            await self.engine.send(
                ARCHIVE_IMPORT.name,
                instance,
                Request(archive_import.Event.PIECES_VERIFIED, "adoption"),
            )

    async def verify(self, id: str, progress: Progress = no_progress) -> Coverage:
        """What of the community's history is here, by channel and week, and what is not, and why.

        Reads every byte on the disk. Raises ``UnknownCommunityError``.
        """
        loop = asyncio.get_running_loop()

        def run(query: Callable[[Transaction], Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(self.engine.run(query), loop).result()

        return await asyncio.to_thread(examine, self._tools, run, id, progress)

    async def retry_archive(self, instance: str) -> Outcome:
        """Take an archive out of quarantine and import it again."""
        return await self.engine.send(
            ARCHIVE_IMPORT.name,
            instance,
            Request(
                archive_import.Event.RETRIED,
                "operator",
                lambda tx: self._store.set_archive_done(tx, instance, is_done=False),
            ),
        )

    # -- all of it --------------------------------------------------------------------------------

    async def overview(self) -> dict[str, tuple[bool, int | None]]:
        """By the ids of all communities: whether it is live now, and how many peers it has."""
        return await self.engine.run(lambda tx: overview(tx, self._tools))

    async def health(self, max_age: float = MAX_AGE) -> Health:
        """What is not as it should be, now; ``max_age`` is in seconds, as ``health_of`` has it."""
        return await self.engine.run(lambda tx: health_of(tx, self._tools, max_age, is_held=True))


class _GivenUpError(Exception):
    """Nobody waits any more for what a thread is doing."""


async def _copied(copy: Callable[[Progress], Adoption], progress: Progress) -> Adoption:
    """Copy in a thread; a caller who is cancelled waits until it has stopped to write files."""
    is_given_up = False

    def told(done: int, total: int, unit: str) -> None:
        if is_given_up:
            raise _GivenUpError
        progress(done, total, unit)

    copying = asyncio.ensure_future(asyncio.to_thread(copy, told))
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        is_given_up = True
        with suppress(Exception):
            await ended(copying)
        raise
