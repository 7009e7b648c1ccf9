"""``--app``: the commands on an application of one's own, and what is said when it is none.

The application is the shop of ``docs/your-own-lifecycle.md``.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from states.errors import CommunityArchivesError
from tests.faces.command_line import ROOT, CommandLine
from tests.faces.documented import complaints
from workflow.adapters.clock.manual import ManualClock
from workflow.application import open_app
from workflow.cli.app import app
from workflow.engine.holding import hold
from workflow.engine.rows import load

PAGE = (ROOT / "docs" / "your-own-lifecycle.md").read_text("utf-8")
SHOP = "\n\n".join(re.findall(r"^```python\n(# shop\.py.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
MORNING = 4_070_941_200.0  # 2099-01-01 09:00 UTC: nothing of it is due while the tests run.
Shop = Callable[..., Result]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The shop, in the current folder."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    import shop  # type: ignore[import-not-found]  # noqa: PLC0415 - written a moment ago.

    yield shop
    del sys.modules["shop"]


@pytest.fixture
def shop(module: Any, tmp_path: Path) -> Shop:
    """Runs a command on the shop's data directory: 'tea' is paid, 'cake' is not, 'milk' is off."""

    async def plant() -> None:
        async with open_app(module.APP, tmp_path / "data", clock=ManualClock(MORNING)) as engine:
            for id in ("tea", "cake", "milk"):
                await module.place(engine, id, 100, MORNING)
            await module.pay(engine, "tea", 100, MORNING)
            await module.pay(engine, "cake", 1, MORNING)

    asyncio.run(plant())

    def run(*arguments: str) -> Result:
        more = () if arguments[0] == "check" else ("--data-dir", str(tmp_path / "data"))
        return CliRunner().invoke(app, [*arguments, "--app", "shop:APP", *more])

    assert run("send", "milk", "called_off").exit_code == 0
    return run


def error_of(result: Result) -> CommunityArchivesError:
    assert isinstance(result.exception, CommunityArchivesError), result.exception
    return result.exception


# -- reading ---------------------------------------------------------------------------------------


def test_status_shows_who_is_under_way_and_counts_the_rest(shop: Shop) -> None:
    said = shop("status")
    head, cake, tea = said.stdout.splitlines()
    assert head.split() == ["LIFECYCLE", "ID", "STATE", "NEXT"]
    assert re.fullmatch(r"order +cake +unpaid +in \d+ d", cake)
    assert re.fullmatch(r"order +tea +ready +in \d+ d", tea)
    assert "At an end: 1 order cancelled." in said.stderr
    assert "Nobody runs it now." in said.stderr


def test_status_for_programs(shop: Shop) -> None:
    told = json.loads(shop("status", "--json").stdout)
    assert [(one["id"], one["state"], one["is_final"]) for one in told] == [
        ("cake", "unpaid", False), ("milk", "cancelled", True), ("tea", "ready", False),
    ]  # fmt: skip
    (one,) = json.loads(shop("status", "cak", "--json").stdout)
    assert set(one) == {
        "lifecycle", "id", "state", "is_final", "is_working", "entry", "attempts", "due_at",
        "reason", "held_by",
    }  # fmt: skip


def test_why_tells_what_the_guards_say_and_what_is_next(shop: Shop) -> None:
    said = shop("why", "cake").stdout
    assert said.startswith("order cake\n  It is unpaid.\n  Nobody runs it now.\n")
    assert "  no   is_paid_in_full  All of the money is here.\n" in said
    assert "  money_overdue  holds from 2099-01-04 09:00:00 UTC (in " in said
    told = " ".join(said.split())
    assert "unpaid --money_came--> ready refused: is_paid_in_full is false; taken: stay" in told
    assert ") on, and then leads to cancelled It answers" in told
    assert "  It answers money_came, money_overdue, called_off.\n" in said
    assert "Nothing: it is at its end." in shop("why", "milk").stdout
    assert all(len(line) <= 80 for line in said.splitlines())


def test_why_for_programs(shop: Shop) -> None:
    told = json.loads(shop("why", "tea", "--json").stdout)
    assert told["guards"] == {"is_paid_in_full": True, "may_retry": True}
    assert [(one["event"], one["outcome"]) for one in told["next"]] == [
        ("van_comes", "leads to booking")
    ]
    assert told["answers"] == ["called_off", "van_comes"]
    assert told["steps"][-1]["target"] == told["state"] == "ready"


def test_history_and_pictures_are_of_the_instance_that_is_named(shop: Shop) -> None:
    assert shop("history", "milk").stdout.endswith("unpaid --called_off--> cancelled\n")
    assert len(json.loads(shop("history", "--after", "0", "--json").stdout)) == 3
    assert len(json.loads(shop("history", "tea", "--after", "0", "--json").stdout)) == 1
    assert (
        "\nnow in ready; came by 1 unpaid --money_came--&gt; ready\n"
        in shop("diagram", "tea").stdout
    )
    assert "cancelled ×1" in shop("diagram", "--counts").stdout
    assert shop("diagram", "--lifecycle", "invoice").exit_code == 2
    assert shop("diagram", "--out", "order.mmd").exit_code == 0
    assert "<b>booking</b>" in Path("order.mmd").read_text()


@pytest.mark.parametrize(
    "arguments", [["status"], ["why", "tea"], ["history"], ["migrate"]], ids=" ".join
)
def test_what_is_printed_is_what_is_documented(shop: Shop, arguments: list[str]) -> None:
    said = shop(*arguments, "--json").stdout
    own = f"{arguments[0]} --app" if arguments[0] in ("status", "why") else arguments[0]
    assert complaints(own, said) == []


def test_a_picture_that_was_never_laid_out_is_refused_with_another_way(shop: Shop) -> None:
    assert error_of(shop("diagram", "--out", "order.svg")).code == "layout-missing"


# -- sending ---------------------------------------------------------------------------------------


def test_a_refusal_is_an_answer_and_a_command_is_done_once(shop: Shop) -> None:
    refused = shop("send", "milk", "booked")
    assert (refused.exit_code, refused.stdout) == (3, "refused: cancelled does not answer booked\n")
    first = shop("send", "cake", "called_off", "--command-id", "one")
    again = shop("send", "cake", "called_off", "--command-id", "one")
    assert first.stdout == again.stdout
    assert "was done before" in again.stderr
    unknown = error_of(shop("send", "cake", "eaten"))
    assert (unknown.code, unknown.place) == ("event-unknown", "order")
    assert error_of(shop("send", "bread", "booked")).code == "instance-unknown"


async def test_who_runs_does_it(shop: Shop, module: Any, tmp_path: Path) -> None:
    async with open_app(module.APP, tmp_path / "data") as engine:
        said = await asyncio.to_thread(shop, "send", "cake", "called_off")
        status = await asyncio.to_thread(shop, "status")
        cake = await engine.run(lambda tx: load(tx, module.WORKFLOW, "cake"))
    assert said.stdout.endswith("unpaid --called_off--> cancelled\n")
    assert said.stderr == ""
    assert re.search(r"Held by process \d+: shop\.", status.stderr)
    assert cake.state is module.State.CANCELLED


def test_a_state_that_works_is_told_from_one_that_waits(shop: Shop) -> None:
    assert shop("send", "tea", "van_comes").stdout.endswith("ready --van_comes--> booking\n")
    assert re.search(r"order +tea +booking +works\n", shop("status").stdout)
    said = shop("why", "tea").stdout
    assert "  It is booking since " in said
    assert "  Its action is book_parcel, started once.\n" in said
    assert "What is next\n  Its action answers, or fails.\n" in said
    (told,) = json.loads(shop("status", "tea", "--json").stdout)
    assert (told["is_working"], told["attempts"]) == (True, 1)
    assert shop("send", "tea", "booking_failed").exit_code == 0
    said = shop("why", "tea").stdout
    assert "What failed\n  booking failed " in said
    assert "; held back until " in " ".join(said.split())
    assert "What is next\n  Its action is started again " in said


# -- checking --------------------------------------------------------------------------------------


def test_check_tells_what_was_looked_at(shop: Shop) -> None:
    said = shop("check")
    assert said.exit_code == 0
    assert said.stdout.startswith("order: 9 rows\n  ok the table alone, every mix of guards: 6 ")
    assert shop("check", "--only", "x").exit_code == 2


def test_check_of_a_table_whose_guards_never_let_anything_through(shop: Shop, module: Any) -> None:
    Path("shop.py").write_text(
        SHOP.replace("facts.paid >= facts.total", "facts.paid > facts.total")
    )
    sys.modules.pop("shop")
    said = shop("check")
    assert said.exit_code == 1
    assert "  !! no facts that were tried take row 1, 5, 6, 7, 8, 9\n" in said.stdout
    assert "NOT every promise holds" in said.stdout


def test_a_table_that_contradicts_itself_is_named_with_its_rows(shop: Shop) -> None:
    Path("shop.py").write_text(SHOP.replace("E.MONEY_CAME,      otherwise", "E.BOOKED,  otherwise"))
    sys.modules.pop("shop")
    error = error_of(shop("check"))
    assert error.code == "lifecycle-invalid"
    assert "row 1: unpaid on money_came has no final alternative" in error.message
    sys.modules["shop"] = sys  # For the fixture's end.


# -- migrating -------------------------------------------------------------------------------------


def test_nothing_to_migrate(shop: Shop) -> None:
    said = shop("migrate")
    assert (said.exit_code, said.stdout) == (0, "")
    assert "Nothing is to be migrated." in said.stderr


def test_a_state_without_a_successor_and_one_with(shop: Shop, module: Any) -> None:
    changed = SHOP.replace("READY", "PACKED").replace('"ready"', '"packed"')
    Path("shop.py").write_text(changed)
    sys.modules.pop("shop")
    plan = shop("migrate", "--plan", "--json")
    assert plan.exit_code == 4
    assert json.loads(plan.stdout) == {
        "is_applied": False,
        "tables": [],
        "states": [
            {"lifecycle": "order", "state": "READY", "count": 1, "target": "", "is_known": True}
        ],
    }
    assert error_of(shop("migrate", "--apply")).code == "states-removed"
    assert error_of(shop("status")).code == "states-removed"
    grown = changed.replace("main_path=", 'renamed={"READY": S.PACKED},\n    main_path=').replace(
        "    ),\n)\n\n\ndef read_facts",
        '    ),\n    Migration("shop", 2, ("ALTER TABLE purchase ADD COLUMN note TEXT",)),\n)\n\n\n'
        "def read_facts",
    )
    Path("shop.py").write_text(grown)
    sys.modules.pop("shop")
    plan = shop("migrate")
    assert (plan.exit_code, plan.stdout.splitlines()) == (0, [
        "tables of 'shop': version 1 becomes 2",
        "order: 1 instance is in READY; to go on in PACKED",
    ])  # fmt: skip
    assert error_of(shop("status")).code == "journal-older"
    assert shop("migrate", "--apply").stdout.splitlines() == [
        "tables of 'shop': version 1 became 2",
        "order: 1 moved from READY to PACKED",
    ]
    assert "packed" in shop("status", "tea").stdout
    assert "ready --migrated--> packed" in shop("why", "tea").stdout


def test_who_holds_the_directory_is_not_migrated_under_its_feet(
    shop: Shop, module: Any, tmp_path: Path
) -> None:
    with closing(hold(tmp_path / "data", "shop", module.TABLES, 0.0)):
        assert error_of(shop("migrate", "--apply")).code == "data-directory-locked"
        assert shop("migrate", "--plan").exit_code == 0


def test_the_shipped_application_migrates_as_well(garden: CommandLine) -> None:
    said = garden("migrate")
    assert (said.code, said.out, said.err) == (0, "", "Nothing is to be migrated.\n")


# -- what is no application ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said", "advice"),
    [
        ("shop", "--app names a module and what it has", "--app shop:APP"),
        (":APP", "--app names a module and what it has", "--app shop:APP"),
        ("nowhere:APP", "there is no module 'nowhere'", "in the folder of the module"),
        ("shop.orders:APP", "there is no module 'shop.orders'", "in the folder of the module"),
        ("shop:APPS", "shop.py has no 'APPS'", "It has: APP."),
        ("shop:COURIER", "'COURIER' is no Application but of type Courier", "Application("),
        ("shop:ORDERS", "'ORDERS' is no Application but of type Lifecycle", "Application("),
        ("needy:APP", "the module needs 'a_library', which is not", "Install that"),
        ("wrong:APP", "the module cannot be imported: SyntaxError: ", 'python -c "import wrong"'),
        ("ends:APP", "the module cannot be imported: SystemExit: 3", 'python -c "import ends"'),
        ("empty:APP", "empty.py has no 'APP'", "Make one there"),
    ],
)
def test_what_is_no_application_is_told_with_a_remedy(
    module: Any, text: str, said: str, advice: str
) -> None:
    Path("needy.py").write_text("import a_library\n")
    Path("wrong.py").write_text("def :\n")
    Path("ends.py").write_text("raise SystemExit(3)\n")
    Path("empty.py").write_text("")
    error = error_of(CliRunner().invoke(app, ["check", "--app", text]))
    assert error.code == "application-invalid"
    assert said in error.message
    assert advice in error.advice


def test_facts_that_cannot_be_read_are_the_application_s_own(shop: Shop) -> None:
    Path("shop.py").write_text(SHOP.replace("total, paid, placed_at, paid_at FROM", "price FROM"))
    sys.modules.pop("shop")
    error = error_of(shop("why", "tea"))
    assert error.code == "application-invalid"
    assert "OperationalError: no such column: price" in error.message


def test_in_a_process_of_its_own_an_error_is_one_sentence(nowhere: CommandLine) -> None:
    said = nowhere("status", COMMUNITY_ARCHIVES_APP="nowhere.at_all:APP")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "[application-invalid] there is no module 'nowhere' (nowhere.at_all)"
    )
    assert len(said.err.splitlines()) == 1
