"""Outcomes of runs for tests of the reports, some with hostile names and keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rollcall.report.outcome import RunOutcome
from rollcall.rules.judging import Judgement
from rollcall.rules.results import (
    Assessment,
    GhostDay,
    HourOfDay,
    OpenSession,
    PastResult,
    Presence,
    PresenceLook,
    RuleResult,
    Sample,
    Trend,
)
from rollcall.rules.suites import read_suites
from rollcall.rules.verdict import checks_of, verdict_of
from rollcall.rules.waiver import Waiver, WaiverResult, WaiverState
from rollcall.schema.declared import Statement
from rollcall.steps.clean.cleaning import CleaningResult
from rollcall.steps.migrate.catalog_state import CatalogProof
from rollcall.steps.migrate.migration import MigrationResult
from rollcall.steps.migrate.proof import MigrationProof
from rollcall.steps.migrate.table_contents import TableProof
from rollcall.steps.plan.pending_work import Body, Plan
from rollcall.steps.verify import Proof, Verification
from tests.support.paths import ROOT

SUITES = read_suites(ROOT / "expectations")


JUDGED = ("schema", "readiness", "history")


NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


RUN_ID = "20261122T120000Z-1f2e"


HOSTILE = (
    "<script>alert(document.title='owned')</script>",
    "\"><img src=x onerror=alert(1)> ' {{ 7*7 }} {% raw %}",
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u2066",
    "☎️ 👩🏽‍💻 🇩🇪",
    "nul\x00bell\x07escape\x1b[31m\x85\ud800\ufffe line\nfeed",
    "| a | b |\n|---|---|\n`code` **bold** [x](https://evil.example/) @everyone #1 :tada: <b>",
    "]]> &amp; &lt; --> </style></title>",
    "long " + "x" * 5_000,
)


BEFORE = {
    "missing_column": 3,
    "missing_index": 4,
    "missing_own_object": 9,
    "abandoned_session": 1_203,
    "orphaned_call_reference": 40,
    "invalid_on_call": 12,
    "duplicate_open_session": 31,
    "zombie_call": 7,
    "live_call_not_on_call": 3,
    "open_but_offline": 212,
    "heartbeat_feed": 96,
    "reversed_call_times": 1,
}


AFTER = {name: BEFORE[name] for name in ("zombie_call", "live_call_not_on_call", "heartbeat_feed")}


# --- what a run came to -----------------------------------------------------------------------


def assessment(
    counts: dict[str, int],
    keys: tuple[str, ...] = (),
    database: str = "callcentre",
    **other: Any,
) -> Assessment:
    """A judgement with these counts; every violated rule that counts rows has the keys."""
    judgements = []
    for name in JUDGED:
        rules = tuple(
            RuleResult(
                name=rule.name,
                suite=name,
                check=rule.check,
                severity=rule.severity,
                violations=counts.get(rule.name, 0),
                tolerance=rule.tolerance,
                passed=counts.get(rule.name, 0) <= rule.tolerance,
                reason=rule.reason,
                remedy=rule.remedy,
                sample_keys=keys[: counts[rule.name]] if counts.get(rule.name, 0) > 1 else (),
            )
            for rule in SUITES[name].rules
        )
        judgements.append(Judgement(SUITES[name], rules, {}))
    rules = tuple(rule for judgement in judgements for rule in judgement)
    checks = checks_of(rules)
    values: dict[str, Any] = {
        "verdict": verdict_of(checks),
        "checks": checks,
        "rules": rules,
        "pending_statements": sum(counts.get(rule.name, 0) for rule in SUITES["schema"].rules),
        "pending_changes": counts.get("abandoned_session", 0),
        "judged_at": NOON,
        "cutoff": NOON - timedelta(hours=2),
        "snapshot_at": NOON,
        "server_version": "18.1",
        "database": database,
        "facts": {"open_sessions": 1_391, "working_sessions": 1_166, "active_agents": 187},
        "judgements": tuple(judgements),
    }
    return Assessment(**(values | other))


def values_of(key: str) -> dict[str, Any]:
    """What `--samples` might have read of a row whose every text is like its key."""
    return {"agent_id": "7", "status": f"status of {key}", "login_at": None, "idle_seconds": 7_200.0}


def with_history(judged: Assessment, keys: tuple[str, ...] = (), text: str = "") -> Assessment:
    """The same with a past: trends, charts, a floor and waivers, all of which may say `text`."""
    since = (NOON - timedelta(minutes=9), None, *[NOON - timedelta(days=2, hours=4)] * 10_000)
    rules = tuple(
        replace(
            rule,
            waived=min(2, rule.violations),
            waived_keys=keys[: min(2, rule.violations)],
            samples=tuple(Sample(key, values_of(key)) for key in keys[: min(3, rule.violations)]),
            trend=Trend(
                run_id=RUN_ID + text,
                stage="after",
                recorded_at=NOON - timedelta(hours=1),
                before=rule.violations + 3,
                new=1,
                persisting=max(0, rule.violations - 1),
                resolved=len(keys),
                is_exact=not rule.violations > 1_000,
                failing_since=NOON - timedelta(days=2) if rule.violations else None,
                new_keys=rule.sample_keys[:1],
                resolved_keys=keys,
                keys_since=since[: len(rule.sample_keys)],
            )
            if rule.violations
            else None,
        )
        for rule in judged.rules
    )
    past = tuple(
        PastResult(rule.name, NOON - timedelta(hours=day), (rule.violations * day) % 90, 0)
        for rule in rules
        if rule.violations
        for day in range(20, 0, -1)
    )
    states = ("talking", "present", "quiet", "abandoned")
    sessions = tuple(
        OpenSession(
            session_id=f"session {number}{text}",
            agent_id=f"{number}{text}",
            login_at=NOON - timedelta(hours=2 + number % 5 + (100 if number % 16 == 3 else 0)),
            last_seen_at=NOON - timedelta(minutes=(0, 2, 40, 130 + number * 20)[number % 4]),
            state=states[number % 4],
        )
        for number in range(80)
    )
    waiver = Waiver(
        2, "zombie_call", f"k{text}", None, None, f"known{text}", f"j.doe{text}", date(2027, 1, 31)
    )
    return replace(
        judged,
        rules=rules,
        past=past,
        presence=Presence(dict.fromkeys(states, 20) | {"present": 1_331}, sessions),
        looks=tuple(
            PresenceLook(
                look_at=NOON - timedelta(minutes=5 * number),
                follows_gap=number in (90, 288),
                shown_available=40 + number % 17 + (number > 60) * 25,
                not_gone=40 + number % 17,
                routable=30 + number % 11,
            )
            for number in range(288, 0, -1)
            if not 90 < number < 100
        ),
        ghost_days=tuple(
            GhostDay(
                business_day=date(2026, 9, 24) + timedelta(days=number),
                ghost_hours=1.25 if number > 40 else 30.0 + number % 7,
                observed_hours=24.0,
                is_after_first_clean_up=number > 40,
            )
            for number in range(60)
            if number not in (20, 21)
        ),
        hours_of_day=tuple(
            HourOfDay(
                hour,
                calls_offered=1_000,
                calls_answered_in_time=600 + 20 * hour,
                calls_of_service_level=1_000,
                within_seconds=20,
            )
            for hour in range(7, 20)
            if hour != 12
        ),
        waivers=(WaiverResult(waiver, WaiverState.ACTIVE, 1), WaiverResult(waiver, WaiverState.EXPIRED, 0)),
    )


def plan(statements: int = 3, repairs: int = 1_253, text: str = "") -> Plan:
    made = tuple(
        Statement(
            kind="column",
            object_name=f"public.agent_sessions.column_{number}{text}",
            sql="alter table …",
            reason=f"Live status control needs it{text}",
            lock="ACCESS EXCLUSIVE, for milliseconds, on the sessions table",
        )
        for number in range(statements)
    )
    body = Body()
    for number in range(repairs):
        change = {
            "line": "change",
            "session_id": number,
            "agent_id": number % 100,
            "rules": ["abandoned_session"] if number % 20 else ["invalid_on_call"],
            "remedy": "close" if number % 20 else "reset_status",
            "before": {},
            "after": {"status": "offline"},
            "evidence": {},
        }
        body.add(change)
    now = NOON.isoformat()
    header = {"database": "callcentre", "judged_at": now, "made_at": now, "expires_at": now}
    return Plan(header, body, made)


def keys_of(count: int) -> tuple[str, ...]:
    return tuple(f"3f2504e0-4f89-41d3-9a0c-{number:012d}" for number in range(count))


def outcome(**other: Any) -> RunOutcome:
    values: dict[str, Any] = {
        "run_id": None,
        "command": "assess",
        "database": "callcentre",
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=14),
    }
    return RunOutcome(**(values | other))


def completed(skipped: list[dict[str, str]] | None = None, **other: Any) -> RunOutcome:
    """A run that migrated and cleaned, after which the database is ready."""
    left = skipped if skipped is not None else []
    changed = 1_253 - len(left)
    proof = Proof(RUN_ID, 1_253, changed, len(left), 0, 0, 2, keys_of(2))
    verification = Verification(
        assessment(AFTER, keys_of(7)), proof, 1, keys_of(1), migration=migration_proof()
    )
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "command": "run",
        "before": assessment(BEFORE, keys_of(20)),
        "plan": plan(),
        "migration": MigrationResult(RUN_ID, [f"public.agent_sessions.c{n}" for n in range(16)]),
        "cleaning": CleaningResult(RUN_ID, 1_253, changed, left),
        "verification": verification,
    }
    return outcome(**(values | other))


def migration_proof(
    unexpected: Sequence[str] = (), tables: Sequence[TableProof] | None = None
) -> MigrationProof:
    """What `verify` shows of a migration that ended by itself."""
    same = TableProof("public.agents", 200, 200, 0, True)
    large = TableProof("public.call_sessions", None, None, None, None)
    return MigrationProof(
        run_id=RUN_ID,
        executed=("public.agent_sessions.last_heartbeat",),
        catalog=CatalogProof(
            added=("column public.agent_sessions.last_heartbeat",),
            unexpected=tuple(unexpected),
            identical=76,
            tables=(same, large) if tables is None else tuple(tables),
        ),
        is_complete=True,
        changed_since=tuple(unexpected),
        before_at=NOON,
        after_at=NOON,
    )


def hostile() -> RunOutcome:
    """Every text that may come from the database is hostile."""
    name = "".join(HOSTILE[:4])
    after = assessment(BEFORE | {"unknown_session_status": 2}, HOSTILE, name, warnings=HOSTILE[:3])
    skipped = [{"session_id": text, "reason": f"because {text}"} for text in HOSTILE]
    proof = Proof(RUN_ID, 9, 1, 8, 1, 1, 3, HOSTILE)
    return completed(
        database=name,
        before=assessment(BEFORE, HOSTILE, name),
        plan=plan(text=HOSTILE[0]),
        migration=MigrationResult(
            RUN_ID,
            list(HOSTILE),
            [{"object": text, "reason": f"lock {text}"} for text in HOSTILE],
        ),
        cleaning=CleaningResult(RUN_ID, 9, 1, skipped),
        verification=Verification(
            after,
            proof,
            3,
            HOSTILE,
            migration=migration_proof(HOSTILE, [TableProof(text, 3, 3, 0, False) for text in HOSTILE]),
        ),
    )


def unreadable() -> RunOutcome:
    """Not all rows can be read, so only the schema was judged."""
    judged = assessment({"missing_select_privilege": 3}, facts={}, judgements=(), warnings=("!",))
    return outcome(before=replace(judged, rules=tuple(r for r in judged.rules if r.suite == "schema")))


OUTCOMES: dict[str, Callable[[], RunOutcome]] = {
    "hostile": hostile,
    "hostile_history": lambda: outcome(
        before=with_history(assessment(BEFORE, HOSTILE), HOSTILE, "".join(HOSTILE[:6]))
    ),
    "history": lambda: outcome(before=with_history(assessment(BEFORE, keys_of(20)), keys_of(4)), plan=plan()),
    "completed": completed,
    "needs_migration": lambda: outcome(before=assessment(BEFORE, keys_of(20)), plan=plan()),
    "not_ready": lambda: outcome(
        before=assessment({"no_active_agents": 1, "unknown_session_status": 4}, keys_of(4))
    ),
    "needs_cleanup": lambda: outcome(
        before=assessment({"abandoned_session": 5}, keys_of(5)), plan=plan(0, 5)
    ),
    "ready": lambda: outcome(before=assessment({}), plan=plan(0, 0)),
    "unreadable": unreadable,
    "not_judged": lambda: outcome(command="migrate", migration=MigrationResult(RUN_ID)),
}


def without_docs(started: datetime = NOON, **other: Any) -> RunOutcome:
    """An outcome that is quick to publish."""
    judged = assessment(BEFORE, keys_of(3), judgements=())
    return outcome(before=judged, started_at=started, **other)
