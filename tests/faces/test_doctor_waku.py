"""``doctor`` and Waku nodes: they are looked at, in words and as JSON, and nothing is disturbed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faces.command_line import Said
from tests.faces.in_process import InProcess
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import Dialect, WakuNode
from tests.waku.nodes.serving import InProcess as WithinThis
from tests.waku.nodes.serving import served
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.messaging.waku.looking import Look, look_at
from workflow.adapters.messaging.waku.node import Dialect as Spoken
from workflow.cli import waku_nodes
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC
from workflow.waku.message import WakuMessage

is_both = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda one: one.value)
VERSIONS = {Dialect.GO_WAKU: "v0.9.0-0ed94ce0", Dialect.NWAKU: "v0.37.0-7d1c6a"}


@pytest.fixture
def network() -> WakuNetwork:
    return WakuNetwork(ManualClock())


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def look(node: WakuNode) -> Look:
    clock = node.clock
    return await look_at(
        node.url, DEFAULT_PUBSUB_TOPIC, clock, 5.0, transport=lambda _: WithinThis(node)
    )


# ------------------------------------------------------------------------------------- one node


@is_both
async def test_who_it_is_and_what_it_says(network: WakuNetwork, dialect: Dialect) -> None:
    node = WakuNode(network, dialect)
    found = await look(node)
    health = "READY" if dialect is Dialect.NWAKU else ""
    assert found == Look(node.url, Spoken(dialect.value), VERSIONS[dialect], health)
    node.faults.is_unready = True
    assert (await look(node)).health == ("NOT_READY" if health else "")


@is_both
async def test_nothing_is_subscribed_and_nothing_emptied(
    network: WakuNetwork, dialect: Dialect
) -> None:
    node = WakuNode(network, dialect)
    before = node.poll(DEFAULT_PUBSUB_TOPIC)
    await look(node)
    assert node.poll(DEFAULT_PUBSUB_TOPIC) == before == (None if dialect is Dialect.GO_WAKU else [])
    node.subscribe(DEFAULT_PUBSUB_TOPIC)
    waits = WakuMessage(
        b"x", "/waku/1/0x00000000/rfc26", timestamp=int(network.clock.now()) * 10**9
    )
    network.publish(DEFAULT_PUBSUB_TOPIC, waits)
    await look(node)
    assert node.poll(DEFAULT_PUBSUB_TOPIC) == [waits]


@is_both
async def test_a_store_that_is_not_there_or_does_not_answer(
    network: WakuNetwork, dialect: Dialect
) -> None:
    node = WakuNode(network, dialect, has_store=False)
    for _ in range(2):
        found = await look(node)
        assert found.trouble is None
        assert found.store_trouble is not None
        assert str(found.store_trouble).startswith("it does not tell what was missed (")
        node.has_store = node.faults.is_store_down = True


async def test_a_node_that_is_down_or_slow(network: WakuNetwork) -> None:
    node = WakuNode(network, Dialect.NWAKU)
    node.faults.is_down = True
    found = await look(node)
    assert found.trouble is not None
    assert found.trouble.message == "the connection fails (ConnectError)"
    node.faults.is_down, node.faults.delay = False, 2.0  # seconds for each of the three questions
    looking = asyncio.create_task(look(node))
    clock = network.clock
    assert isinstance(clock, ManualClock)
    await clock.advance(10.0)
    found = await looking
    assert (found.trouble, found.health) == (None, "READY")
    assert found.store_trouble is not None
    assert found.store_trouble.message == "no answer within 5 s"
    node.faults.delay = 6.0
    looking = asyncio.create_task(look(node))
    await clock.advance(10.0)
    assert (await looking).trouble is not None


# --------------------------------------------------------------------------------- the command


async def asked(here: InProcess, *arguments: str) -> Said:
    return await asyncio.to_thread(here, "doctor", *arguments)


async def test_a_line_for_each_node(here: InProcess) -> None:
    network = WakuNetwork(SystemClock())
    go_waku, nwaku = WakuNode(network, Dialect.GO_WAKU), WakuNode(network, Dialect.NWAKU)
    async with served(go_waku) as first, served(nwaku) as second:
        both = ["--waku", first.replace("//", "//me:hush@"), "--waku", second]
        said = await asked(here, *both)
        told = " ".join(said.out.split())
        assert (said.code, said.err) == (0, "")
        assert (
            f"ok waku {first} is go-waku v0.9.0-0ed94ce0; it does not say whether it is ready; it"
            f" tells what was missed ok waku {second} is nwaku v0.37.0-7d1c6a; it says READY; it"
            " tells what was missed"
        ) in told
        assert all(len(line) <= 80 for line in said.out.splitlines() if "/" not in line)
        assert "ok       messages " not in said.out, "no folder carries them"

        nwaku.has_store, nwaku.faults.is_unready = False, True
        said = await asked(here, *both, "--json")
        assert said.code == 4
        _, of_nwaku = [one for one in json.loads(said.out)["checks"] if one["name"] == "waku"]
        assert of_nwaku["text"].startswith(f"{second} is nwaku v0.37.0-7d1c6a; it says NOT_READY; ")
        assert of_nwaku["text"].endswith("; another one does")
        assert of_nwaku["remedy"].startswith("Wait until it has peers")
        assert "store" not in of_nwaku["remedy"]
        nwaku.faults.is_unready = False
        assert (await asked(here, *both)).code == 0, "one of them has a store"

        said = await asked(here, "--waku", second)
        assert said.code == 4
        assert "(412: No suitable service peer & no discovery method)" in " ".join(said.out.split())
        assert "One of the nodes needs a store" in said.out

        go_waku.faults.is_down = True
        said = await asked(here, *both)
        assert said.code == 4
        assert f"problem waku {first}: the connection fails (" in " ".join(said.out.split())
        assert "hush" not in said.out


async def test_what_is_no_waku_node(here: InProcess) -> None:
    other = WakuNode(WakuNetwork(SystemClock()), Dialect.GO_WAKU)
    async with served(other) as url:
        said = await asked(here, "--waku", f"{url}/elsewhere")
    assert said.code == 4
    assert f"{url}/elsewhere: what answers there is no Waku node" in " ".join(said.out.split())


def test_it_is_waited_for_no_longer_than_was_said(here: InProcess, silent: str) -> None:
    said = here("doctor", "--waku", silent, "--wait", "0.2")
    assert said.code == 4
    assert f"{silent}: no answer within 0.2 s" in said.out


def test_who_never_comes_back_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(waku_nodes, "_look", lambda *_: release.wait(60))
    (check,) = waku_nodes.waku_nodes(["http://me:hush@a.example"], (), 0.1)
    release.set()
    assert (check.verdict, check.text) == ("problem", "http://a.example: no answer within 0.1 s")


def test_a_node_that_does_not_say_who_it_is_may_do_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waku_nodes, "_look", lambda node, *_: Look(node, health="Node is healthy"))
    (check,) = waku_nodes.waku_nodes(["http://a.example"], ["/waku/2/rs/16/0"], 5.0)
    assert check.verdict == "ok"
    assert check.text == (
        "http://a.example is a Waku node that does not say which; it says Node is healthy; it tells"
        " what was missed"
    )
