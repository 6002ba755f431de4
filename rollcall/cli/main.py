"""The entry point: run the command line and translate errors into exit codes."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from rollcall.cli import alerts, change, demo, fleet, init, judge, look, metrics, serve
from rollcall.cli.output import USAGE, json_owed, print_json, unexpected
from rollcall.errors import RollcallError
from rollcall.process.files import private_files
from rollcall.process.lifetime import ending_on_signals, start_quickly
from rollcall.process.log_format import LOG_FORMAT, LogFormat, follow_environment, log, show_error, use
from rollcall.process.streams import tolerant_streams

__all__ = ["app", "main"]

INTERRUPTED = 130
SIGNALLED = 128  # plus the signal's number, as a shell reports it
COMMANDS = (  # in the order of `rollcall --help`
    demo.demo,
    init.init,
    judge.assess,
    judge.plan,
    change.migrate,
    change.detach,
    change.clean,
    judge.verify,
    change.run,
    change.undo,
    change.build,
    look.history,
    change.flags,
    look.doctor,
    look.config,
    look.rules,
    look.docs,
    alerts.alerts,
    demo.simulate,
    serve.serve,
    fleet.fleet,
    metrics.metrics,
)

app = typer.Typer(
    name="rollcall",
    help="Make a call centre's database ready for live agent-status control, and prove it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in COMMANDS:
    app.command()(_command)


def main() -> None:
    """Run the command line; an error ends in one line and its exit code."""
    began = time.monotonic()
    follow_environment()
    start_quickly()
    with private_files(), tolerant_streams() as out:
        json_owed.clear()
        exit_code, message = _run()
        if message and json_owed:
            print_json({"error": message, "exit_code": exit_code})
        out.flush()
        messages = [message] if message else []
        if out.lost is not None:
            messages.append(
                f"standard output could not be written: {out.lost}. The exit code is that of the "
                "work; `rollcall history` shows a run that was recorded."
            )
        for text in messages:
            show_error(text)
        seconds = round(time.monotonic() - began, 3)
        log.info("The command has ended", extra={"exit_code": exit_code, "seconds": seconds})
    sys.exit(exit_code)


def _run() -> tuple[int, str | None]:
    """The exit code, and the message for standard error."""
    received: list[int] = []
    try:
        with ending_on_signals() as received:
            exit_code = app(prog_name="rollcall", standalone_mode=False)
        if exit_code == INTERRUPTED:  # typer catches Ctrl-C
            raise KeyboardInterrupt
        return int(exit_code or 0), None
    except SystemExit as end:
        return int(end.code or 0), None
    except RollcallError as error:
        return error.exit_code, error.text
    except (KeyboardInterrupt, typer.Abort):
        code = SIGNALLED + received[0] if received else INTERRUPTED
        return code, "interrupted; what was done is recorded, and the next run goes on from there"
    except Exception as error:
        return unexpected(error)


def _set_log_format(log_format: LogFormat) -> LogFormat:
    use(log_format)
    return log_format


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            "--log-format",
            envvar=LOG_FORMAT,
            callback=_set_log_format,  # before the command is looked up, whose error is a record too
            help="Text for people, or one JSON object per line on standard error.",
        ),
    ] = LogFormat.TEXT,
) -> None:
    log.info("The command begins", extra={"command": context.invoked_subcommand})
    if version:
        from rollcall import __version__

        typer.echo(f"rollcall {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(USAGE)
