"""Where records are kept: reads and writes, each inside a transaction that the engine opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from workflow.archive.codec import Filling
from workflow.archive.index import IndexEntry
from workflow.archive.message import EncodedMessage
from workflow.archive.ratchet import RatchetKey
from workflow.archive.windows import Window
from workflow.ports.records import (
    Announcement,
    ArchiveState,
    Channel,
    Choice,
    Community,
    Gap,
    Generation,
    Holding,
    Link,
    Page,
    Place,
    StoredMessage,
    Tally,
)
from workflow.ports.work import Transaction


class Store(Protocol):
    """Reads and writes of the domain, each inside a transaction that the engine opened."""

    def instance_of(self, community: str, lineage: int, archive: str) -> str:
        """The id under which the import of an archive is run."""

    def add_community(self, tx: Transaction, community: Community) -> None:
        """Add a community; one that is known keeps its rows."""

    def remove_community(self, tx: Transaction, id: str) -> None:
        """Forget a community, its messages and archives; what is left are its files."""

    def removed(self, tx: Transaction) -> list[str]:
        """The ids of communities that were removed, and whose files may still be there."""

    def set_files_removed(self, tx: Transaction, id: str) -> None:
        """The files of a removed community are gone, too."""

    def community(self, tx: Transaction, id: str) -> Community:
        """One community. Raises ``UnknownCommunityError``."""

    def communities(self, tx: Transaction) -> list[Community]:
        """All communities, by name."""

    def find_community(self, tx: Transaction, text: str) -> Community:
        """By name, id or unique beginning of either.

        Raises ``UnknownCommunityError``, and ``AmbiguousCommunityError`` when several begin so.
        """

    def set_enabled(self, tx: Transaction, community: str, *, is_enabled: bool) -> None:
        """Remember whether the community is meant to be on."""

    def set_condition(self, tx: Transaction, community: str, condition: str) -> None:
        """Name a condition that a person should know of; empty when there is none."""

    def claim_control(self, tx: Transaction, community: str, key: bytes, device: str) -> None:
        """This device takes control in a new epoch; an unsigned link is forgotten."""

    def hand_over(self, tx: Transaction, community: str, key: bytes) -> None:
        """Somebody else has control from now on: a new epoch that nobody here has claimed."""

    def set_caught_up(self, tx: Transaction, community: str, run: int) -> None:
        """What was missed before this run is here."""

    def set_catch_up_deadline(self, tx: Transaction, community: str, deadline: float) -> None:
        """Until when archives wait for what was missed."""

    def set_behind(
        self, tx: Transaction, communities: Sequence[str], run: int, deadline: float
    ) -> None:
        """Something is missed again; of who was caught up in this run, archives wait until then."""

    def heard(self, tx: Transaction, community: str) -> dict[str, dict[str, float]]:
        """By a chat's id and a source, until when (seconds, UTC epoch) that has told all of it."""

    def set_heard(
        self, tx: Transaction, chats: Iterable[tuple[str, str]], source: str, until: float
    ) -> None:
        """A source has told all of these chats (a community's id, and the chat's) until then."""

    def gaps(self, tx: Transaction, community: str) -> list[Gap]:
        """What nobody can tell any more, oldest first."""

    def add_gap(self, tx: Transaction, community: str, gap: Gap) -> None:
        """The network had forgotten this when it was asked; again is once."""

    def forget_gaps(self, tx: Transaction, community: str, after: float) -> None:
        """Gaps that end after this moment were made up while the clock was wrong."""

    def newest_times(self, tx: Transaction, community: str, since: float) -> dict[bytes, int]:
        """By topic, the time (seconds) of the newest stored message that is no older than this."""

    def set_key_saved(self, tx: Transaction, community: str, key: bytes) -> None:
        """A person has the private key of this public key (33 bytes) in another place, too."""

    def key_is_saved(self, tx: Transaction, community: str) -> bool:
        """True when a person has the present control key in another place, too."""

    def set_encrypted(self, tx: Transaction, community: str, *, is_encrypted: bool) -> None:
        """From now on archives are written for the holders of the community's key, or for all."""

    def choice(self, tx: Transaction, community: str) -> Choice:
        """Which archives are fetched."""

    def choose(self, tx: Transaction, community: str, choice: Choice) -> None:
        """From now on these are fetched; of a known index they are on their way, others not."""

    def add_channel(self, tx: Transaction, community: str, channel: Channel) -> None:
        """A channel of the community; again only renames it."""

    def ask_for_archives(
        self, tx: Transaction, community: str, at: float, *, with_open_window: bool
    ) -> None:
        """Archive what was stored until now (seconds, UTC epoch) without waiting for stragglers.

        Windows that are not over yet are left alone, or cut at this moment.
        """

    def ask_for_announcement(self, tx: Transaction, community: str, at: float) -> None:
        """Announce the current generation again unless it was done since (seconds, UTC epoch)."""

    def align(self, tx: Transaction, community: str, start: int) -> None:
        """Let the grid of windows go through this second, unless it is this device's own grid."""

    def add_topics(self, tx: Transaction, community: str, topics: Iterable[bytes]) -> None:
        """Channels of which no more is known than their topics; known ones are known."""

    def channels(self, tx: Transaction, community: str) -> list[Channel]:
        """The channels of a community in the order in which they were added."""

    def topics(self, tx: Transaction, community: str) -> tuple[bytes, ...]:
        """The topics of its channels in their order, each once."""

    def add_messages(
        self,
        tx: Transaction,
        community: str,
        messages: Iterable[EncodedMessage],
        now: float,
        archive: str | None = None,
    ) -> int:
        """Store messages; a known digest is known. With ``archive``, that archive holds them now.

        Returns how many were new.
        """

    def due_windows(self, tx: Transaction, community: str, before: float) -> list[Window]:
        """Windows with unarchived messages that have ended by this moment, oldest first.

        Or by the moment at which somebody asked for archives; then perhaps the open one, too, as
        far as it had come.
        """

    def tallies(self, tx: Transaction, community: str) -> list[Tally]:
        """How many messages there are, by window and topic."""

    def unknown_messages(
        self, tx: Transaction, community: str, messages: Iterable[EncodedMessage]
    ) -> list[EncodedMessage]:
        """Those of these that are not stored."""

    def known_origins(self, tx: Transaction, community: str, origins: Iterable[str]) -> set[str]:
        """Those of these foreign ids whose messages are stored."""

    def newest_sequence(self, tx: Transaction) -> int:
        """The sequence of the message that was stored last; 0 before the first."""

    def unarchived(
        self,
        tx: Transaction,
        community: str,
        window: Window,
        *,
        after: Place,
        through: int,
        at_least: int,
        filling: Filling,
    ) -> Page:
        """A page of a window's unarchived messages in archive order (time, topic, sequence).

        Those behind a place that were stored up to the sequence ``through``, and only as many as
        an archive takes that is so full. A page ends with the message that makes it ``at_least``
        so many bytes. Raises ``ArchiveInvalidError`` when the bytes of a message are gone, and
        when it is too large for any archive.
        """

    def messages(
        self,
        tx: Transaction,
        community: str,
        window: Window,
        *,
        after: Place | None,
        at_least: int,
    ) -> list[StoredMessage]:
        """A page of all messages in archive order, whichever archive holds them."""

    def archived_digests(self, tx: Transaction, community: str) -> dict[str, set[bytes]]:
        """By the instance ids of archives, the digests of the messages that each holds."""

    def mark_archived(
        self,
        tx: Transaction,
        community: str,
        after: Place,
        last: Place,
        *,
        through: int,
        archive: str,
    ) -> int:
        """The unarchived messages behind a place, up to the ``last``, are held by this archive.

        Only those that were stored up to the sequence ``through``. Returns how many.
        """

    def let_go(self, tx: Transaction, community: str, before: float) -> int:
        """Forget the bytes of network messages that lie in archives which ended by this moment.

        Of the current generation only. The rows stay, so that a message which comes again is
        known. Returns how many.
        """

    def generation(self, tx: Transaction, community: str) -> Generation | None:
        """The newest complete generation."""

    def candidate(self, tx: Transaction, community: str) -> Generation | None:
        """The generation that is being downloaded."""

    def generations(self, tx: Transaction, community: str) -> list[Generation]:
        """All generations that there ever were, oldest first."""

    def next_generation(self, tx: Transaction, community: str) -> int:
        """The number that the next generation will have."""

    def newest_lineage(self, tx: Transaction, community: str) -> int:
        """The highest lineage there ever was; 0 when there was none."""

    def forget_unfinished(self, tx: Transaction, community: str) -> None:
        """What lies behind the current generation in its lineage was never completed: it is over.

        Its bytes are written over. Messages that came with it are to be archived again.
        """

    def add_generation(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A complete generation of our own making, with the archives that are new in it."""

    def adopt_generation(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A complete generation of somebody else's making; its archives are yet to be imported."""

    def unstarted_imports(self, tx: Transaction) -> list[str]:
        """The instance ids of archives that are here, and whose imports do not know it yet."""

    def add_candidate(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A generation of which the chosen archives that are not here must be downloaded.

        The others are remembered: not here, and not on their way.
        """

    def missing_archives(
        self, tx: Transaction, community: str, lineage: int, entries: Iterable[IndexEntry]
    ) -> list[IndexEntry]:
        """Those of the entries that are chosen, and whose bytes are not on this disk yet."""

    def set_archive_here(self, tx: Transaction, instance: str) -> None:
        """The archive's bytes are checked and on this disk, yet to be imported."""

    def communities_of(self, tx: Transaction, locator: str) -> list[str]:
        """The ids of the communities that have a generation with this locator."""

    def older_locators(self, tx: Transaction, community: str) -> list[str]:
        """Locators of all generations but the current one."""

    def complete_candidate(self, tx: Transaction, community: str) -> None:
        """All that is chosen of the candidate is here: it is the generation now.

        In a new lineage, messages that only an older one holds are unarchived again.
        """

    def drop_candidate(self, tx: Transaction, community: str) -> None:
        """Nothing is being downloaded any more; what has come of it stays."""

    def set_repaired(self, tx: Transaction, community: str, at: float) -> None:
        """The generation's damaged bytes were fetched from others at this moment."""

    def repaired_at(self, tx: Transaction, community: str) -> float:
        """When the generation was last repaired; 0 when it never was."""

    def set_seeded(self, tx: Transaction, community: str, locator: str, at: float) -> None:
        """The generation was live at this moment, under this locator."""

    def archives(self, tx: Transaction, community: str, lineage: int) -> list[IndexEntry]:
        """The archives of a lineage by offset, here or not."""

    def archives_of(self, tx: Transaction, generation: Generation) -> list[IndexEntry]:
        """The archives of a generation by offset, here or not."""

    def archives_here(self, tx: Transaction, generation: Generation) -> list[IndexEntry]:
        """The archives of a generation that are on this disk, by offset."""

    def archive(self, tx: Transaction, instance: str) -> tuple[str, int, IndexEntry]:
        """Community, lineage and entry of the archive with this instance id."""

    def archive_states(self, tx: Transaction, community: str) -> list[ArchiveState]:
        """How far every archive of the newest lineage has come, by offset."""

    def holdings(self, tx: Transaction, communities: Sequence[str]) -> dict[str, Holding]:
        """How much of each community's newest lineage is here; none where there is no archive."""

    def imports(self, tx: Transaction, community: str) -> tuple[int, int]:
        """How many archives of the newest lineage are done with, and how many on their way.

        Those that wait for a key are done with.
        """

    def set_archive_done(self, tx: Transaction, instance: str, *, is_done: bool) -> None:
        """The archive is on its way no more: imported, or put aside."""

    def archive_instances(self, tx: Transaction, community: str) -> list[str]:
        """The instance ids of all archives there ever were, in every lineage."""

    def open_archives(self, tx: Transaction, community: str) -> list[str]:
        """The instance ids of archives that are still on their way."""

    def set_archive_locked(self, tx: Transaction, instance: str) -> None:
        """The archive is encrypted with a key that is not here."""

    def due_announcement(self, tx: Transaction, community: str) -> Announcement | None:
        """The unsent announcement of the current generation in the current epoch."""

    def newest_clock(self, tx: Transaction, community: str) -> int:
        """The highest clock ever announced or received; 0 before the first."""

    def is_own_announcement(self, tx: Transaction, community: str, payload: bytes) -> bool:
        """True when exactly these bytes were signed here."""

    def add_announcement(self, tx: Transaction, announcement: Announcement) -> None:
        """Keep a signed announcement before it is sent."""

    def set_sent(self, tx: Transaction, community: str, clock: int, at: float) -> None:
        """The announcement with this clock was taken by the network."""

    def raise_description_clock(self, tx: Transaction, community: str, clock: int) -> None:
        """A received description names this clock; older links are not followed."""

    def description_clock(self, tx: Transaction, community: str) -> int:
        """The magnet link clock of the community's description; 0 before the first."""

    def newest_announcement(self, tx: Transaction, community: str) -> bytes | None:
        """The newest announcement that was sent from here or came in; None before the first."""

    def link(self, tx: Transaction, community: str) -> Link | None:
        """The newest link."""

    def set_link(self, tx: Transaction, link: Link) -> None:
        """Replace the newest link."""

    def set_link_locked(self, tx: Transaction, community: str) -> None:
        """The link's index is encrypted with a key that is not here."""

    def count_refusal(self, tx: Transaction, community: str, reason: str, count: int = 1) -> None:
        """So many more messages were refused for this reason; not for an unknown community."""

    def refusals(self, tx: Transaction, community: str) -> dict[str, int]:
        """How often what was refused."""

    def add_ratchet_key(self, tx: Transaction, community: str, key: RatchetKey) -> None:
        """Keep a key of an encrypted community; whatever was locked is tried again."""

    def ratchet_keys(self, tx: Transaction, community: str) -> list[RatchetKey]:
        """The keys of a community, newest first."""

    def last_seq_no(self, tx: Transaction, community: str, key: RatchetKey) -> int:
        """How many messages this node has encrypted with this key."""

    def set_seq_no(self, tx: Transaction, community: str, key: RatchetKey, seq_no: int) -> None:
        """This node has encrypted so many messages with this key."""
