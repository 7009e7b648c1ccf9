"""Communities, who controls them, and what was refused on their behalf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, cast

from workflow.errors import AmbiguousCommunityError, UnknownCommunityError
from workflow.ports.records import Channel, Community
from workflow.ports.work import Transaction, Value

COMMUNITY: Final = (
    "SELECT id, name, control_key, control_device, control_epoch, claimed_epoch, interval, anchor,"
    " reannounce_after, is_enabled, is_encrypted, generation, candidate, condition FROM community"
)
COMMUNITY_BY_ID: Final = COMMUNITY + " WHERE id = ?"
COMMUNITY_BY_NAME: Final = COMMUNITY + (
    " WHERE ?1 <> '' AND (substr(name, 1, length(?1)) = ?1 OR substr(id, 1, length(?1)) = ?1)"
    " ORDER BY name, id"
)
COMMUNITIES: Final = COMMUNITY + " ORDER BY name, id"

FORGET_ARCHIVED: Final = (
    "DELETE FROM archived WHERE sequence IN (SELECT m.sequence FROM message m"
    " JOIN community c ON c.number = m.community WHERE c.id = ?)"
)
FORGET_UNARCHIVED: Final = (
    "DELETE FROM unarchived WHERE community = (SELECT number FROM community WHERE id = ?)"
)
FORGET_MESSAGES: Final = (
    "DELETE FROM message WHERE community = (SELECT number FROM community WHERE id = ?)"
)


class SqliteCommunities:
    """The rows of communities."""

    def add_community(self, tx: Transaction, community: Community) -> None:
        """Add a community; one that is known keeps its rows."""
        tx.execute(
            "INSERT OR IGNORE INTO community (id, name, control_key, control_device,"
            " control_epoch, claimed_epoch, interval, anchor, reannounce_after, is_enabled,"
            " is_encrypted, generation, candidate, condition)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                community.id,
                community.name,
                community.control_key,
                community.control_device,
                community.control_epoch,
                community.claimed_epoch,
                community.interval,
                community.anchor,
                community.reannounce_after,
                community.is_enabled,
                community.is_encrypted,
                community.generation,
                community.candidate,
                community.condition,
            ),
        )

    def remove_community(self, tx: Transaction, id: str) -> None:
        """Forget a community, its messages and archives; what is left are its files."""
        tx.execute(FORGET_ARCHIVED, (id,))
        tx.execute(FORGET_UNARCHIVED, (id,))
        tx.execute(FORGET_MESSAGES, (id,))
        tx.execute("DELETE FROM archive WHERE community = ?", (id,))
        tx.execute("DELETE FROM generation WHERE community = ?", (id,))
        tx.execute("DELETE FROM announcement WHERE community = ?", (id,))
        tx.execute("DELETE FROM link WHERE community = ?", (id,))
        tx.execute("DELETE FROM refusal WHERE community = ?", (id,))
        tx.execute("DELETE FROM ratchet_key WHERE community = ?", (id,))
        tx.execute("DELETE FROM heard WHERE community = ?", (id,))
        tx.execute("DELETE FROM gap WHERE community = ?", (id,))
        tx.execute("DELETE FROM channel WHERE community = ?", (id,))
        tx.execute("DELETE FROM community WHERE id = ?", (id,))
        tx.execute("INSERT OR IGNORE INTO removed VALUES (?)", (id,))

    def removed(self, tx: Transaction) -> list[str]:
        """The ids of communities that were removed, and whose files may still be there."""
        return [str(row[0]) for row in tx.execute("SELECT community FROM removed", ()).fetchall()]

    def set_files_removed(self, tx: Transaction, id: str) -> None:
        """The files of a removed community are gone, too."""
        tx.execute("DELETE FROM removed WHERE community = ?", (id,))

    def community(self, tx: Transaction, id: str) -> Community:
        """One community. Raises ``UnknownCommunityError``."""
        row = tx.execute(COMMUNITY_BY_ID, (id,)).fetchone()
        if row is None:
            raise UnknownCommunityError(f"no community has the id {id}")
        return _community(row)

    def communities(self, tx: Transaction) -> list[Community]:
        """All communities, by name."""
        return [_community(row) for row in tx.execute(COMMUNITIES, ()).fetchall()]

    def find_community(self, tx: Transaction, text: str) -> Community:
        """By name, id or unique beginning of either; the whole name or id comes first.

        Raises ``AmbiguousCommunityError`` with those that may be meant, ``UnknownCommunityError``
        with one that is much like it.
        """
        rows = [_community(row) for row in tx.execute(COMMUNITY_BY_NAME, (text,)).fetchall()]
        exact = [row for row in rows if text in (row.id, row.name)]
        found = exact or rows
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{row.name} ({row.id[:12]})" for row in found)
            raise AmbiguousCommunityError(f"'{text}' may mean: {names}")
        raise UnknownCommunityError(
            f"no community is called '{text}'", remedy=self._advice(tx, text)
        )

    def _advice(self, tx: Transaction, text: str) -> str:
        """Whom somebody may have meant; empty when nobody is called much like it."""
        by_letters = {row.name.casefold(): row.name for row in self.communities(tx)}
        near = get_close_matches(text.casefold(), by_letters, n=1)
        return f"Did you mean '{by_letters[near[0]]}'?" if near else ""

    def set_enabled(self, tx: Transaction, community: str, *, is_enabled: bool) -> None:
        """Remember whether the community is meant to be on."""
        tx.execute("UPDATE community SET is_enabled = ? WHERE id = ?", (is_enabled, community))

    def set_condition(self, tx: Transaction, community: str, condition: str) -> None:
        """Name a condition that a person should know of; empty when there is none."""
        tx.execute("UPDATE community SET condition = ? WHERE id = ?", (condition, community))

    def claim_control(self, tx: Transaction, community: str, key: bytes, device: str) -> None:
        """This device takes control in a new epoch; an unsigned link is forgotten."""
        tx.execute(
            "UPDATE community SET control_key = ?, control_device = ?, condition = '',"
            " control_epoch = control_epoch + 1, claimed_epoch = control_epoch + 1 WHERE id = ?",
            (key, device, community),
        )
        tx.execute("DELETE FROM link WHERE community = ? AND clock = 0", (community,))

    def hand_over(self, tx: Transaction, community: str, key: bytes) -> None:
        """Somebody else has control from now on: a new epoch that nobody here has claimed."""
        tx.execute(
            "UPDATE community SET control_key = ?, control_device = '',"
            " control_epoch = control_epoch + 1 WHERE id = ?",
            (key, community),
        )

    def set_caught_up(self, tx: Transaction, community: str, run: int) -> None:
        """What was missed before this run is here."""
        tx.execute("UPDATE community SET caught_up_run = ? WHERE id = ?", (run, community))

    def set_catch_up_deadline(self, tx: Transaction, community: str, deadline: float) -> None:
        """Until when archives wait for what was missed."""
        tx.execute("UPDATE community SET catch_up_deadline = ? WHERE id = ?", (deadline, community))

    def set_key_saved(self, tx: Transaction, community: str, key: bytes) -> None:
        """A person has the private key of this public key (33 bytes) in another place, too."""
        tx.execute("UPDATE community SET saved_key = ? WHERE id = ?", (key, community))

    def key_is_saved(self, tx: Transaction, community: str) -> bool:
        """True when a person has the present control key in another place, too."""
        row = tx.execute(
            "SELECT saved_key IS control_key FROM community WHERE id = ?", (community,)
        ).fetchone()
        return bool(row and row[0])

    def set_encrypted(self, tx: Transaction, community: str, *, is_encrypted: bool) -> None:
        """From now on archives are written for the holders of the community's key, or for all."""
        tx.execute("UPDATE community SET is_encrypted = ? WHERE id = ?", (is_encrypted, community))

    def ask_for_archives(
        self, tx: Transaction, community: str, at: float, *, with_open_window: bool
    ) -> None:
        """Archive what was stored until now without waiting for stragglers."""
        tx.execute(
            "UPDATE community SET archive_asked_at = ?, archive_open = ? WHERE id = ?",
            (at, with_open_window, community),
        )

    def ask_for_announcement(self, tx: Transaction, community: str, at: float) -> None:
        """Announce the current generation again unless it was done since."""
        tx.execute("UPDATE community SET announce_asked_at = ? WHERE id = ?", (at, community))

    def add_channel(self, tx: Transaction, community: str, channel: Channel) -> None:
        """A channel of the community; again only renames it."""
        tx.execute(
            "INSERT INTO channel SELECT ?1, count(*), ?2, ?3, ?4, ?5 FROM channel"
            " WHERE community = ?1 ON CONFLICT (community, topic, chat_id)"
            " DO UPDATE SET name = excluded.name, category = excluded.category",
            (community, channel.topic, channel.chat_id, channel.name, channel.category),
        )

    def align(self, tx: Transaction, community: str, start: int) -> None:
        """Let the grid of windows go through this second, unless it is this device's own grid."""
        tx.execute(
            "UPDATE community SET anchor = ?"
            " WHERE id = ? AND (anchor IS NULL OR claimed_epoch <> control_epoch)",
            (start, community),
        )

    def add_topics(self, tx: Transaction, community: str, topics: Iterable[bytes]) -> None:
        """Channels of which no more is known than their topics; known ones are known."""
        known = set(self.topics(tx, community))
        for topic in topics:
            if topic not in known:
                self.add_channel(tx, community, Channel(topic))

    def channels(self, tx: Transaction, community: str) -> list[Channel]:
        """The channels of a community in the order in which they were added."""
        rows = tx.execute(
            "SELECT topic, chat_id, name, category FROM channel WHERE community = ?"
            " ORDER BY position",
            (community,),
        ).fetchall()
        return [Channel(*row) for row in rows]  # type: ignore[arg-type]

    def topics(self, tx: Transaction, community: str) -> tuple[bytes, ...]:
        """The topics of its channels in their order, each once."""
        return tuple(dict.fromkeys(one.topic for one in self.channels(tx, community)))

    def count_refusal(self, tx: Transaction, community: str, reason: str, count: int = 1) -> None:
        """So many more messages were refused for this reason; not for an unknown community."""
        tx.execute(
            "INSERT INTO refusal SELECT id, ?2, ?3 FROM community WHERE id = ?1"
            " ON CONFLICT (community, reason) DO UPDATE SET count = count + ?3",
            (community, reason, count),
        )

    def refusals(self, tx: Transaction, community: str) -> dict[str, int]:
        """How often what was refused."""
        rows = tx.execute(
            "SELECT reason, count FROM refusal WHERE community = ? ORDER BY reason", (community,)
        ).fetchall()
        return dict(cast("list[tuple[str, int]]", rows))

    def set_repaired(self, tx: Transaction, community: str, at: float) -> None:
        """The generation's damaged bytes were fetched from others at this moment."""
        tx.execute("UPDATE community SET repaired_at = ? WHERE id = ?", (at, community))

    def repaired_at(self, tx: Transaction, community: str) -> float:
        """When the generation was last repaired; 0 when it never was."""
        row = tx.execute("SELECT repaired_at FROM community WHERE id = ?", (community,)).fetchone()
        return cast("float", row[0]) if row else 0.0


def _community(row: Sequence[Value]) -> Community:
    return Community(*row)  # type: ignore[arg-type]
