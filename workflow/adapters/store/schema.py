"""The tables of the domain, in the one database of a data directory.

Times are seconds (UTC epoch), clocks milliseconds. A row of ``message`` holds the bytes as an
archive holds them, and never changes but for one thing: bytes that an announced archive holds are
let go. Where a message is archived stands in narrow tables of its own, because a million of them
are archived in one step: ``unarchived`` (in the order of archives; a row there is what makes a
window due) or ``archived``, never both. These three have numbers instead of names, and no foreign
keys: they are most of the database. The weight of a message stands in ``unarchived`` as well, so
that a million can be weighed without a look at their rows.
"""

from __future__ import annotations

from typing import Final

from workflow.ports.work import Migration

STORE: Final = (
    Migration(
        "store",
        1,
        (
            """
            CREATE TABLE community (
                number            INTEGER PRIMARY KEY,
                id                TEXT NOT NULL UNIQUE,
                name              TEXT NOT NULL,
                control_key       BLOB NOT NULL,
                control_device    TEXT NOT NULL,
                control_epoch     INT  NOT NULL,
                claimed_epoch     INT  NOT NULL,
                interval          INT  NOT NULL,
                anchor            INT,
                reannounce_after  REAL,
                is_enabled        INT  NOT NULL,
                is_encrypted      INT  NOT NULL,
                generation        INT  NOT NULL,
                candidate         INT  NOT NULL,
                condition         TEXT NOT NULL,
                description_clock INT  NOT NULL DEFAULT 0,
                caught_up_run     INT  NOT NULL DEFAULT 0,
                catch_up_deadline REAL NOT NULL DEFAULT 0,
                repaired_at       REAL NOT NULL DEFAULT 0,
                archive_asked_at  REAL NOT NULL DEFAULT 0,
                archive_open      INT  NOT NULL DEFAULT 0,
                announce_asked_at REAL NOT NULL DEFAULT 0,
                chosen_since      INT,
                chosen_until      INT,
                chosen_latest     INT  NOT NULL DEFAULT 0
            )
            """,
            "CREATE INDEX community_name ON community (name)",
            "CREATE INDEX community_seeding ON community (id) WHERE generation > 0",
            # Communities whose rows are gone, and whose files may not be yet.
            "CREATE TABLE removed (community TEXT PRIMARY KEY) WITHOUT ROWID",
            """
            CREATE TABLE channel (
                community TEXT NOT NULL REFERENCES community (id),
                position  INT  NOT NULL,
                topic     BLOB NOT NULL,
                chat_id   TEXT NOT NULL,
                name      TEXT NOT NULL,
                category  TEXT NOT NULL,
                PRIMARY KEY (community, position),
                UNIQUE (community, topic, chat_id)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE message (
                sequence  INTEGER PRIMARY KEY,
                community INT  NOT NULL,
                time      INT  NOT NULL,
                topic     BLOB NOT NULL,
                digest    BLOB NOT NULL,
                weight    INT  NOT NULL,
                stored_at REAL NOT NULL,
                origin    TEXT,
                encoded   BLOB
            )
            """,
            # Equal messages have equal times, and messages come roughly in the order of time: so
            # the rows of this index are written side by side, not all over it.
            "CREATE UNIQUE INDEX message_digest ON message (community, time, digest)",
            "CREATE INDEX message_origin ON message (community, origin) WHERE origin IS NOT NULL",
            """
            CREATE TABLE unarchived (
                community INT  NOT NULL,
                time      INT  NOT NULL,
                topic     BLOB NOT NULL,
                sequence  INT  NOT NULL,
                weight    INT  NOT NULL,
                PRIMARY KEY (community, time, topic, sequence)
            ) WITHOUT ROWID
            """,
            "CREATE TABLE archived (sequence INTEGER PRIMARY KEY, archive INT NOT NULL)",
            """
            CREATE TABLE generation (
                community   TEXT NOT NULL REFERENCES community (id),
                number      INT  NOT NULL,
                lineage     INT  NOT NULL,
                locator     TEXT NOT NULL,
                data_length INT  NOT NULL,
                is_own      INT  NOT NULL,
                info_hash   TEXT NOT NULL,
                missing     INT  NOT NULL,
                seeded_at   REAL,
                PRIMARY KEY (community, number)
            ) WITHOUT ROWID
            """,
            "CREATE INDEX generation_locator ON generation (locator)",
            """
            CREATE TABLE archive (
                number      INTEGER PRIMARY KEY,
                instance    TEXT NOT NULL UNIQUE,
                community   TEXT NOT NULL REFERENCES community (id),
                lineage     INT  NOT NULL,
                id          TEXT NOT NULL,
                entry       BLOB NOT NULL,
                "offset"    INT  NOT NULL,
                is_here     INT  NOT NULL,
                is_done     INT  NOT NULL,
                is_locked   INT  NOT NULL,
                is_let_go   INT  NOT NULL DEFAULT 0
            )
            """,
            'CREATE INDEX archive_offset ON archive (community, lineage, "offset")',
            "CREATE INDEX archive_open ON archive (community) WHERE is_done = 0",
            "CREATE INDEX archive_absent ON archive (community) WHERE is_here = 0",
            """
            CREATE TABLE announcement (
                community TEXT NOT NULL REFERENCES community (id),
                clock     INT  NOT NULL,
                locator   TEXT NOT NULL,
                epoch     INT  NOT NULL,
                payload   BLOB NOT NULL,
                sent_at   REAL,
                PRIMARY KEY (community, clock)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE link (
                community   TEXT PRIMARY KEY REFERENCES community (id),
                clock       INT  NOT NULL,
                locator     TEXT NOT NULL,
                payload     BLOB NOT NULL,
                first_at    REAL NOT NULL,
                last_at     REAL NOT NULL,
                is_locked   INT  NOT NULL
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE refusal (
                community TEXT NOT NULL,
                reason    TEXT NOT NULL,
                count     INT  NOT NULL,
                PRIMARY KEY (community, reason)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE ratchet_key (
                community    TEXT NOT NULL REFERENCES community (id),
                id           BLOB NOT NULL,
                key          BLOB NOT NULL,
                timestamp_ms INT  NOT NULL,
                seq_no       INT  NOT NULL DEFAULT 0,
                PRIMARY KEY (community, id)
            ) WITHOUT ROWID
            """,
        ),
    ),
    # The public key whose private key a person is known to have saved elsewhere.
    Migration("store", 2, ("ALTER TABLE community ADD COLUMN saved_key BLOB",)),
    Migration(
        "store",
        3,
        (
            # Until when one of those who remember has told all that it knows of a chat.
            """
            CREATE TABLE heard (
                community TEXT NOT NULL REFERENCES community (id),
                chat      TEXT NOT NULL,
                source    TEXT NOT NULL,
                until     REAL NOT NULL,
                PRIMARY KEY (community, chat, source)
            ) WITHOUT ROWID
            """,
            # What the network had forgotten when it was asked.
            """
            CREATE TABLE gap (
                community TEXT NOT NULL REFERENCES community (id),
                chat      TEXT NOT NULL,
                since     REAL NOT NULL,
                until     REAL NOT NULL,
                PRIMARY KEY (community, chat, since)
            ) WITHOUT ROWID
            """,
        ),
    ),
)
