"""The files of docs/operating are what a server takes as it stands, and the node works in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from workflow.cli.app import app
from workflow.cli.settings import read_settings
from workflow.cli.settings_file import default_data_dir

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = ROOT / "docs" / "operating"
CONTAINERFILE: Final = (EXAMPLES / "Containerfile").read_text("utf-8")
UNITS: Final = sorted(path.name for path in EXAMPLES.glob("community-archives*.*"))
INSTALLED: Final = "/usr/local/lib/community-archives/bin/community-archives"
LEAST_SYSTEMD: Final = 250
"""The first that judges a unit without running it."""
HIGHEST_EXPOSURE: Final = 15
"""Tenths of systemd's scale from 0 to 10; an ordinary service without confines has 9.6."""


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it on this machine's units; skips, or fails when tools are required, without it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("SERVICE_TOOLS") == "required":
            pytest.fail("systemd-analyze is required: bash .ci/install-service-tools")
        pytest.skip("there is no systemd-analyze: bash .ci/install-service-tools")
    return subprocess.run(
        [program, *map(str, arguments)],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as on a server where the program is installed, which systemd looks for."""
    program = tmp_path / "community-archives"
    program.symlink_to("/bin/true")
    for name in UNITS:
        text = (EXAMPLES / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace(INSTALLED, str(program)), "utf-8")
    return tmp_path


def test_there_are_a_service_its_health_check_and_a_timer() -> None:
    assert UNITS == [
        "community-archives-health.service",
        "community-archives-health.timer",
        "community-archives.service",
    ]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_to_complain_of(units: Path, name: str) -> None:
    done = systemd_analyze("verify", "--man=no", units / name)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_mistake_in_a_unit_would_be_found(units: Path) -> None:
    unit = units / "community-archives.service"
    unit.write_text(unit.read_text("utf-8").replace("ProtectHome=", "ProtectHone="), "utf-8")
    assert "ProtectHone" in systemd_analyze("verify", "--man=no", unit).stderr


def test_the_service_is_confined(units: Path) -> None:
    version = re.search(r"systemd (\d+)", systemd_analyze("--version").stdout)
    assert version is not None
    if int(version[1]) < LEAST_SYSTEMD:
        pytest.skip(f"systemd {version[1]} judges only units that run")
    done = systemd_analyze(
        "security", "--offline=yes", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}",
        units / "community-archives.service",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# Before the node: what of the confines a process can put on itself. 65 is PR_SET_MDWE, 38 is
# PR_SET_NO_NEW_PRIVS, 24 is PR_CAPBSET_DROP.
CONFINED: Final = """
import ctypes, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
number = ctypes.c_ulong
for capability in range(64):
    prctl(24, number(capability), number(0), number(0), number(0))
assert prctl(38, number(1), number(0), number(0), number(0)) == 0
print('MDWE' if prctl(65, number(1), number(0), number(0), number(0)) == 0 else '-', flush=True)
os.execv(sys.executable, [sys.executable, '-m', 'workflow', *sys.argv[1:]])
"""


def test_a_node_works_where_it_can_write_nothing_but_its_directory(tmp_path: Path) -> None:
    """All that is mounted is read-only, no right can be gained, memory is never made code."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a file system of its own takes the superuser and 'unshare'")
    state = tmp_path / "state"
    state.mkdir()
    # What it is measured with would be written where nothing can be written.
    unmeasured = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_", "COMMUNITY_ARCHIVES_"))
    }
    mounted = (
        'mount --bind "$1" "$1" && mount -t tmpfs tmpfs /var/tmp'  # As PrivateTmp= does.
        ' && mount -o remount,bind,ro / && shift && exec "$@"'
    )
    process = subprocess.Popen(
        [unshare, "--mount", "--propagation", "private", "sh", "-c", mounted, "sh", str(state),
         sys.executable, "-c", CONFINED, "run", "--json"],
        env={**unmeasured, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
             "HOME": str(state), "TMPDIR": "/var/tmp",  # noqa: S108 - its own.
             "STATE_DIRECTORY": str(state),
             "COMMUNITY_ARCHIVES_NETWORK": "private",
             "COMMUNITY_ARCHIVES_LISTEN": "127.0.0.1:0",
             "COMMUNITY_ARCHIVES_PEERS": "127.0.0.1:9"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in range(2)]
        assert told[0] == f"Running on {state}; Ctrl-C ends it.\n", process.stderr.read()
        asked = ["community", "create", "gardeners", "--data-dir", str(state)]
        made = CliRunner().invoke(app, asked)  # The node does it.
        assert made.exit_code == 0, made.exception
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.endswith("Stopped; everything that was done is kept.\n")
    assert '"target": "idle"' in out
    assert out.startswith(("MDWE\n", "-\n")), "memory is never made code, if the kernel can do that"


# ------------------------------------------------------------------------------------- container


def test_the_containerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", EXAMPLES / "Containerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def instructions(text: str) -> dict[str, str]:
    """Each instruction's last arguments, with its continued lines."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return dict(line.split(" ", 1) for line in whole.splitlines() if line)


def test_the_image_is_one_version_and_runs_as_nobody_special() -> None:
    told = instructions(CONTAINERFILE)
    image, _, tag = told["FROM"].rpartition(":")
    assert image.startswith("docker.io/")
    assert re.fullmatch(r"3\.1[123]-slim-\w+", tag), "a Python that the project runs on"
    assert int(told["USER"]) > 0, "a number, so that a cluster can see that it is not root"
    assert CONTAINERFILE.index("USER") < CONTAINERFILE.index("ENTRYPOINT")
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(told["VOLUME"]) == ["/var/lib/community-archives"]


def test_the_images_variables_are_settings_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(one.split("=", 1) for one in shlex.split(instructions(CONTAINERFILE)["ENV"]))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    directory = Path(given["COMMUNITY_ARCHIVES_DATA_DIR"])
    found = read_settings(directory)
    assert {origin.place for origin in found.origins.values()} == given.keys() - {
        "COMMUNITY_ARCHIVES_DATA_DIR"
    }
    port = found.listen
    assert instructions(CONTAINERFILE)["EXPOSE"] == f"{port}/tcp {port}/udp"


def started() -> list[list[str]]:
    """The commands that units and image start, without the program's name."""
    units = [(EXAMPLES / name).read_text("utf-8") for name in UNITS]
    lines = [line for text in units for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)]
    assert all(line.startswith(f"{INSTALLED} ") for line in lines)
    told = instructions(CONTAINERFILE)
    check = json.loads(told["HEALTHCHECK"].partition("CMD ")[2])
    assert [check[0]] == json.loads(told["ENTRYPOINT"]) == ["community-archives"]
    return [*(shlex.split(line)[1:] for line in lines), check[1:], json.loads(told["CMD"])]


def test_what_is_started_exists() -> None:
    assert started() == [["health", "--max-age", "8d"], ["run"], ["health", "--max-age", "8d"],
                         ["run"]]  # fmt: skip
    commands = getattr(get_command(app), "commands")  # noqa: B009 - a group has them.
    assert "run" in commands
    if "health" not in commands:
        pytest.skip("there is no 'health' in this tree")
    options = [name for one in commands["health"].params for name in one.opts]
    assert "--max-age" in options


# -------------------------------------------------------------------------------------- settings


def test_the_settings_of_a_server_are_found_by_every_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in os.environ:
        if name.startswith("COMMUNITY_ARCHIVES_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(EXAMPLES))
    said = tomllib.loads((EXAMPLES / "settings.toml").read_text("utf-8"))
    assert default_data_dir() == Path("/var/lib/community-archives") == Path(said["data_dir"])
    settings = read_settings(default_data_dir()).settings()
    assert (settings.network, settings.port) == ("public", said["listen"])
