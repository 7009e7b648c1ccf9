"""``doctor``: what the network needs is found out, told honestly, and within a time limit."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.clients.tracker import tracking
from tests.faces.in_process import InProcess
from workflow.cli import probes
from workflow.cli.probes import Check, Verdict
from workflow.engine.lock import DirectoryLock

LOOPBACK = "127.0.0.1"


@contextmanager
def listening(kind: int = socket.SOCK_STREAM) -> Iterator[tuple[socket.socket, int]]:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind((LOOPBACK, 0))
        if kind == socket.SOCK_STREAM:
            one.listen()
        yield one, int(one.getsockname()[1])


def free_port() -> int:
    with listening() as (_, port):
        return port


def found(here: InProcess, *arguments: str) -> dict[str, dict[str, str]]:
    """The last check of each name."""
    said = here("doctor", "--json", *arguments)
    told = json.loads(said.out)
    verdicts = [one["verdict"] for one in told["checks"]]
    assert told["is_well"] == ("problem" not in verdicts)
    assert said.code == (0 if told["is_well"] else 4)
    return {one["name"]: one for one in told["checks"]}


def test_all_is_well_on_this_machine(here: InProcess) -> None:
    said = here("doctor")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("ok       data directory  /")
    assert [line.split("  ")[0] for line in lines if line[0] != " "] == ["ok"] * 6
    assert "nobody runs; a free port is taken at each start" in said.out
    assert "only programs on this machine reach this node" in said.out


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    here = InProcess(tmp_path / "not" / "yet")
    assert found(here)["data directory"]["text"].endswith("/not/yet is made when it is needed")
    assert list(tmp_path.iterdir()) == []


def test_what_is_far_away_is_told_with_its_remedy(here: InProcess) -> None:
    port = free_port()
    options = ["--network", "private", "--listen", f"{LOOPBACK}:{port}"]
    said = here("doctor", *options, "--peer", f"{LOOPBACK}:{port}")
    assert said.code == 4
    assert f"problem  peer            {LOOPBACK}:{port}: connection refused\n" in said.out
    assert "         See whether it runs and listens there" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines() if "/" not in line)
    alone = found(here, *options)
    assert alone["tracker"]["text"] == "no tracker and no peer is named: nobody can be heard of"


def test_a_port_that_is_taken_is_told(here: InProcess) -> None:
    with listening() as (_, port):
        told = found(here, "--listen", str(port))["listen"]
        assert told["verdict"] == "problem"
        assert told["text"] == f"port {port} cannot be had: address already in use"
        assert "choose another" in told["remedy"]
    assert (
        found(here, "--listen", str(port))["listen"]["text"] == f"nobody runs; port {port} is free"
    )


def test_the_port_of_who_runs_is_seen(here: InProcess) -> None:
    lock = DirectoryLock(here.data_dir, "node")
    try:
        with listening() as (_, port):
            told = found(here, "--listen", str(port))["listen"]
            assert told["verdict"] == "ok"
            assert f"process {os.getpid()}: node runs and listens on " in told["text"]
            assert str(port) in told["text"]
            assert found(here)["listen"]["verdict"] == "ok"
            assert found(here, "--listen", "1")["listen"]["verdict"] == "problem"
        (here.data_dir / "holder").write_text("process 999999999: node\n")
        assert found(here)["listen"]["verdict"] == "unknown", "another user's process"
    finally:
        lock.release()


def test_who_runs_and_does_not_listen_is_told(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = DirectoryLock(here.data_dir, "node")
    monkeypatch.setattr(probes, "ports_of", lambda _: set())
    try:
        assert found(here)["listen"]["text"].endswith("node runs, and does not listen")
    finally:
        lock.release()


# ------------------------------------------------------------------------------------- trackers


def test_a_tracker_that_answers() -> None:
    with tracking(free_port()) as tracker:
        said = probes.tracker(tracker.url, 6881, 5.0)
        assert said == Check("tracker", Verdict.OK, f"{tracker.url} answers")
        assert tracker.heard == {(6881, "stopped")}, "it was asked about nothing"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer((LOOPBACK, 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}/announce?key=1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "verdict", "said"),
    [
        (200, b"d14:failure reason3:no!e", "ok", "answers"),
        (200, b"<html>", "problem", "what answers there is no tracker"),
        (404, b"", "problem", "it answers with 404 not found"),
    ],
)
def test_what_a_tracker_says_is_told(status: int, body: bytes, verdict: str, said: str) -> None:
    with answering(status, body) as url:
        check = probes.tracker(url, 0, 5.0)
    assert check.verdict == verdict
    assert check.text.endswith(said)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"d8:intervali60ee"), (200, b"<html>"), (403, b"")]
)
@pytest.mark.parametrize("more", ["", " "], ids=["sound", "unaskable"])
def test_what_opens_a_tracker_to_one_user_is_not_told(status: int, body: bytes, more: str) -> None:
    with answering(status, body) as url:
        secret = url.replace("//", "//me:hush@").replace(
            "/announce?key=1", f"/0123456789hush{more}6789/announce?passkey=hush{more}"
        )
        check = probes.tracker(secret, 0, 5.0)
    assert "hush" not in check.text
    assert "@127.0.0.1:" in check.text
    assert "/(set)/announce?(set)" in check.text


@pytest.mark.parametrize(("action", "verdict"), [(0, "ok"), (3, "problem")])
def test_a_tracker_over_udp(action: int, verdict: str) -> None:
    with listening(socket.SOCK_DGRAM) as (one, port):

        def answer() -> None:
            asked, address = one.recvfrom(1024)
            number, connect, ours = struct.unpack(">QII", asked)
            assert (number, connect) == (0x41727101980, 0)
            one.sendto(struct.pack(">IIQ", action, ours, 7), address)

        thread = threading.Thread(target=answer)
        thread.start()
        check = probes.tracker(f"udp://{LOOPBACK}:{port}/announce", 6881, 5.0)
        thread.join()
    assert check.verdict == verdict


@pytest.mark.parametrize("scheme", ["udp", "http"])
def test_a_tracker_that_is_silent_is_waited_for_no_longer(here: InProcess, scheme: str) -> None:
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with listening(kind) as (_, port):
        url = f"{scheme}://{LOOPBACK}:{port}/announce"
        told = found(here, "--tracker", url, "--wait", "0.2")["tracker"]
    assert told["verdict"] == "problem"
    assert told["text"] == f"{url}: no answer in time"


def test_who_never_comes_back_holds_up_nobody() -> None:
    release = threading.Event()

    def hangs() -> Check:
        release.wait(60)
        return Check("peer", Verdict.OK, "late")

    late, early = probes.ask_all(
        [("peer", hangs), ("peer", lambda: Check("peer", Verdict.OK, "early"))], 0.1
    )
    release.set()
    assert (late.verdict, late.text) == (Verdict.PROBLEM, "no answer within 0.1 s")
    assert early.text == "early"


def test_a_peer_that_can_be_reached() -> None:
    with listening() as (_, port):
        check = probes.peer("friend", (LOOPBACK, port), 5.0)
    assert (check.verdict, check.text) == (Verdict.OK, "friend can be connected to")


# --------------------------------------------------------------------------------- this machine


@pytest.mark.parametrize(
    ("address", "verdict", "said"),
    [
        ("", "problem", "no way out"),
        ("192.168.1.4", "unknown", "192.168.1.4 is no public address"),
        ("9.9.9.9", "unknown", "9.9.9.9 is a public address; whether port 6881 is open"),
    ],
)
def test_what_cannot_be_seen_is_called_unknown(address: str, verdict: str, said: str) -> None:
    check = probes.reachable(address, 6881)
    assert check.verdict == verdict
    assert said in check.text
    assert check.remedy


def test_beyond_this_machine_there_is_a_line_to_paste(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "own_address", lambda: "192.168.1.4")
    monkeypatch.setattr(probes, "bound", lambda *_, **__: "")
    said = here("doctor", "--network", "private", "--listen", "6881")
    assert "\n           ufw allow 6881\n" in said.out
    assert "\n           nft add rule inet filter input udp dport 6881 accept\n" in said.out
    told = found(here, "--network", "private")
    assert told["listen"]["verdict"] == "problem", "nobody can forward a port that changes"
    assert "--listen 6881" in told["listen"]["remedy"]
    assert "firewall" not in told


@pytest.mark.parametrize("every", ["0.0.0.0", "[::]"])  # noqa: S104 - nobody listens.
def test_who_listens_on_every_address_is_told_of_the_one_that_leads_out(
    here: InProcess, monkeypatch: pytest.MonkeyPatch, every: str
) -> None:
    monkeypatch.setattr(probes, "own_address", lambda: "9.9.9.9")
    monkeypatch.setattr(probes, "bound", lambda *_, **__: "")
    told = found(here, "--network", "private", "--listen", f"{every}:6881")
    assert "9.9.9.9 is a public address" in told["reachable"]["text"]


def test_udp_is_tried_where_it_is_used() -> None:
    with listening(socket.SOCK_DGRAM) as (_, port):
        assert probes.bound([LOOPBACK], port, with_udp=False) == ""
        assert probes.bound([LOOPBACK], port, with_udp=True) == "address already in use"
    assert probes.bound(["::1"], 0, with_udp=True) == ""


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert probes.writable("messages", tmp_path).verdict is Verdict.OK
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert probes.writable("messages", folder).verdict is Verdict.PROBLEM


def test_only_who_is_named_is_asked(here: InProcess) -> None:
    asked = found(here, "--listen", "0")
    assert "tracker" not in asked
    assert "peer" not in asked
