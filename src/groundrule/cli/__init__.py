"""The command line: reads and writes ordinary files, holds no logic.

Exit codes: 0 done; 1 the answer is a refusal or a failed check; 2 wrong usage or bad input; 3 internal error.
"""

from __future__ import annotations

import os
import sys
import traceback

import typer

from groundrule import __version__
from groundrule.cli import (
    access,
    appeal,
    approve,
    areas,
    batch,
    charter,
    contact,
    decide,
    demo,
    disclosure,
    dossier,
    duress,
    emergency,
    explain,
    govern,
    home,
    key,
    ledger,
    lists,
    oversight,
    propose,
    register,
    replay,
    report,
    request,
    review,
    rules,
    screen,
    serve,
    snapshot,
)
from groundrule.cli.output import fail
from groundrule.errors import GroundruleError

app = typer.Typer(
    name="groundrule",
    help="Decides, on evidence and by published rule, where and for whom a satellite network serves, and shows why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="demo")(demo.demo)
app.command(name="init")(home.init)
app.add_typer(areas.app, name="areas")
app.add_typer(rules.app, name="rules")
app.add_typer(register.app, name="register")
app.command(name="decide")(decide.decide)
app.command(name="explain")(explain.explain)
app.command(name="replay")(replay.replay)
app.command(name="whatif")(replay.whatif)
app.add_typer(ledger.app, name="ledger")
app.add_typer(lists.app, name="lists")
app.command(name="screen")(screen.screen)
app.add_typer(key.app, name="key")
app.add_typer(charter.app, name="charter")
app.add_typer(request.app, name="request")
app.command(name="propose")(propose.propose)
app.command(name="approve")(approve.approve)
app.command(name="enact")(propose.enact)
app.add_typer(contact.app, name="contact")
app.add_typer(emergency.app, name="emergency")
app.add_typer(review.app, name="review")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(appeal.app, name="appeal")
app.add_typer(batch.app, name="batch")
app.add_typer(disclosure.app, name="disclosure")
app.add_typer(duress.app, name="duress")
app.add_typer(govern.app, name="govern")
app.add_typer(report.app, name="report")
app.add_typer(dossier.app, name="dossier")
app.command(name="oversight")(oversight.oversight)
app.command(name="serve")(serve.serve)
app.add_typer(access.app, name="access")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True)) -> None:
    """Decides, on evidence and by published rule, where and for whom a satellite network serves, and shows why."""
    if version:
        print(f"groundrule {__version__}")  # noqa: T201 - this is the command's output
        raise typer.Exit


def main() -> None:
    """Run the command line and end with the exit code of the contract."""
    try:
        app()
    except GroundruleError as error:
        sys.exit(fail(error))
    except BrokenPipeError:
        # The reader of our output has gone (for instance `| head`); that is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        print(  # noqa: T201 - this is the command's output
            f"groundrule: cannot use `{error.filename}`: {error.strerror}", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001 - the last door: whatever comes here is a fault of ours and must say so
        traceback.print_exc()
        print(  # noqa: T201 - this is the command's output
            f"groundrule {__version__}: internal error; please report it with the lines above", file=sys.stderr
        )
        sys.exit(3)
