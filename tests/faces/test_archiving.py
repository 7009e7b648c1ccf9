from __future__ import annotations

from tests.faces.in_process import InProcess


def test_what_is_off_archives_nothing_and_says_so(here: InProcess) -> None:
    assert here("send", "gardeners", "switched_off").code == 0
    said = here("archive", "now", "gardeners")
    assert said.code == 0
    assert said.out == "gardeners: nothing new; generation 1.\n"
    assert "It is off: 'community-archives send gardeners switched_on' first." in said.err
