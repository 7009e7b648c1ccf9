from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.session import WITHOUT_DEFAULT, session_settings
from workflow.adapters.carrier.bittorrent.settings import (
    TRACKERS,
    Network,
    Settings,
    address_of,
)
from workflow.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
ANY = IPv4Address(0)
LOCAL, PRIVATE, PUBLIC = Network.LOCAL, Network.PRIVATE, Network.PUBLIC


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "127.0.0.1:7"),
        ({"network": PRIVATE}, "127.0.0.1:7"),
        ({"network": PRIVATE, "interface": str(ANY)}, "127.0.0.1:7"),
        ({"network": PRIVATE, "interface": "::"}, "[::1]:7"),
        ({"network": PRIVATE, "interface": "192.0.2.7"}, "192.0.2.7:7"),
    ],
)
def test_where_this_machine_reaches_a_node(settings: dict[str, Any], address: str) -> None:
    assert Settings(**settings).reached_at(7) == address


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": -1}, "there is no port -1"),
        ({"port": 65_536}, "there is no port 65536"),
        ({"patience": 0}, "seconds above 0"),
        ({"metadata_patience": -1.0}, "seconds above 0"),
        ({"interface": "eth0"}, "'eth0' is no IP address"),
        ({"interface": "192.0.2.7"}, "not on this machine"),
        ({"trackers": ("http://tracker.example/announce",)}, "not on this machine"),
        ({"trackers": ("http://127.0.0.1.example/announce",)}, "not on this machine"),
        ({"trackers": ("http://127.0.0.1@tracker.example/",)}, "not on this machine"),
        ({"trackers": ("ftp://127.0.0.1/announce",)}, "is no tracker"),
        ({"trackers": ("http:///announce",)}, "is no tracker"),
        ({"trackers": ("http://[::1/announce",)}, "is no tracker"),
        ({"trackers": ("http://127.0.0.1:port/",)}, "is no tracker"),
        ({"trackers": ("http://127.0.0.1/\n",)}, "is no tracker"),
        ({"peers": ("192.0.2.7:1",)}, "not on this machine"),
        ({"peers": ("127.0.0.1",)}, "is not host:port"),
        ({"peers": ("127.0.0.1:0",)}, "is not host:port"),
        ({"peers": ("127.0.0.1:65536",)}, "is not host:port"),
        ({"peers": ("127.0.0.1:٣",)}, "is not host:port"),
        ({"peers": ("::1:5",)}, "is not host:port"),
        ({"peers": (":5",)}, "is not host:port"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Settings(**settings)


def test_addresses_of_peers() -> None:
    assert address_of("localhost:81") == ("localhost", 81)
    assert address_of("[::1]:82") == ("::1", 82)


def test_whom_links_name() -> None:
    own = ("http://tracker.example/announce",)
    assert Settings().announced_to == ()
    assert Settings(network=PRIVATE, trackers=own).announced_to == own
    assert Settings(network=PUBLIC).announced_to == TRACKERS
    assert Settings(network=PUBLIC, trackers=(*own, TRACKERS[1])).announced_to == TRACKERS + own


def test_without_anybody_to_ask_there_is_no_source() -> None:
    assert not Settings().has_peer_source
    assert Settings(meeting=Path("m")).has_peer_source
    assert not Settings(network=PRIVATE, meeting=Path("m")).has_peer_source
    assert Settings(network=PRIVATE, peers=("localhost:1",)).has_peer_source
    assert Settings(network=PRIVATE, trackers=("udp://localhost:1",)).has_peer_source
    assert Settings(network=PUBLIC).has_peer_source


def test_local_stays_on_this_machine() -> None:
    told = session_settings(Settings(port=7001))
    assert told["listen_interfaces"] == "127.0.0.1:7001"
    assert told["outgoing_interfaces"] == "127.0.0.1"
    for name in ("dht", "lsd", "upnp", "natpmp", "incoming_utp", "outgoing_utp"):
        assert told[f"enable_{name}"] is False
    assert told["dht_bootstrap_nodes"] == ""


def test_private_asks_no_table_and_opens_no_router() -> None:
    told = session_settings(Settings(network=PRIVATE))
    assert told["listen_interfaces"] == "0.0.0.0:0,[::]:0"
    for name in ("dht", "lsd", "upnp", "natpmp"):
        assert told[f"enable_{name}"] is False
    assert "enable_outgoing_utp" not in told


def test_public_asks_the_table() -> None:
    told = session_settings(Settings(network=PUBLIC, interface="192.0.2.7"))
    assert told["listen_interfaces"] == "192.0.2.7:0"
    assert told["outgoing_interfaces"] == "192.0.2.7"
    assert told["enable_dht"] is True
    assert "dht_bootstrap_nodes" not in told
    assert told["enable_upnp"] is False


def test_other_settings_go_through() -> None:
    chosen: dict[str, bool | int | str] = {
        "connections_limit": 17,
        "enable_upnp": True,
        "user_agent": "archives",
        "proxy_hostname": "p",
    }
    told = session_settings(Settings(network=PUBLIC, libtorrent=chosen))
    assert {name: told[name] for name in chosen} == chosen
    tuned = session_settings(Settings(libtorrent={"aio_threads": 3}))
    assert tuned["aio_threads"] == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"libtorrent": {"no_such_thing": 1}}, "no setting 'no_such_thing'"),
        ({"libtorrent": {"connections_limit": "many"}}, "'connections_limit' is of type int"),
        ({"libtorrent": {"connections_limit": True}}, "'connections_limit' is of type int"),
        ({"libtorrent": {"enable_dht": True}}, "'enable_dht' is not free"),
        ({"libtorrent": {"listen_interfaces": "0.0.0.0:1"}}, "'listen_interfaces' is not free"),
        ({"libtorrent": {"alert_mask": 0}}, "'alert_mask' is not free"),
        ({"libtorrent": {"enable_upnp": True}}, "'enable_upnp' is not free"),
        ({"libtorrent": {"proxy_type": 1}}, "'proxy_type' is not free"),
    ],
)
def test_settings_that_do_not_go_through_are_named(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        BitTorrentCarrier(Settings(**settings), tmp_path)


@pytest.mark.parametrize("network", list(Network))
def test_libtorrent_knows_every_setting_that_it_is_told(network: Network) -> None:
    told = session_settings(Settings(network=network))
    known = dict(
        lt.session(
            {
                "listen_interfaces": "127.0.0.1:0",
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
            }
        ).get_settings()
    )
    assert {name: type(value) for name, value in told.items()} == {
        name: type(known[name]) for name in told
    }
    assert set(WITHOUT_DEFAULT) <= known.keys()


def test_nobody_loads_libtorrent_who_does_not_need_it() -> None:
    code = (
        "import sys, workflow, workflow.assembly, workflow.testing;"
        "import workflow.adapters.carrier.bittorrent.settings;"
        "sys.exit('libtorrent' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
