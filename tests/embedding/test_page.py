"""What docs/embedding.md shows is run as it stands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.embedding.interpreters import PATIENCE, ROOT, printed
from tests.embedding.page import blocks, the_application
from tests.waku.nodes.network import WakuNetwork
from tests.waku.nodes.node import STATUS_TOPICS, Dialect, WakuNode
from tests.waku.nodes.serving import served
from workflow.adapters.clock.system import SystemClock

WAKU = "http://127.0.0.1:8645"
PROGRAMS = [
    block for block in blocks("python") if block[0] != the_application() and WAKU not in block[0]
]
((ON_WAKU, SHOWN_ON_WAKU),) = (block for block in blocks("python") if WAKU in block[0])
ON = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


@pytest.mark.parametrize(("code", "shown"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_prints_what_is_shown(
    code: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    program = {"__name__": "__main__"}
    exec(compile(code, "docs/embedding.md", "exec"), program)  # noqa: S102 - our own page.
    if callable(opened := program.get("node")):
        opened().close()  # The process, whose end would do it, goes on.
    assert shown
    assert capsys.readouterr().out == shown


class Asked(WakuNode):
    """A Waku node that remembers what it was subscribed to."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        super().__init__(WakuNetwork(SystemClock()), Dialect.GO_WAKU)

    def subscribe(self, pubsub_topic: str) -> None:
        self.topics.append(pubsub_topic)
        super().subscribe(pubsub_topic)


@contextmanager
def answering(node: WakuNode) -> Iterator[str]:
    """Its address; it answers from a thread, as the program has this one."""
    urls: list[str] = []
    is_there, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with served(node) as url:
            urls.append(url)
            is_there.set()
            await is_over.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        assert is_there.wait(PATIENCE)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()


def test_a_program_on_waku_meets_the_node_that_it_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    node = Asked()
    with answering(node) as url:
        code = ON_WAKU.replace(WAKU, url)
        exec(compile(code, "docs/embedding.md", "exec"), {})  # noqa: S102 - our own page.
    assert capsys.readouterr().out == SHOWN_ON_WAKU.replace(WAKU, url)
    assert tuple(node.topics) == STATUS_TOPICS
    assert node.poll(STATUS_TOPICS[0]) is None, "it has left"


def test_a_server_lives_with_its_node_and_ends_it(tmp_path: Path) -> None:
    """Under uvicorn, whose signal handlers stay its own."""
    (tmp_path / "app.py").write_text(the_application())
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--no-use-colors"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        (address,) = next(found for line in server.stderr if (found := ON.findall(line)))
        create = urllib.request.Request(f"{address}/communities/gardeners", method="POST")  # noqa: S310
        with urllib.request.urlopen(create, timeout=PATIENCE) as answer:  # noqa: S310
            assert json.load(answer).startswith("0x")
        with urllib.request.urlopen(f"{address}/communities", timeout=PATIENCE) as answer:  # noqa: S310
            assert json.load(answer) == {"gardeners": "idle"}
        assert (tmp_path / "archives" / "holder").exists()
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=PATIENCE)
    finally:
        server.kill()
        server.wait()
    assert "Application shutdown complete." in said
    assert "Traceback" not in said
    assert server.returncode in {0, -signal.SIGTERM}  # uvicorn passes the signal on to itself
    assert not (tmp_path / "archives" / "holder").exists()


def test_a_notebook_shows_what_is_shown(tmp_path: Path) -> None:
    """Each cell of the page, by IPython, on one loop."""
    child = ROOT / "tests" / "embedding" / "notebook_child.py"
    cells = blocks("ipython")
    codes = json.dumps([code for code, _ in cells])
    shown = json.loads(printed(str(child), codes, cwd=tmp_path).splitlines()[-1])
    assert len(shown) == len(cells) > 3
    for (code, text), displayed in zip(cells, shown, strict=True):
        if "drawing" in code:
            assert displayed["image/svg+xml"].startswith("<svg")
            assert displayed["text/plain"]
        else:
            assert displayed.get("text/plain", "") == text.strip()
    assert not (tmp_path / "archives" / "holder").exists()
