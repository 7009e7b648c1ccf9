"""The tables of the domain, in the one database of a data directory.

Times are seconds (UTC epoch), clocks milliseconds. Message rows hold bytes as an archive holds
them; ``archive`` names the archive that a message lies in, and NULL is what makes a window due.
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
                id                TEXT PRIMARY KEY,
                name              TEXT NOT NULL,
                control_key       BLOB NOT NULL,
                control_device    TEXT NOT NULL,
                control_epoch     INT  NOT NULL,
                claimed_epoch     INT  NOT NULL,
                interval          INT  NOT NULL,
                anchor            INT,
                reannounce_after  REAL,
                is_enabled        INT  NOT NULL,
                generation        INT  NOT NULL,
                candidate         INT  NOT NULL,
                condition         TEXT NOT NULL,
                description_clock INT  NOT NULL DEFAULT 0,
                caught_up_run     INT  NOT NULL DEFAULT 0,
                catch_up_deadline REAL NOT NULL DEFAULT 0,
                repaired_at       REAL NOT NULL DEFAULT 0
            ) WITHOUT ROWID
            """,
            "CREATE INDEX community_name ON community (name)",
            "CREATE INDEX community_seeding ON community (id) WHERE generation > 0",
            """
            CREATE TABLE topic (
                community TEXT NOT NULL REFERENCES community,
                position  INT  NOT NULL,
                topic     BLOB NOT NULL,
                PRIMARY KEY (community, position),
                UNIQUE (community, topic)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE message (
                sequence  INTEGER PRIMARY KEY,
                community TEXT NOT NULL REFERENCES community,
                time      INT  NOT NULL,
                topic     BLOB NOT NULL,
                encoded   BLOB NOT NULL,
                weight    INT  NOT NULL,
                digest    BLOB NOT NULL,
                archive   TEXT,
                stored_at REAL NOT NULL,
                UNIQUE (community, digest)
            )
            """,
            "CREATE INDEX message_order ON message (community, time, topic, sequence)",
            """
            CREATE INDEX message_unarchived ON message (community, time, stored_at)
                WHERE archive IS NULL
            """,
            """
            CREATE TABLE generation (
                community   TEXT NOT NULL REFERENCES community,
                number      INT  NOT NULL,
                lineage     INT  NOT NULL,
                locator     TEXT NOT NULL,
                data_length INT  NOT NULL,
                is_own      INT  NOT NULL,
                missing     INT  NOT NULL,
                seeded_at   REAL,
                PRIMARY KEY (community, number)
            ) WITHOUT ROWID
            """,
            "CREATE INDEX generation_locator ON generation (locator)",
            """
            CREATE TABLE archive (
                instance    TEXT PRIMARY KEY,
                community   TEXT NOT NULL REFERENCES community,
                lineage     INT  NOT NULL,
                id          TEXT NOT NULL,
                entry       BLOB NOT NULL,
                "offset"    INT  NOT NULL,
                is_here     INT  NOT NULL,
                is_done     INT  NOT NULL,
                is_locked   INT  NOT NULL
            ) WITHOUT ROWID
            """,
            'CREATE INDEX archive_offset ON archive (community, lineage, "offset")',
            "CREATE INDEX archive_open ON archive (community) WHERE is_done = 0",
            """
            CREATE TABLE announcement (
                community TEXT NOT NULL REFERENCES community,
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
                community   TEXT PRIMARY KEY REFERENCES community,
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
                community    TEXT NOT NULL REFERENCES community,
                id           BLOB NOT NULL,
                key          BLOB NOT NULL,
                timestamp_ms INT  NOT NULL,
                PRIMARY KEY (community, id)
            ) WITHOUT ROWID
            """,
        ),
    ),
)
