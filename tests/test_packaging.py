"""'states' and 'workflow' are common names: these tests notice when a stranger's are meant."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("states", "workflow")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(text)
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!]+)$")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_is_this_repositorys(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py"), "another distribution shadows ours"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_tells_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_installed_version_is_the_projects() -> None:
    installed = distribution("community-archives")
    assert installed.version == PROJECT["version"], "install anew: touch pyproject.toml; make test"


def test_the_command_is_there() -> None:
    (command,) = entry_points(group="console_scripts", name="community-archives")
    assert command.value == "workflow.cli:main"
    assert callable(command.load())


@pytest.mark.parametrize("folder", ["tests", "diagrams", "benchmarks", "docs"])
def test_nothing_else_is_a_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_of_tests_shadows_the_package(package: str) -> None:
    assert not (ROOT / "tests" / package).exists()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [PIN.match(line) for line in lines if line and not line.startswith("#")]
    assert all(found), "constraints.txt holds lines of the form name==version and nothing else"
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_the_pin_fits_the_requirement(requirement: Requirement) -> None:
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is not None, f"constraints.txt does not pin {requirement.name}"
    assert requirement.specifier.contains(pinned)
