"""``community add-channel``: a channel that no description names is followed all the same."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from tests.faces.chatter import ID
from tests.faces.in_process import InProcess
from tests.faces.test_status import running
from workflow.cli.place import view_of
from workflow.ports.records import Channel
from workflow.waku.chats import topic_of

UUID = "7e6d0b4a-9bd1-4c5e-8d2f-0123456789ab"
CHAT = ID + UUID


def known(data_dir: Path) -> list[Channel]:
    """The channels that are more than a topic."""
    view = view_of(data_dir)
    with closing(view.journal):
        found = view.journal.run(lambda tx: view.tools.store.channels(tx, ID))
    return [one for one in found if one.chat_id]


def test_without_a_process_that_runs(here: InProcess) -> None:
    said = here("community", "add-channel", "gardeners", UUID.upper(), "--name", "general")
    assert (said.out, said.err, said.code) == (
        "gardeners: the channel general is followed.\n", "", 0
    )  # fmt: skip
    assert known(here.data_dir) == [Channel(topic_of(CHAT), CHAT, "general")]


async def test_beside_a_process_that_runs(here: InProcess) -> None:
    async with running(here) as (node, _):
        said = await asyncio.to_thread(here, "community", "add-channel", "gard", UUID)
        assert (said.out, said.code) == (f"gardeners: the channel {UUID} is followed.\n", 0)
        assert Channel(topic_of(CHAT), CHAT) in await node.channels(ID)


def test_again_it_gets_another_name_and_the_whole_id_is_taken(here: InProcess) -> None:
    for uuid, name in ((UUID, "general"), (CHAT, "the <old> tearoom ☕"), (UUID, "")):
        assert here("community", "add-channel", "gardeners", uuid, "--name", name).code == 0
    assert known(here.data_dir) == [Channel(topic_of(CHAT), CHAT, "the <old> tearoom ☕")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([UUID[:-1]], "a UUID has 32 hexadecimal digits and four dashes"),
        ([UUID.replace("-", "")], "a UUID has 32 hexadecimal digits and four dashes"),
        ([UUID + "\n"], "a UUID has 32 hexadecimal digits and four dashes"),
        (["0x02" + 64 * "a" + UUID], "a UUID has 32 hexadecimal digits and four dashes"),
        ([UUID, "--name", "two\nlines"], "a name is one line of text"),
        ([UUID, "--name", "\x1b[31mred"], "a name is one line of text"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(
    here: InProcess, arguments: list[str], says: str
) -> None:
    said = here("community", "add-channel", "gardeners", *arguments)
    assert said.code == 2
    assert says in " ".join(said.err.split())
    assert known(here.data_dir) == []


def test_of_a_community_that_is_not_here(here: InProcess) -> None:
    said = here("community", "add-channel", "nobody", UUID)
    assert (said.code, said.err.startswith("[community-unknown] ")) == (1, True)


def test_its_help_says_for_whom_it_is(nothing: InProcess) -> None:
    said = nothing("community", "add-channel", "--help")
    assert said.code == 0
    told = " ".join(said.out.split())
    assert "This is for a community that encrypts its description." in told
    assert f"community-archives community add-channel gardeners {UUID} --name general" in told
