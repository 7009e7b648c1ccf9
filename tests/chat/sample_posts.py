"""Posts to play with: a community, its key, and Hypothesis strategies."""

from __future__ import annotations

from coincurve import PrivateKey
from hypothesis import strategies as st

from workflow.chat.post import MAX_TIME_MS, Attachment, Author, Channel, Post, Reference

COMMUNITY_KEY = PrivateKey(
    bytes.fromhex("8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63")
)
COMMUNITY_ID = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
CHAT_ID = COMMUNITY_ID + "11111111-1111-1111-1111-111111111111"


def sign_digest(digest: bytes) -> bytes:
    return COMMUNITY_KEY.sign_recoverable(digest, hasher=None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
IDS = st.text("0123456789abcdefXYZ-_./ü ", min_size=1, max_size=20)
TIMES = st.integers(0, MAX_TIME_MS)
AUTHORS = st.builds(
    Author, id=TEXTS, name=TEXTS, nickname=TEXTS, discriminator=TEXTS, avatar_url=TEXTS
)
REFERENCES = st.builds(Reference, message=TEXTS, channel=TEXTS, guild=TEXTS)
ATTACHMENTS = st.builds(
    Attachment,
    id=TEXTS,
    name=TEXTS | st.sampled_from(["a.png", "b.html", "../c", "d.JPG"]),
    size=st.integers(0, 2**63 - 1),
    content_type=TEXTS,
    # An address, as a path beside the export is taken for one of its files.
    url=st.just("") | TEXTS.map(lambda text: f"https://host/{text}"),
    payload=st.none() | st.binary(min_size=1, max_size=50),
)
CHANNELS = st.builds(
    Channel,
    id=IDS,
    name=TEXTS,
    category=TEXTS,
    category_id=TEXTS,
    topic=TEXTS,
    kind=TEXTS,
    guild=TEXTS,
    guild_name=TEXTS,
)


def posts(channel: str = "7") -> st.SearchStrategy[Post]:
    return st.builds(
        Post,
        id=IDS,
        channel=st.just(channel),
        author=AUTHORS,
        time_ms=TIMES,
        text=TEXTS,
        kind=st.sampled_from(["Default", "Reply", "GuildNews", "Edit", "RecipientAdd"]),
        reference=st.none() | REFERENCES,
        edited_ms=st.none() | TIMES,
        attachments=st.lists(ATTACHMENTS, max_size=3).map(tuple),
    )
