"""The promises can be broken: careless actions over the shipped table are all found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from states import COMMUNITY
from states.community import Event, State, is_control_node
from workflow.check import Found, search
from workflow.check import world as world_module
from workflow.check.actions import Actions, Outcome, link_received, publishing, sent
from workflow.check.device import Announcement, Device, facts_of, is_current
from workflow.check.engine import Engine, Move
from workflow.check.scenarios import SCENARIOS
from workflow.check.world import CommunityModel, Fault


class SendsUnseen(Actions):
    """Publishes what is stored without looking once more."""

    def send_link(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        row = device.announcement
        if row is not None and device.task is not None and not device.task.done:
            yield publishing(device, row)
        else:
            yield from super().send_link(device, is_offered)


class SignsAnew(Actions):
    """Takes a new clock for every attempt."""

    def seeded(self, device: Device) -> Device:
        if is_current(device) and device.announcement and device.announcement.sent_at is None:
            device = device._replace(announcement=None)
        return super().seeded(device)


class ForgetsItsClock(Actions):
    """Counts its announcements from the newest link, not from its own."""

    def seeded(self, device: Device) -> Device:
        after = super().seeded(device)
        if after.announcement == device.announcement:
            return after
        clock = device.link.clock + 1
        return after._replace(
            announcement=Announcement(clock, after.locator),
            announced=device.announced | {(clock, after.locator)},
        )


class CountsBeforeSending(Actions):
    """Says that it is sent, and sends afterwards."""

    def send_link(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        row = device.announcement
        if row is None or row.sent_at is not None or not is_control_node(facts_of(device)):
            yield from super().send_link(device, is_offered)
        else:
            yield Outcome(Move(sent(device), "counts the announcement as sent"))


class KeepsTheOldName(Actions):
    """Does not take over archives that differ from its own in nothing but their locator."""

    def fetch_index(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        wanted = device.task.locator if device.task else ""
        event = Event.INDEX_FETCHED if is_offered else Event.ACTION_FAILED
        yield self._answer(device, event, lambda was: was._replace(candidate=wanted))


class ArchivesTwice(Actions):
    """Puts all stored messages into each new archive."""

    def create_archives(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        task = device.task and device.task._replace(messages=device.messages)
        return super().create_archives(device._replace(task=task), is_offered)


class SaysSeededAtOnce(Actions):
    """Answers before anything was checked."""

    def seed_torrent(self, device: Device, is_offered: bool) -> Iterator[Outcome]:
        yield self._answer(device, Event.TORRENT_SEEDED, self.seeded)


CARELESS = {
    SendsUnseen: "its archives are not live",
    SignsAnew: "is signed anew",
    ForgetsItsClock: "two different announcements are published with clock",
    CountsBeforeSending: "counts as sent that was never published",
    KeepsTheOldName: "goes round for ever",
    ArchivesTwice: "a message is archived twice",
    SaysSeededAtOnce: "no pause",
}


def first_broken(actions: type[Actions]) -> str:
    for scenario in SCENARIOS:
        found = search(CommunityModel(COMMUNITY, scenario, actions))
        if found.counterexample is not None:
            return str(found.counterexample)
    return ""


@pytest.mark.parametrize("actions", CARELESS, ids=lambda one: one.__name__)
def test_careless_actions_are_found_out(actions: type[Actions]) -> None:
    assert CARELESS[actions] in first_broken(actions)


def restored(*faults: Fault) -> Found:
    scenario = next(one for one in SCENARIOS if "restored owner" in one.name)
    return search(CommunityModel(COMMUNITY, replace(scenario, faults=frozenset(faults))))


def test_another_device_is_noticed_even_while_the_key_file_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(device: Device, clock: int, locator: str) -> Device:
        after = link_received(device, clock, locator)
        if is_control_node(facts_of(device)) or not device.is_control_device:
            return after
        return device._replace(link=after.link)

    assert restored(Fault.KEY_AWAY).counterexample is None
    monkeypatch.setattr(world_module, "link_received", careless)
    shown = restored(Fault.KEY_AWAY).counterexample
    assert shown is not None
    assert "older than what its sender has heard" in shown.promise


def test_an_answer_that_comes_twice_counts_once() -> None:
    class Trusting(Engine):
        """Takes every answer, whatever entry it belongs to."""

        def receive_late(self, device: Device, late: object) -> Move:
            event = Event[late.event]  # type: ignore[attr-defined]
            return self.answer(device._replace(late=None), event)

    scenario = next(one for one in SCENARIOS if "control node that is disturbed" in one.name)
    model = CommunityModel(COMMUNITY, scenario)
    model.engine = Trusting(COMMUNITY, 2)
    model.actions = Actions(model.engine)
    shown = search(model).counterexample
    assert shown is not None
    assert "is refused" in shown.promise


def test_what_is_asked_of_a_node_depends_on_its_state() -> None:
    assert set(Actions(Engine(COMMUNITY, 2)).work) == {
        state for state in State if not COMMUNITY.waits(state)
    }
