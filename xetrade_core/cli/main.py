"""Entry of the `xetrade` command: the commands, and what an error looks like.

An `XETradeError` or a wrong option is one line on standard error and exit code 2, or 3 where nobody knows whether a
venue has taken an order; a group without a command is its help there, and exit code 2; anything unexpected is one line
and exit code 1, with the traceback only after `--debug`. With `--json` standard output gets `{"error": ...}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
import typer.core
import typer.exceptions

from xetrade_core.cli.output import say
from xetrade_core.errors import CrossNotOver, OrderOutcomeUnknown, XETradeError

#: the exit code of Ctrl-C, as shells have it
INTERRUPTED = 130
#: modules of this package that add their commands to the application
COMMANDS = (
    "sim",
    "capture",
    "replay",
    "upkeep",
    "best",
    "ladder",
    "impact",
    "funding",
    "orders",
    "order_list",
    "cross",
    "control",
    "reconcile",
    "stress",
    "pnl",
    "monitor",
    "lake",
    "symbols",
    "mapper_tour",
    "venues",
    "doctor",
    "up",
    "demo",
)

#: how the help lists the commands: the way of the data first, older spellings last
SECTIONS = {
    "Start": ("demo", "up", "sim", "doctor", "venues"),
    "Record": ("capture", "recover", "compact", "quality", "lake", "replay"),
    "Market data": ("best", "l2", "impact", "funding"),
    "Trade": ("place", "cancel", "amend", "status", "orders", "cross", "stress"),
    "Stay safe": ("risk", "arm", "disarm", "halt", "resume-trading", "reconcile"),
    "Positions": ("position", "monitor", "pnl"),
    "Symbols": ("map", "universal", "validate", "symbols", "demo-mapper"),
    "Earlier names": ("start-capture", "capture-status", "stop-capture"),
}
ABOUT = (
    "Record crypto order books into a Parquet lake with provable completeness, and trade so that no order is lost or "
    "doubled."
)
ALARMS_WITHIN_S = 5.0
#: exit code where an order may be on its venue or not
NOT_KNOWN = 3


class Commands(typer.core.TyperGroup):
    """The commands under headings; typer has one list of all of them, and would end it with the groups."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [name for names in SECTIONS.values() for name in names]

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        widest = max(map(len, self.list_commands(ctx)))
        for heading, names in SECTIONS.items():
            rows = [(name.ljust(widest), self.commands[name].get_short_help_str(formatter.width)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows)


app = typer.Typer(
    name="xetrade",
    cls=Commands,
    context_settings={"max_content_width": 120},
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"xetrade {version('xetrade')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Options of every command."""


for _module in COMMANDS:
    import_module(f"xetrade_core.cli.{_module}").add_to(app)


@cache
def _command() -> Callable[..., object]:
    """All commands with their options: looking at every function's takes longer than most of them do."""
    return typer.main.get_command(app)


def main(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); returns the exit code and lets no exception out."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        # `--debug` works wherever it stands on the line
        outcome = _command()([argument for argument in arguments if argument != "--debug"], standalone_mode=False)
        if outcome == INTERRUPTED:  # typer makes an exit code of Ctrl-C, and says nothing
            return _fail("interrupted", INTERRUPTED, as_json)
        return outcome if isinstance(outcome, int) else 0
    except typer.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED, as_json)
    except typer.exceptions.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # as typer itself knows it: the class is private
            say(error.format_message())
            return 2
        return _fail(error.format_message(), 2, as_json)
    except XETradeError as error:
        if debug:
            _traceback()
        return _fail(str(error), NOT_KNOWN if isinstance(error, (OrderOutcomeUnknown, CrossNotOver)) else 2, as_json)
    except Exception as error:  # the last resort of the command line
        if debug:
            _traceback()
        hint = "" if debug else " (add --debug for the traceback)"
        return _fail(f"unexpected {type(error).__name__}: {error}{hint}", 1, as_json)


def _fail(message: str, code: int, as_json: bool) -> int:
    from xetrade_core.telemetry import redact_text

    line = redact_text(" ".join(message.split()))
    say(f"error: {line}")
    if as_json:
        print(json.dumps({"error": line}))  # noqa: T201 - standard output is the result
    return code


def _traceback() -> None:
    import traceback

    from xetrade_core.telemetry import redact_text

    say(redact_text(traceback.format_exc()).rstrip())


def _open_streams() -> None:
    """Put nothing in the place of a stream that whoever started us had closed, as some daemons do: Python has None
    there, and the next file that is opened would get its number, and what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process lives


def run() -> NoReturn:
    """Console script. Ends the process itself, once everything is said.

    pyarrow's threads may let go of Python objects while the interpreter shuts down, which aborts one process in a
    hundred with exit code 134 after its work is done (CPython 3.11 ends threads that ask for the lock by force).
    """
    from xetrade_core.webhook import deliver_alarms

    _open_streams()
    code = main(sys.argv[1:])
    deliver_alarms(ALARMS_WITHIN_S)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
