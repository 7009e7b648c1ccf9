"""What status-go made of given messages, as plain facts.

Its index is a map in any order; info-hashes and torrents are those that it makes of the same index
sorted by id.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from workflow.archive.message import ArchivedMessage

COMMUNITY: Final = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
OWNER: Final = (
    "0x043d5c2875c9bd116875a71a5db64cffcb13396b163d039b1d932782489180433"
    "476a4352a2add00ebb0d5c94c515b72eb10f1fd8f3f03b42f4a2b255bfc9aa9e3"
)
GENERAL, RANDOM = bytes.fromhex("50ce5327"), bytes.fromhex("b056ba39")
TOPICS: Final = (GENERAL, RANDOM)
SENDER: Final = bytes.fromhex(
    "04ba5734d8f7091719471e7f7ed6b9df170dc70cc661ca05e688601ad984f068b0"
    "d67351e5f06073092499336ab0839ef8a521afd334e53807205fa2f08eec74f4"
)
START: Final = 1704067200
WEEK: Final = 604800


def message(
    number: int, timestamp: int, payload: bytes, topic: bytes = GENERAL, third_party_id: str = ""
) -> ArchivedMessage:
    """Message ``number`` of the reference's run: its padding and hash follow from the number."""
    return ArchivedMessage(
        sig=SENDER,
        timestamp=timestamp,
        topic=topic,
        payload=payload,
        padding=bytes([number, number]),
        hash=hashlib.sha256(bytes([number])).digest(),
        third_party_id=third_party_id,
    )


def pattern(length: int, seed: int) -> bytes:
    return bytes((i * 31 + seed) & 0xFF for i in range(length))


class Run(NamedTuple):
    """One call: what went in beside the messages, and what came out."""

    end: int
    ids: tuple[str, ...] = ()
    data: str = ""  # SHA-256 of the whole file
    info_hash: str = ""
    torrent: str = ""  # SHA-256 of the .torrent
    start: int = START


class Case(NamedTuple):
    """Messages, and the calls that archived them one after another."""

    messages: tuple[ArchivedMessage, ...]
    runs: tuple[Run, ...]
    from_store: bool = True
    max_weight: int = 30_000_000


DAYS: Final = (
    message(3, START + 7200, b"third by time", RANDOM),
    message(1, START, b"exactly at start: included"),
    message(2, START + 3600, b"second"),
    message(4, START + WEEK, b"exactly at the first partition end: second archive"),
    message(5, START + WEEK + 100, b"with a third party id", RANDOM, COMMUNITY + "999"),
    message(6, START + 864000, b"exactly at end: excluded"),
    message(7, START - 1, b"before start: excluded"),
    message(8, START + 50, b"other topic: excluded", bytes.fromhex("01020304")),
)
LENGTHS: Final = (400, 400, 100, 935, 936, 200, 2000, 735, 1)

FIRST_WEEK: Final = "0xe630f84d131fc27f8e572f7ca63205d33240fe07476df8281fdb4201a6c120ca"
SECOND_WEEK: Final = "0x71249f3347ed60a77f3c224b4780017930cf384e08712e83a82df5db4fe2c11c"
BOTH_WEEKS: Final = Run(
    end=START + 864000,
    ids=(FIRST_WEEK, SECOND_WEEK),
    data="df75f981aacffffab9f262f5009150be4135a308521eba33e037e1c1fcbabb92",
    info_hash="73877ec8096f2114f7980cfca94ed2cae09683d0",
    torrent="a03f9f2aa2dd84cbc677d405519b820395d460595f8ad47665fe7cd80a1d9b0b",
)

CASES: Final = {
    "two weeks, the last one cut": Case(DAYS, (BOTH_WEEKS,)),
    "two weeks, week by week": Case(
        DAYS,
        (
            Run(
                end=START + WEEK,
                ids=(FIRST_WEEK,),
                data="753f1f8cbf9f79be23c2408431c5da9e4a9bb425c6ff87bf468fb4b7cceef318",
                info_hash="4c200cb1c2c635a5c821d1b474f1b88f665987fc",
                torrent="fd583ccaa11b2bc6972884e80af5d35dc944c0a601c2710bdc4a6f76d3050bd7",
            ),
            BOTH_WEEKS._replace(start=START + WEEK, ids=(SECOND_WEEK,)),
        ),
    ),
    "a list as given, on any topic": Case(
        DAYS,
        (
            Run(
                end=START + 864000,
                ids=(
                    "0x35dd3d57b511f4cc88c295cb250ac274b30da7041e5f99018cace261c6a95655",
                    SECOND_WEEK,
                ),
                data="922b862a8c4678bc7956f8f5e475fe8af73c1ff65ba2b04a8fcca2e110b05a98",
                info_hash="e957dc27582219f7037f27bfe48bd308c8f74d7c",
                torrent="c2efe6271d4e9ec8aa97a97de2a981f3f8df5499fdb5d5f3b5dc6c0a71754e83",
            ),
        ),
        from_store=False,
    ),
    "a week in the middle without messages": Case(
        (message(1, START + 1, b"week 1"), message(2, START + 2 * WEEK + 1, b"week 3")),
        (
            Run(
                end=START + 3 * WEEK,
                ids=(
                    "0x5ab90a9bb08cedc112be6829d8af1f431afbb186c0c736b59e3bfa2c4b5dd8d8",
                    "0x0ec501252d31de101251a5c40615ac31306a99f2592db1456f1b4345e59e3458",
                ),
                data="5833044ca7a8750cdda1102ab353d924c98d7cf760ce62a9f6eb779e446f6022",
                info_hash="e7cb3261c7a5d4cfb206e9b17e394e43988256e9",
                torrent="432f2e0cb1defcfc33978b34a8d2b6351edcec3c88e4ac012ae37baed86c3fa0",
            ),
        ),
    ),
    "no messages": Case((), (Run(end=START + 2 * WEEK + 5),)),
    "chunks at a lowered limit": Case(
        tuple(
            message(number, START + number - 1, pattern(length, number - 1))
            for number, length in enumerate(LENGTHS, 1)
        ),
        (
            Run(
                end=START + WEEK,
                ids=(
                    "0x417156150fee2f4a8b3ab54527b53a34eff97fdc48c8ac8037cd79719627421d",
                    "0xbf42170b6109df4fa77474f49f83d018187be138e70b9f2fdebe3636999e8ad5",
                    "0x907554cc5b4e0d247d5eb4385a2e63d8f6c40dbddef9cfe380979c83f5dc9ec7",
                    "0x70592fe1fa2d2ab8e7abae81e97533ad6576a616d211309017005630270182b2",
                    "0x2c99d92b1654108993e31158979251cbb0ca02352cf1f175d162d3d9a09db7ec",
                ),
                data="9ea035b3987b248926685ca23bb441e9ce984bb1cdbdfa683c376d7484475c6d",
                info_hash="fc8cece5667b4d0130b7dc6d84fd2ed10ba6cd75",
                torrent="67233426adf0ecfb021611cd9faf30f1107b83ed811bfee594dc815744e7d1fc",
            ),
        ),
        max_weight=1000,
    ),
    "an archive of exactly one piece": Case(
        (message(1, START, pattern(102249, 0)),),
        (
            Run(
                end=START + WEEK,
                ids=("0xabbbb9d3e55c4bd638e74c4b768a7998659381916b4947e6c4019031143fddf1",),
                data="3875f91111d553e4c654cc5672437edbef7d4b9fd490e7c3fd7019e5fdf67703",
                info_hash="452fee9eba3406614c39d0550d3d8afe61af496a",
                torrent="397e0fed1e27ee2de1a310c1abec66c6a4d4e6133bcb3642917a584f5fb5d5ad",
            ),
        ),
    ),
    "an archive of exactly two pieces": Case(
        (message(1, START, pattern(204649, 0)),),
        (
            Run(
                end=START + WEEK,
                ids=("0x94fb6654e045f7b419bb1641c3203215c45c3c5034795429ef852e907b32b750",),
                data="4a12d169ca5a0d75bf2ad18c576c3994f013dcadb73310cd2fffaaf9d6fd9a85",
                info_hash="479b08c0e5f8efad18798a9b6fce1dd0f8c1454b",
                torrent="357838e6c51f4bcbb006e02e1e5d58f3afc50326f5ebd269b634d31788fa1551",
            ),
        ),
    ),
}
