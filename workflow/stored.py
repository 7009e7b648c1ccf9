"""A community's messages, complete: from the store, and from the archives what it has let go of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from workflow.actions.tools import Tools
from workflow.archive.codec import unpack_archive
from workflow.archive.index import IndexEntry
from workflow.archive.ratchet import RatchetKey, readable
from workflow.archive.windows import Window
from workflow.errors import ContentDamagedError
from workflow.files.folder import read_archive
from workflow.ports.records import Place, StoredMessage
from workflow.ports.work import Transaction

T = TypeVar("T")

ALWAYS: Final = Window(-(2**62), 2**62)
PAGE: Final = 4 * 1024 * 1024
"""Bytes of messages that are read at once, about."""


class Pages:
    """Messages of a window, a page at a time, in archive order (time, topic, sequence).

    ``read`` runs in a transaction; ``fill`` blocks on files and does not, so that nobody waits for
    the journal meanwhile.
    """

    def __init__(self, tools: Tools, community: str, window: Window = ALWAYS) -> None:
        self._tools = tools
        self._community = community
        self._window = window
        self._entries: dict[str, tuple[int, IndexEntry]] = {}
        self._keys: list[RatchetKey] = []
        self._opened: tuple[str, dict[bytes, bytes]] = "", {}

    def read(self, tx: Transaction, after: Place | None) -> list[StoredMessage]:
        """The page behind a place; empty at the end. Some bytes may still be lacking."""
        store = self._tools.store
        page = store.messages(tx, self._community, self._window, after=after, at_least=PAGE)
        for one in page:
            if one.encoded is None and one.archive and one.archive not in self._entries:
                _, lineage, entry = store.archive(tx, one.archive)
                self._entries[one.archive] = lineage, entry
                self._keys = self._keys or store.ratchet_keys(tx, self._community)
        return page

    def fill(self, page: list[StoredMessage]) -> list[StoredMessage]:
        """The page with all bytes. Raises ``ContentDamagedError`` when an archive lacks them."""
        return [one if one.encoded is not None else self._filled(one) for one in page]

    def all(self, run: Callable[[Callable[[Transaction], list[StoredMessage]]], list[StoredMessage]]
            ) -> Iterator[StoredMessage]:  # fmt: skip
        """All messages, page by page; ``run`` runs a query in a transaction."""
        after: Place | None = None
        while page := run(lambda tx: self.read(tx, after)):  # noqa: B023 - run in this turn.
            yield from self.fill(page)
            after = page[-1].place

    def _filled(self, one: StoredMessage) -> StoredMessage:
        name = one.archive or ""
        if self._opened[0] != name:
            lineage, entry = self._entries[name]
            data = self._tools.folder.content(self._community, lineage, 0, 0).data
            raw = readable(read_archive(data, entry), self._keys)
            self._opened = name, {m.digest: m.encoded for m in unpack_archive(raw, entry)}
        encoded = self._opened[1].get(one.digest)
        if encoded is None:
            raise ContentDamagedError(
                f"message {one.sequence} is not in the archive that should hold it", place=name
            )
        return one._replace(encoded=encoded)
