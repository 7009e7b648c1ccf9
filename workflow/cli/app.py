"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.adopting import adopt
from workflow.cli.archiving import announce, archive
from workflow.cli.backing_up import backup, restore
from workflow.cli.beginning import init
from workflow.cli.checking import check
from workflow.cli.communities import community
from workflow.cli.configuring import config
from workflow.cli.demo import demo
from workflow.cli.diagram import diagram
from workflow.cli.doctor import doctor
from workflow.cli.exporting import export
from workflow.cli.fetching import announcement, fetch, join, peers
from workflow.cli.health import health
from workflow.cli.importing import importing
from workflow.cli.inspecting import ABOUT, inspect
from workflow.cli.looking import history, status
from workflow.cli.migrating import migrate
from workflow.cli.options import examples
from workflow.cli.reading import messages
from workflow.cli.running import run
from workflow.cli.selftest import selftest
from workflow.cli.sending import send
from workflow.cli.verifying import verify
from workflow.cli.why import why

app = typer.Typer(
    help="Keep the chat history of communities as archives: create, seed, announce, download.",
    epilog=examples(
        "demo                        see it, in under a minute",
        "init                        set up a node",
        "fetch g.announcement        fetch another's archives",
        "run                         keep archives until Ctrl-C",
        "status                      where every community stands",
        "why gardeners               why one stands there",
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version  # noqa: PLC0415 - rarely asked for.

        print(f"community-archives {version('community-archives')}")
        raise typer.Exit


@app.callback()
def community_archives(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """What holds for all commands."""


app.command(
    epilog=examples(
        "demo",
        "demo --weeks 52",
        "demo --export my-discord-export/    with your own history",
        "demo --data-dir /tmp/demo           to look around there",
    )
)(demo)
app.command(
    epilog=examples(
        "init",
        "init --network public --listen 6881 --own gardeners",
        "init --yes --follow g.announcement --name gardeners",
    )
)(init)
app.command(epilog=examples("config", "config --json", "config --network public"))(config)
app.command(
    epilog=examples(
        "run",
        "run --network public --listen 6881",
        "run --network private --peer 192.0.2.7:6881",
        "run --max-age 15d",
    )
)(run)
app.add_typer(community, name="community")
app.add_typer(archive, name="archive")
app.command(epilog=examples("announce gardeners", "announce gardeners --take-over"))(announce)
app.add_typer(announcement, name="announcement")
app.command(epilog=examples("join gardeners.announcement --name gardeners", "join 0x02ab..."))(join)
app.command(
    epilog=examples(
        "fetch gardeners.announcement --name gardeners",
        "fetch gardeners                  what is new",
        "fetch gardeners --latest         only the latest",
        "fetch 'magnet:?xt=...' --unsigned --community 0x02ab...",
    )
)(fetch)
app.command(epilog=examples("peers gardeners", "peers gardeners --json"))(peers)
app.command(epilog=examples("selftest gardeners"))(selftest)
app.command(
    epilog=examples(
        "status",
        "status gardeners",
        "status --follow",
        "status --since 41 --json    with the steps behind step 41",
    )
)(status)
app.command(
    epilog=examples(
        "health",
        "health --max-age 36h",
        "health --json",
        "health || exit 1    as a container's health check",
    )
)(health)
app.command(
    epilog=examples(
        "doctor",
        "doctor --network public --listen 6881",
        "doctor --network private --peer 192.0.2.7:6881",
    )
)(doctor)
app.command(epilog=examples("why gardeners", "why 0x02ab --json"))(why)
app.command(
    epilog=examples(
        "history gardeners",
        "history gardeners --limit 100",
        "history --after 41 --json    go on behind step 41",
    )
)(history)
app.command(
    epilog=examples(
        "send gardeners switched_off",
        "send gardeners switched_on --command-id deploy-7",
    )
)(send)
app.command(
    epilog=examples(
        "diagram                            as Markdown",
        "diagram --main-path --out lifecycle.svg",
        "diagram gardeners --out way.svg    with the way it came",
    )
)(diagram)
app.command(epilog=examples("verify", "verify chess --channels", "verify chess --json"))(verify)
app.command(
    epilog=examples(
        "messages gardeners --tail 20",
        "messages gardeners --since 2024-01-01 --until 2024-01-31",
        "messages gardeners --channel general --author alice",
        "messages archivedata/0x02ab --grep 'tomato(es)?'",
        "messages gardeners --json | head",
    )
)(messages)
app.command(
    epilog=examples(
        "export gardeners --format html pages/",
        "export gardeners --format jsonl backup/",
        "export rescued/0x02ab.torrent --format discord-json out/",
    )
)(export)
app.add_typer(importing, name="import")
app.command(
    epilog=examples(
        "adopt ~/status/archivedata/0x02ab --community chess",
        "adopt rescued/ --community chess --torrent a.torrent",
    )
)(adopt)
app.command(
    epilog=examples("backup /mnt/backup/gardeners", "backup /mnt/backup/gardeners --with-keys")
)(backup)
app.command(
    epilog=examples(
        "restore /mnt/backup/gardeners",
        "restore /mnt/backup/gardeners --data-dir /srv/archives",
    )
)(restore)
app.command(
    epilog=ABOUT
    + examples(
        "inspect archivedata/0x02ab    a folder",
        "inspect 0x02ab.torrent --json",
        "inspect archivedata/0x02ab --archive 0xe6    its messages",
        "inspect archivedata/0x02ab /mnt/backup/0x02ab",
    )
)(inspect)
app.command(epilog=examples("check", "check --only 'two devices'", "check --app shop:APP"))(check)
app.command(epilog=examples("migrate --plan", "migrate --apply --app shop:APP"))(migrate)
