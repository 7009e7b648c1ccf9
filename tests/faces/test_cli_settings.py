"""Settings: one file, the environment, flags; who counts most, and what is refused how."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faces.command_line import ROOT, environment
from tests.faces.person import Person, person, write
from workflow.cli import settings_page
from workflow.cli.kinds import Origin, variable
from workflow.cli.settings import ABOUTS, Settings, read_settings
from workflow.cli.settings_file import default_data_dir, file_of
from workflow.errors import ConfigurationError, SettingsInvalidError

__all__ = ["person"]

SAID: dict[str, tuple[str, str, list[str], Any]] = {
    "network": ('"private"', "private", ["private"], "private"),
    "listen": ("6881", "6881", ["6881"], "6881"),
    "trackers": ('["udp://a.example:1/x"]', "udp://a.example:1/x", ["udp://a.example:1/x"],
                 ("udp://a.example:1/x",)),
    "peers": ('["192.0.2.1:1", "[::1]:2"]', "192.0.2.1:1 [::1]:2", ["192.0.2.1:1", "[::1]:2"],
              ("192.0.2.1:1", "[::1]:2")),
    "waku": ('["http://[::1]:8645", "https://a.example/waku"]',
             "http://[::1]:8645 https://a.example/waku",
             ["http://[::1]:8645", "https://a.example/waku"],
             ("http://[::1]:8645", "https://a.example/waku")),
    "pubsub_topics": ('["/waku/2/rs/16/0"]', "/waku/2/rs/16/0", ["/waku/2/rs/16/0"],
                      ("/waku/2/rs/16/0",)),
    "libtorrent": ("{ upload_rate_limit = 5, user_agent = 'x', enable_upnp = false }",
                   "upload_rate_limit=5 user_agent=x enable_upnp=false",
                   ["upload_rate_limit=5", "user_agent=x", "enable_upnp=false"],
                   {"upload_rate_limit": 5, "user_agent": "x", "enable_upnp": False}),
    "meeting": ('"/somewhere"', "/somewhere", ["/somewhere"], Path("/somewhere")),
    "settle": ("0.5", "0.5", ["0.5"], 0.5),
    "announce_every": ("2", "2", ["2"], 2.0),
    "notify_command": ('"mail -s \'it is $HOME;\' me"', "mail -s 'it is $HOME;' me",
                       ["mail -s 'it is $HOME;' me"],
                       ("mail", "-s", "it is $HOME;", "me")),
    "log_level": ('"debug"', "debug", ["debug"], "debug"),
}  # fmt: skip
"""Of each setting: in a file, in a variable, as flags, and what it is then."""


def test_every_setting_is_tried_here() -> None:
    assert SAID.keys() == ABOUTS.keys()


@pytest.mark.parametrize("name", SAID)
def test_a_setting_is_said_by_a_file_a_variable_or_a_flag(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    in_file, in_variable, as_flags, meant = SAID[name]
    default = getattr(Settings(), name)
    assert meant != default
    assert getattr(read_settings(tmp_path), name) == default

    write(tmp_path / "settings.toml", f"# the first line\n{name} = {in_file}\n")
    of_file = read_settings(tmp_path)
    assert getattr(of_file, name) == meant
    assert of_file.origins == {name: Origin("file", f"{tmp_path}/settings.toml, line 2")}

    write(tmp_path / "settings.toml", "")
    monkeypatch.setenv(variable(name), in_variable)
    of_variable = read_settings(tmp_path)
    assert getattr(of_variable, name) == meant
    assert of_variable.origins == {name: Origin("environment", variable(name))}

    monkeypatch.delenv(variable(name))
    of_flag = read_settings(tmp_path, {name: as_flags})
    assert getattr(of_flag, name) == meant
    assert of_flag.origins[name].source == "flag"


def test_a_flag_counts_more_than_a_variable_and_that_more_than_a_file(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "settings.toml", "settle = 1\nlisten = 1\nannounce_every = 1\n")
    monkeypatch.setenv("COMMUNITY_ARCHIVES_SETTLE", "2")
    monkeypatch.setenv("COMMUNITY_ARCHIVES_LISTEN", "2")
    found = read_settings(tmp_path, {"settle": ["3"]})
    assert (found.settle, found.listen, found.announce_every) == (3, "2", 1)
    assert found.is_asked_for
    assert not read_settings(tmp_path).is_asked_for


def test_an_empty_variable_says_nothing(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMUNITY_ARCHIVES_PEERS", " ")
    monkeypatch.setenv("COMMUNITY_ARCHIVES_LISTEN", "")
    assert read_settings(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("netwrok = 'public'", ["there is no setting 'netwrok'", "Did you mean 'network'?"]),
        ("zzz = 1", ["there is no setting 'zzz'", "There are: announce_every, libtorrent"]),
        ("data_dir = '/x'", ["there is no setting 'data_dir'", "Take it out"]),
        ("network = 'open'", ["network: it is one of: local, private, public"]),
        ("network = 1", ["network: it is one of"]),
        ("listen = 65536", ["listen: it is a port (0 to 65535)"]),
        ("listen = 'high'", ["listen: it is a port"]),
        ("listen = true", ["listen: it is a text"]),
        ("listen = 'example.org:1'", ["listen: 'example.org' is no IP address"]),
        ("trackers = 'udp://a:1'", ["trackers: it is a list of texts"]),
        ("trackers = [1]", ["trackers: it is a list of texts"]),
        ("trackers = ['ftp://a']", ["trackers: 'ftp://a' is no tracker"]),
        ("peers = ['a']", ["peers: 'a' is not host:port"]),
        ("waku = 'http://a:8645'", ["waku: it is a list of texts"]),
        ("waku = ['a:8645']", ["waku: this is no address of a Waku node", "http:// nor https://"]),
        ("waku = ['http://a:b']", ["waku: this is no address", "it cannot be read (http://a:b)"]),
        ("waku = ['http://a', 'http://a/']", ["waku: the Waku node is named twice (http://a)"]),
        ("pubsub_topics = ['/waku/2/rs/16']", ["this is no pubsub topic (/waku/2/rs/16)"]),
        ("pubsub_topics = ['32']", ["pubsub_topics: this is no", "Write it like /waku/2/rs/16/32"]),
        ("settle = -1", ["settle: it is a number from 0 on"]),
        ("settle = inf", ["settle: it is a number from 0 on"]),
        ("settle = true", ["settle: it is a number"]),
        ("settle = '1'", ["settle: it is a number"]),
        ("meeting = 'here'", ["meeting: it is a whole path"]),
        ("meeting = 3", ["meeting: it is a text on one line"]),
        ('notify_command = "say \\"hi"', ["notify_command: it is a command line"]),
        ("notify_command = ' '", ["notify_command: it is a command line, or empty"]),
        ('notify_command = "two\\nlines"', ["notify_command: it is a text on one line"]),
        ("log_level = 'loud'", ["log_level: it is one of: debug, info, warning, error"]),
        ("libtorrent = 1", ["libtorrent: it is a table"]),
        ("[libtorrent]\nx = [1]", ["libtorrent: 'x' is a truth, a whole number or a text"]),
    ],
    ids=str,
)
def test_what_is_refused_names_file_line_and_remedy(
    person: Person, tmp_path: Path, line: str, words: list[str]
) -> None:
    write(tmp_path / "settings.toml", f"# one\n# two\n{line}\n")
    with pytest.raises(SettingsInvalidError) as refused:
        read_settings(tmp_path)
    said = refused.value.explained()
    assert said.startswith("[settings-invalid] ")
    assert f"({tmp_path}/settings.toml, line 3)" in said
    assert not [one for one in words if one not in said], said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"network = ", "it is no TOML"),
        (b"\xff\xfe", "it is no TOML"),
        (b"a = 1\na = 2\nb = 3\n", "line 2"),
    ],
    ids=str,
)
def test_what_is_no_toml(person: Person, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "settings.toml").write_bytes(content)
    with pytest.raises(SettingsInvalidError, match=words):
        read_settings(tmp_path)


def test_what_is_wrong_in_a_variable_or_flag_names_it(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsInvalidError) as of_flag:
        read_settings(tmp_path, {"settle": ["soon"]})
    assert of_flag.value.place == "--settle"
    monkeypatch.setenv("COMMUNITY_ARCHIVES_SETTLE", "soon")
    with pytest.raises(SettingsInvalidError) as of_variable:
        read_settings(tmp_path)
    assert of_variable.value.place == "COMMUNITY_ARCHIVES_SETTLE"


# ------------------------------------------------------------------------------- where the file is


def test_a_file_of_configuration_names_its_data_directory(person: Person, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    write(person.config_file, f"data_dir = '{kept}'\nsettle = 1\n")
    assert default_data_dir() == kept
    assert read_settings(kept).settle == 1
    assert read_settings(tmp_path / "other").settle == Settings().settle, "it is not about that one"


def test_without_a_name_it_is_about_the_default_one(person: Person, tmp_path: Path) -> None:
    write(person.config_file, "settle = 1\n")
    assert default_data_dir() == person.data_dir
    assert read_settings(person.data_dir).settle == 1
    assert read_settings(tmp_path).settle == Settings().settle


def test_the_file_in_the_data_directory_counts_alone(person: Person) -> None:
    write(person.config_file, "settle = 1\nlisten = 1\n")
    write(person.data_dir / "settings.toml", "settle = 2\n")
    found = read_settings(person.data_dir)
    assert (found.settle, found.listen) == (2, "0")


def test_the_machines_file_comes_last(person: Person) -> None:
    write(person.etc / "settings.toml", "data_dir = '/var/lib/community-archives'\n")
    assert default_data_dir() == Path("/var/lib/community-archives")
    write(person.config_file, "")
    assert default_data_dir() == person.data_dir


def test_systemds_directories_are_taken(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'state'}:/elsewhere")
    assert default_data_dir() == tmp_path / "state"
    write(tmp_path / "conf" / "settings.toml", "network = 'public'\n")
    write(person.config_file, "network = 'private'\n")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "conf"))
    assert read_settings(tmp_path / "state").network == "public"


def test_a_data_directory_that_is_no_whole_path(person: Person) -> None:
    write(person.config_file, "\ndata_dir = 'here'\n")
    with pytest.raises(SettingsInvalidError, match=r"whole path.*settings\.toml, line 2"):
        default_data_dir()


def test_a_file_that_cannot_be_read(person: Person) -> None:
    person.config_file.parent.mkdir(parents=True)
    person.config_file.symlink_to("/proc/self/mem")  # A file whose first byte nobody may read.
    with pytest.raises(SettingsInvalidError, match="the settings cannot be read"):
        default_data_dir()


def test_a_key_in_quotes_or_a_table_has_its_line(person: Person, tmp_path: Path) -> None:
    write(tmp_path / "settings.toml", '"settle" = 1\n\n[libtorrent]\nsettle = 3\n')
    file = file_of(tmp_path)
    assert file.place("settle").endswith("line 1")
    assert file.place("libtorrent").endswith("line 3")
    assert file.place("nowhere") == str(tmp_path / "settings.toml")


# ----------------------------------------------------------------------------------------- commands


def test_config_says_what_is_in_force_and_why(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(person.data_dir / "settings.toml", "# mine\nnetwork = 'private'\npeers = ['[::1]:5']\n")
    monkeypatch.setenv("COMMUNITY_ARCHIVES_LOG_LEVEL", "info")
    told = person("config", "--listen", "6881")
    lines = told.out.splitlines()
    assert f"data_dir        {person.data_dir}  (default)".split() == told.out[:999].split()[:3]
    assert "network         private  (settings file, line 2)" in lines
    assert "listen          6881  (flag --listen)" in lines
    assert "peers           [::1]:5  (settings file, line 3)" in lines
    assert "settle          20  (default)" in lines
    assert "notify_command  -  (default)" in lines
    assert "log_level       info  (variable COMMUNITY_ARCHIVES_LOG_LEVEL)" in lines
    assert (told.err, told.code) == ("", 0)
    assert not person.data_dir.joinpath("carrier").exists(), "looking leaves nothing behind"


def test_config_as_json_names_every_setting(person: Person, tmp_path: Path) -> None:
    told = json.loads(person("config", "--json", "--data-dir", str(tmp_path)).out)
    assert told["settings_file"] is None
    assert told["settings"].keys() == {"data_dir", *ABOUTS}
    assert told["settings"]["data_dir"] == {
        "value": str(tmp_path), "source": "flag", "place": "--data-dir"
    }  # fmt: skip
    assert told["settings"]["settle"] == {"value": 20.0, "source": "default", "place": ""}


def test_config_says_who_named_the_data_directory(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def origin() -> tuple[str, str]:
        told = json.loads(person("config", "--json").out)["settings"]["data_dir"]
        return told["source"], told["place"]

    assert origin() == ("default", "")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert origin() == ("environment", "STATE_DIRECTORY")
    write(person.config_file, f"data_dir = '{tmp_path}'")
    assert origin() == ("file", f"{person.config_file}, line 1")
    monkeypatch.setenv("COMMUNITY_ARCHIVES_DATA_DIR", str(tmp_path))
    assert origin() == ("environment", "COMMUNITY_ARCHIVES_DATA_DIR")


def test_config_shows_no_secret(person: Person) -> None:
    write(
        person.data_dir / "settings.toml",
        "network = 'private'\n"
        "trackers = ['https://me:hush@a.example/announce', "
        "'udp://b.example/0123456789abcdefhush/announce?passkey=hush']\n"
        "waku = ['https://me:hush@w.example/rest', 'http://hush@w.example:8645']\n"
        "notify_command = 'curl https://a.example/?token=hush'\n"
        "[libtorrent]\nproxy_password = 'hush'\nproxy_hostname = 'p.example'\n",
    )
    for told in (person("config"), person("config", "--json")):
        assert told.code == 0, told.error
        assert "hush" not in told.out
        assert "a.example" in told.out
        assert "udp://b.example/(set)/announce?(set)" in told.out
        assert "p.example" in told.out
        assert "curl (set)" in told.out
        assert "w.example/rest" in told.out
        assert "w.example:8645" in told.out


def test_a_wrong_address_of_a_waku_node_is_told_without_its_password(person: Person) -> None:
    for url in ("ftp://me:hush@w.example", "http://me:hush@w.example:x", "me:hush@w.example"):
        told = person("config", "--waku", url)
        assert isinstance(told.error, SettingsInvalidError)
        assert "this is no address of a Waku node" in str(told.error)
        assert told.error.place == "--waku"
        assert told.error.explained().endswith("Write it like http://127.0.0.1:8645.")
        assert "hush" not in told.error.explained()


def test_config_refuses_what_run_would_refuse(person: Person) -> None:
    told = person("config", "--peer", "192.0.2.1:1")
    assert isinstance(told.error, ConfigurationError)
    assert "is not on this machine: network is local" in str(told.error)
    told = person("config", "--libtorrent", "no_such_setting=1")
    assert isinstance(told.error, ConfigurationError)
    assert "libtorrent has no setting 'no_such_setting'" in str(told.error)


def test_a_community_repeats_its_announcement_as_the_settings_say(person: Person) -> None:
    from contextlib import closing  # noqa: PLC0415

    from workflow.cli.place import view_of  # noqa: PLC0415

    write(person.data_dir / "settings.toml", "announce_every = 2\n")
    assert person("community", "create", "a").code == 0
    assert person("community", "create", "b", "--announce-every", "0").code == 0
    view = view_of(person.data_dir)
    with closing(view.journal):
        known = view.journal.run(view.tools.store.communities)
    assert {one.name: one.reannounce_after for one in known} == {"a": 7200.0, "b": None}


def test_the_help_tells_the_flag_and_the_variable_of_a_setting(person: Person) -> None:
    told = " ".join(person("run", "--help").out.split())
    for name, about in ABOUTS.items():
        if about.flag:
            assert f" {about.flag} {about.metavar} " in told
            assert f"[env: {variable(name)}]" in told


# ---------------------------------------------------------------------------------------- the page


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert page == settings_page.page(), "make reference"


def test_the_example_on_the_page_is_valid(person: Person, tmp_path: Path) -> None:
    example = settings_page.page().split("```toml\n")[1].split("```")[0]
    write(tmp_path / "settings.toml", example)
    read_settings(tmp_path).settings()


def test_the_page_is_written_by_its_module(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "workflow.cli.settings_page", str(tmp_path / "page.md")],
        env=environment(),
        check=True,
    )
    assert (tmp_path / "page.md").read_text("utf-8") == settings_page.page()
