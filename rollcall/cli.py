"""The command line: reads the arguments, calls the steps, shows the results, gives the exit code.

Everything heavy is imported by the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall import __version__
from rollcall.errors import ConfigurationError, RollcallError
from rollcall.process import ending_on_signals, private_files, tolerant_streams
from rollcall.verdict import FailOn, exit_code_of

if TYPE_CHECKING:
    from rollcall.plan import Plan
    from rollcall.results import Assessment
    from rollcall.verification import Verification
    from rollcall.workspace import Workspace

__all__ = ["app", "main"]

USAGE = 2
INTERRUPTED = 130
SIGNALLED = 128  # plus the signal's number, as a shell reports it
PARTLY_DONE = 5
BLOCKED = 12

_json_owed: set[str] = set()  # one item from the moment `--json` is read until the document is printed

app = typer.Typer(
    name="rollcall",
    help="Make a call centre's database ready for live agent-status control, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Samples = Annotated[
    int,
    typer.Option(
        "--samples",
        metavar="N",
        min=0,
        max=100,
        help="Show values of the application's data too: of the first N rows that violate each rule.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Vars = Annotated[str | None, typer.Option("--vars", metavar="YAML", help="Override vars of dbt_project.yml.")]
PlanSource = Annotated[
    str | None,
    typer.Option("--plan", metavar="FILE", help="Execute just this plan: a file, or a stored plan's hash."),
]
History = Annotated[
    bool,
    typer.Option("--history", help="Judge closed sessions, calls and the views too: what has changed."),
]
FullHistory = Annotated[
    bool, typer.Option("--full-history", help="The same, all of it, whatever was judged before.")
]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write a Markdown summary.")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write the readiness report here.")
]


FailOnOption = Annotated[
    FailOn,
    typer.Option("--fail-on", help="From which severity on the exit code is not 0; warnings alone give 13."),
]


def main() -> None:
    """Run the command line; a user's mistake ends in one line and its exit code."""
    with private_files(), tolerant_streams() as out:
        _json_owed.clear()
        exit_code, message = _run()
        if message and _json_owed:
            _print_json({"error": message, "exit_code": exit_code})
        out.flush()
        if message:
            print(f"rollcall: {message}", file=sys.stderr)
        if out.lost is not None:
            print(
                f"rollcall: standard output could not be written: {out.lost}. The exit code is that of the "
                "work; `rollcall history` shows its run.",
                file=sys.stderr,
            )
    sys.exit(exit_code)


def _run() -> tuple[int, str | None]:
    """The exit code, and what is to be said on standard error."""
    received: list[int] = []
    try:
        with ending_on_signals() as received:
            exit_code = app(prog_name="rollcall", standalone_mode=False)
        if exit_code == INTERRUPTED:  # typer keeps a Ctrl-C to itself
            raise KeyboardInterrupt
        return int(exit_code or 0), None
    except SystemExit as end:
        return int(end.code or 0), None
    except RollcallError as error:
        return error.exit_code, str(error)
    except (KeyboardInterrupt, typer.Abort):
        code = SIGNALLED + received[0] if received else INTERRUPTED
        return code, "interrupted; what was done is recorded, and the next run goes on from there"
    except Exception as error:
        return _unexpected(error)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"rollcall {__version__}")
        raise typer.Exit


@app.command()
def demo(
    agents: Annotated[int, typer.Option(help="Agents of the demo call centre.")] = 200,
    sessions: Annotated[int, typer.Option(help="Sessions, most of them history.")] = 20_000,
    calls: Annotated[int, typer.Option(help="Calls, most of them history.")] = 100_000,
    days: Annotated[int, typer.Option(help="Days of history.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same call centre.")] = 1,
    as_json: Json = False,
) -> None:
    """Start an embedded PostgreSQL, load a damaged call centre, run everything."""
    from rollcall.demo import Scale
    from rollcall.demo.run import prepare

    _quieten(as_json)
    scale = Scale(agents=agents, sessions=sessions, calls=calls, days=days, seed=seed)
    os.environ["ROLLCALL_DATABASE_URL"] = prepare(scale)
    _pipeline(None, "yes", history=True, as_json=as_json)


@app.command()
def assess(
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    junit: Junit = None,
    markdown: Markdown = None,
    report: Report = None,
    fail_on: FailOnOption = FailOn.CRITICAL,
    samples: Samples = 0,
    variables: Vars = None,
) -> None:
    """Judge the database: verdict, rules, failing sessions. Read-only."""
    from rollcall import console
    from rollcall.assessment import assess as judge
    from rollcall.report.failure import reports_of_failure

    with reports_of_failure("assess", junit, markdown, describe=_failure):
        workspace = _workspace(variables, as_json)
        assessment = judge(
            workspace,
            history=history,
            full_history=full_history,
            details=report is not None,
            samples=samples,
        )
        if as_json:
            _print_json(assessment.to_json())
        else:
            console.show_assessment(assessment)
        _write_reports(workspace, "assess", assessment, junit, markdown, report, fail_on)
    _exit_with_verdict(assessment, fail_on)


@app.command()
def plan(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the plan, to approve and execute later."),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the plan in our ledger, to execute it by its hash.")
    ] = False,
    sql: Annotated[
        Path | None, typer.Option("--sql", metavar="FILE", help="Write the statements as a script for psql.")
    ] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show every statement and every row change still to be made. Read-only, but for `--store`."""
    from rollcall import console
    from rollcall.ledger import open_run
    from rollcall.plan import make_plan
    from rollcall.plan_file import store_plan, write_plan
    from rollcall.private_files import replaced_file
    from rollcall.script import script

    workspace = _workspace(variables, as_json)
    pending = make_plan(workspace)
    if out is not None:
        write_plan(pending, out)
    if store:
        with open_run(workspace, "plan", approved_by=_user()) as run:
            store_plan(run, pending)
    if sql is not None:
        with replaced_file(sql) as file:
            file.write(script(workspace, pending.statements, pending.database).encode())
    if as_json:
        _print_json(pending.to_json())
    else:
        console.show_plan(pending)


@app.command()
def migrate(plan: PlanSource = None, as_json: Json = False, variables: Vars = None) -> None:
    """Execute the migration plan: additive changes of the schema."""
    from rollcall import console
    from rollcall.ledger import open_run
    from rollcall.migration import migrate as execute
    from rollcall.migration import refuse_conflicts

    workspace = _workspace(variables, as_json)
    refuse_conflicts(workspace)  # first: where a column has another type, no session can be judged
    pending = _plan(workspace, plan)
    with open_run(workspace, "migrate", approved_by=_user(plan)) as run:
        run.note(plan_hash=pending.hash)
        result = execute(workspace, run, pending.statements, console.show_statement)
    if as_json:
        _print_json(result.to_json())
    else:
        console.show_migration(result)
    if result.proof is not None and not result.proof.holds:
        raise typer.Exit(1)
    raise typer.Exit(PARTLY_DONE if result.skipped else 0)


@app.command()
def detach(
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Drop the ledger too: nothing can be undone any more.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Drop Rollcall's own views, so that the application can change its tables; `run` makes them again."""
    from rollcall import console
    from rollcall.detach import detach as execute

    result = execute(_workspace(variables, as_json), _user(), ledger=ledger)
    if as_json:
        _print_json(result.to_json())
    else:
        console.show_detachment(result)


@app.command()
def clean(
    plan: PlanSource = None,
    unattended: Annotated[
        bool,
        typer.Option("--unattended", help="Nobody watches: arm the breaker, leave alone what was undone."),
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Execute the clean-up plan, at once."""
    from rollcall import console
    from rollcall.breaker import check_breaker
    from rollcall.cleaning import clean as execute
    from rollcall.ledger import open_run

    workspace = _workspace(variables, as_json)
    pending = _plan(workspace, plan)
    approver = f"{_user(plan)} (unattended)" if unattended else _user(plan)
    with open_run(workspace, "clean", approver) as run:
        if unattended:
            run.note(unattended=True)
            check_breaker(workspace, pending)
        if pending.change_count:
            console.show_clean_role(workspace.settings.clean_role)
        with console.progress("sessions") as watcher:
            result = execute(workspace, run, pending, watcher, unattended=unattended)
    if as_json:
        _print_json(result.to_json())
    else:
        console.show_cleaning(result)
    raise typer.Exit(0 if result.is_complete else PARTLY_DONE)


@app.command()
def verify(
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN_ID", help="Prove this run.")] = None,
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    junit: Junit = None,
    markdown: Markdown = None,
    report: Report = None,
    fail_on: FailOnOption = FailOn.CRITICAL,
    variables: Vars = None,
) -> None:
    """Judge again, and prove what a run changed and what it did not. Read-only."""
    from rollcall import console
    from rollcall.report.failure import reports_of_failure
    from rollcall.verification import verify as prove

    with reports_of_failure("verify", junit, markdown, describe=_failure):
        workspace = _workspace(variables, as_json)
        verification = prove(
            workspace, run_id, history=history, full_history=full_history, details=report is not None
        )
        if as_json:
            _print_json(verification.to_json())
        else:
            console.show_verification(verification)
        _write_reports(
            workspace,
            "verify",
            verification.assessment,
            junit,
            markdown,
            report,
            fail_on,
            verification,
            run_id,
        )
    if run_id is not None and not verification.holds:
        raise typer.Exit(1)
    _exit_with_verdict(verification.assessment, fail_on)


@app.command()
def run(
    yes: Annotated[bool, typer.Option("--yes", help="Execute the plan without asking.")] = False,
    plan: PlanSource = None,
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    variables: Vars = None,
) -> None:
    """Assess, plan, migrate, clean and verify, as one Prefect flow."""
    _quieten(as_json)
    _pipeline(
        variables,
        "yes" if yes else "ask",
        history=history,
        full_history=full_history,
        as_json=as_json,
        plan=plan,
    )


@app.command()
def undo(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run to undo; `history` lists them.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be restored.")] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Restore what one clean-up changed, where nobody has touched it since."""
    from rollcall import console
    from rollcall.undo import undo as restore

    workspace = _workspace(variables, as_json)
    with console.progress("sessions") as watcher:
        result = restore(workspace, run_id, dry_run=dry_run, approved_by=_user(), watcher=watcher)
    if as_json:
        _print_json(result.to_json())
    else:
        console.show_undo(result)
    raise typer.Exit(PARTLY_DONE if result.conflicts else 0)


@app.command()
def history(
    limit: Annotated[int, typer.Option(help="How many runs, newest first.")] = 20,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show past runs: verdict, changes, and what of each rule was new or resolved. Read-only."""
    from rollcall import console
    from rollcall.ledger import history as past_runs
    from rollcall.trend import with_failures

    workspace = _workspace(variables, as_json)
    runs = with_failures(workspace, past_runs(workspace, limit))
    if as_json:
        _print_json(runs)
    else:
        console.show_history(runs)


@app.command()
def flags(
    name: Annotated[str | None, typer.Argument(help="The flag to switch.")] = None,
    state: Annotated[str | None, typer.Argument(metavar="on|off", help="What to switch it to.")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; `history` shows it.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Switch on though the heartbeat feed is dead; needs --reason.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show the feature flags, or switch one; it takes effect at once."""
    from rollcall import console
    from rollcall import flags as feature_flags

    if name is not None and state not in ("on", "off"):
        raise ConfigurationError("a flag is switched on or off", f"try `rollcall flags {name} on`")
    workspace = _workspace(variables, as_json)
    if name is not None:
        recorded = feature_flags.switch(workspace, name, on=state == "on", reason=reason, force=force)
        if not recorded:
            console.show_error("switched, but this role may not record it, so `history` does not show it")
    shown = feature_flags.show(workspace)
    if as_json:
        _print_json([flag.to_json() for flag in shown])
    else:
        console.show_flags(shown)


@app.command()
def doctor(
    print_grants: Annotated[
        bool, typer.Option("--grants", help="Print the statements that make the roles, and nothing else.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Say what would go wrong, and what to do about it. Read-only."""
    from rollcall import console
    from rollcall.doctor import examine, grants

    workspace = _workspace(variables, as_json)
    if print_grants:
        statements = grants(workspace)
        if as_json:
            _print_json([grant.to_json() for grant in statements])
        else:
            console.show_grants(statements)
        return
    diagnosis = examine(workspace)
    if as_json:
        _print_json(diagnosis.to_json())
    else:
        console.show_diagnosis(diagnosis)
    raise typer.Exit(BLOCKED if diagnosis.is_blocked else 0)


@app.command()
def simulate(
    agents: Annotated[int, typer.Option(help="Agents who come and go.")] = 50,
    seconds: Annotated[float, typer.Option(help="How long, in real time.")] = 30,
    speed: Annotated[
        float, typer.Option(help="How many times faster than in reality; default thresholds shrink with it.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="The same seed makes everybody decide the same.")] = 1,
    calls_per_hour: Annotated[float, typer.Option(help="Outbound, of an agent in a simulated hour.")] = 7,
    connections: Annotated[
        int | None, typer.Option(help="Of the application; by default one for eight agents.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the application's tables first.")] = False,
    with_migration: Annotated[bool, typer.Option("--migrate", help="Run the migration first.")] = False,
    clean_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Clean beside the traffic, this often.")
    ] = None,
    kill_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Kill the clean-up (kill -9), about this often.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the ground truth as JSON lines.")
    ] = None,
    test_database: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="This database is for tests, though we did not make it."),
    ] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Realistic traffic with known ground truth: was anything changed wrongly, or left undone?"""
    from rollcall import console
    from rollcall.settings import load_settings
    from rollcall.simulator import Options
    from rollcall.simulator import simulate as execute

    _quieten(as_json)
    options = Options(
        agents=agents,
        seconds=seconds,
        speed=speed,
        seed=seed,
        calls_per_hour=calls_per_hour,
        connections=connections,
        create=create,
        migrate=with_migration,
        clean_every=clean_every,
        kill_every=kill_every,
        truth_file=truth,
    )
    outcome = execute(load_settings(variables), options, test_database, console.show_progress_of_simulation)
    if as_json:
        _print_json(outcome.to_json())
    else:
        console.show_simulation(outcome)
    raise typer.Exit(0 if outcome.holds else 1)


@app.command()
def serve() -> None:
    """Serve the scheduled deployments of prefect.yaml until stopped."""
    from rollcall.scheduling import serve as serve_deployments
    from rollcall.settings import load_settings

    load_settings()
    serve_deployments()


def _pipeline(
    variables: str | None,
    approval: str,
    *,
    history: bool,
    full_history: bool = False,
    as_json: bool,
    plan: str | None = None,
) -> None:
    from rollcall.scheduling import run_pipeline

    done = run_pipeline(variables, approval, history=history, full_history=full_history, plan=plan)
    if as_json:
        _print_json(done.to_json())
    assert done.latest is not None, "a pipeline begins with assess"
    _exit_with_verdict(done.latest)


def _workspace(variables: str | None, as_json: bool) -> Workspace:
    from rollcall.settings import load_settings
    from rollcall.workspace import Workspace

    _quieten(as_json)
    return Workspace(load_settings(variables))


def _quieten(as_json: bool) -> None:
    if as_json:
        _json_owed.add("document")
        from rollcall import console

        console.use_stderr()


def _write_reports(
    workspace: Workspace,
    command: str,
    assessment: Assessment,
    junit: Path | None,
    markdown: Path | None,
    report: Path | None,
    fail_on: FailOn,
    verification: Verification | None = None,
    run_id: str | None = None,
) -> None:
    from rollcall import console
    from rollcall.report.outcome import RunOutcome

    outcome = RunOutcome(
        run_id=run_id,
        command=command,
        database=workspace.database.name,
        started_at=assessment.snapshot_at,
        finished_at=datetime.now(UTC),
        before=None if verification else assessment,
        verification=verification,
        fail_on=fail_on,
    )
    if junit is not None:
        from rollcall.report.junit import junit_xml

        _write(junit, junit_xml(assessment, fail_on, broken_proof=outcome.broken_proof))
    if markdown is not None:
        from rollcall.report.markdown import markdown_summary

        _write(markdown, markdown_summary(outcome))
    if report is not None:
        from rollcall.report.folder import publish

        console.show_report(publish(report, outcome))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RollcallError(f"cannot write {path}: {error.strerror}", "give another file") from error


def _exit_with_verdict(assessment: Assessment, fail_on: FailOn = FailOn.CRITICAL) -> None:
    raise typer.Exit(exit_code_of(assessment.verdict, assessment.rules, fail_on))


def _print_json(document: Any) -> None:
    _json_owed.clear()
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=_json_value)
    sys.stdout.write("\n")


def _json_value(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plan(workspace: Workspace, source: str | None) -> Plan:
    """The plan that was approved, or what is pending now, to be executed."""
    from rollcall.doctor import refuse_pooler
    from rollcall.plan import make_plan
    from rollcall.plan_file import read_plan

    refuse_pooler(workspace)  # before anybody waits for a plan that could not be executed
    return make_plan(workspace) if source is None else read_plan(workspace, source)


def _user(plan: str | None = None) -> str:
    """Who says that it may be done; plan: the plan that says so."""
    import getpass

    return getpass.getuser() + (f" (plan {plan})" if plan else "")


def _failure(error: BaseException) -> str | None:
    """One line about what ended a judgement; none where it was made."""
    if isinstance(error, typer.Exit):
        return None
    if isinstance(error, RollcallError):
        return str(error)
    if isinstance(error, Exception) and not isinstance(error, typer.Abort):
        return _unexpected(error)[1]
    return "interrupted before the database was judged"


def _unexpected(error: Exception) -> tuple[int, str]:
    """Usage errors of the arguments, errors of the server, and faults of our own: one line each."""
    if isinstance(error, typer.exceptions.TyperException):
        return USAGE, f"{error.format_message()} (`rollcall --help` lists what there is)"
    if os.environ.get("ROLLCALL_DEBUG"):
        raise error

    import psycopg

    if isinstance(error, psycopg.Error):
        from rollcall.database import reason_of

        return 1, f"the database refused: {reason_of(error)}"
    return 1, f"{type(error).__name__}: {error} (this is a fault; ROLLCALL_DEBUG=1 shows where)"
