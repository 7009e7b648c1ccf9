"""``diagram`` over all communities, and the same pictures for a notebook."""

from __future__ import annotations

from pathlib import Path

from tests.faces.command_line import CommandLine
from workflow.testing.world import World


def test_how_many_communities_are_in_which_state(garden: CommandLine, tmp_path: Path) -> None:
    for name in ("all.svg", "all.mmd"):
        said = garden("diagram", "--counts", "--out", str(tmp_path / name))
        assert (said.code, said.err) == (0, f"Wrote {tmp_path / name}.\n")
        assert "×1" in (tmp_path / name).read_text("utf-8")


def test_a_community_or_the_counts_but_not_both(garden: CommandLine) -> None:
    assert garden("diagram", "gardeners", "--counts").code == 2
    assert garden("diagram", "gardeners", "--lifecycle", "node").code == 2
    assert "enabled ×1" in garden("diagram", "--counts", "--lifecycle", "node").out


async def test_a_live_instance_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("gardeners")
    await world.advance(1)
    one = (await node.drawing(id))._repr_mimebundle_()
    everybody = (await node.drawing_of_all())._repr_mimebundle_()
    await world.close()
    assert one["image/svg+xml"].startswith("<svg")
    assert "idle" in one["text/plain"]
    assert "×1" in everybody["image/svg+xml"]
