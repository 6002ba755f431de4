"""The page and the data docs in a browser, and a million failing sessions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
from psycopg import sql

from rollcall.ledger.runs import open_run
from rollcall.report.folder import publish
from rollcall.report.html import render, write_report
from rollcall.sandbox.demo import DefectCounts, Scale, Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from tests.support.browser import browse, needs_chromium
from tests.support.call_centre import CallCentre, call_centre
from tests.support.outcomes import HOSTILE, OUTCOMES, outcome
from tests.support.paths import ROOT


# --- in a browser -----------------------------------------------------------------------------
@pytest.mark.medium
@needs_chromium
@pytest.mark.parametrize("name", ["completed", "history", "hostile_history"])
def test_the_page_in_a_browser(tmp_path: Path, name: str) -> None:
    index = write_report(tmp_path / "report", OUTCOMES[name]())
    phone = tmp_path / "phone.html"  # no window is that narrow, but a frame is
    phone.write_text(
        '<body style="margin:0"><iframe src="report/index.html" width="390" height="4000"'
        ' style="border:0"></iframe>'
    )
    looks: dict[str, tuple[Path, str]] = {
        "wide": (index, "--window-size=1280,2600"),
        "phone": (phone, "--window-size=500,4000"),
        "dark": (index, "--window-size=1280,2600 --blink-settings=preferredColorScheme=0"),
    }
    for look, (page, flags) in looks.items():
        shot = tmp_path / f"{look}.png"
        browse(tmp_path / f"profile-{look}", page, *flags.split(), f"--screenshot={shot}")
        assert shot.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "dark.png").read_bytes() != (tmp_path / "wide.png").read_bytes()


@pytest.mark.medium
@needs_chromium
@pytest.mark.parametrize("name", ["completed", "history", "hostile_history"])
def test_nothing_is_wider_than_a_phone_and_nothing_runs(tmp_path: Path, name: str) -> None:
    page = render(OUTCOMES[name]()).replace("<details", "<details open")
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "phone.html").write_text(
        '<iframe src="page.html" width="390" height="800" style="border:0"></iframe><p></p><script>'
        "onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "document.querySelector('p').textContent ="
        " `${d.documentElement.scrollWidth} ${d.scripts.length} ${d.title}`; }</script>"
    )
    flags = ("--allow-file-access-from-files", "--dump-dom")
    dumped = browse(tmp_path / "profile", tmp_path / "phone.html", *flags).stdout
    found = re.search(r"<p>(\d+) (\d+) (.*?)</p>", dumped, re.DOTALL)
    assert found is not None
    assert (found[1], found[2]) == ("390", "0")
    assert found[3].endswith("Rollcall")


# --- from a hostile database to the browser -----------------------------------------------------
HOSTILE_NAME = "a\"b'<script>alert(1)</script>\u202e☎️ & %s {{ 7*7 }} | `x`"


def hostile_call_centre(server: PostgresServer, folder: Path) -> CallCentre:
    """A call centre in which whatever has a name, and every key of what is wrong, is hostile."""
    database = f"{HOSTILE_NAME[:30]}_{os.getpid()}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    names = {
        "app_schema": HOSTILE_NAME[:24],
        "sessions_table": f"s {HOSTILE_NAME[:24]}",
        "sessions_last_activity_column": f"l {HOSTILE_NAME[:24]}",
    }
    scale = Scale(agents=60, sessions=600, calls=2_000, days=10)
    centre = call_centre(server.conninfo(database), folder, names, Variant(keys="text"), scale=scale)
    table, key = centre.table("sessions_table"), centre.column("sessions_id_column")
    for position, text in enumerate(HOSTILE):
        legal = "".join(c for c in text if c != "\x00" and not "\ud800" <= c <= "\udfff")[:900]
        centre.rows(
            f"update {table} set {key} = %s || {key} where {key} in (select {key} from {table}"
            f" where logout_at is null and {key} ~ '^[0-9a-f]' order by {key} limit 9 offset {position})",
            legal,
        )
    return centre


@pytest.mark.medium
@needs_chromium
def test_a_hostile_database_makes_nothing_misbehave(server: PostgresServer, tmp_path: Path) -> None:
    centre = hostile_call_centre(server, tmp_path)
    with open_run(centre.workspace, "test") as run:
        run.note_rules("before", assess(centre.workspace, history=True))
    judged = assess(centre.workspace, history=True, details=True)
    named = outcome(database=judged.database, before=judged, plan=centre.plan())
    folder = publish(tmp_path / "reports", named).parent

    assert any(HOSTILE[0] in key for rule in judged.rules for key in rule.sample_keys)
    ElementTree.parse(folder / "junit.xml")
    assert "<script" not in (folder / "summary.md").read_text("utf-8")
    json.loads((folder / "result.json").read_text("utf-8"))
    docs = sorted((folder / "data-docs").rglob("*.html"))
    assert len(docs) > 4
    for number, page in enumerate([folder / "index.html", *docs]):
        shown = browse(tmp_path / f"profile-{number}", page, "--dump-dom").stdout
        assert "<script" not in shown.lower(), page
        assert not re.search(r"<[^>]+\son\w+=", shown), page
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", shown), page
    results = next(page for page in docs if page.parts[-5] == "validations" and "readiness" in page.parts)
    for look, flags in {
        "wide": ("--window-size=1280,1600",),
        "phone": ("--window-size=500,1600",),
        "dark": ("--window-size=1280,1600", "--blink-settings=preferredColorScheme=0"),
    }.items():
        shot = tmp_path / f"docs-{look}.png"
        browse(tmp_path / f"profile-{look}", results, *flags, f"--screenshot={shot}")
        assert shot.read_bytes().startswith(b"\x89PNG")


# --- a million ----------------------------------------------------------------------------------
PEAK = """
import resource, sys
sys.argv[0] = "rollcall"
try:
    from rollcall.cli import main
    main()
finally:
    with open(sys.argv[-1] + ".peak", "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


@pytest.mark.slow
def test_a_million_failing_sessions_make_a_small_report_in_flat_memory(database: str, tmp_path: Path) -> None:
    """Counted exactly, in every form of report, and in no more memory than a thousand need."""
    centre = call_centre(
        database, tmp_path, defects=DefectCounts(), scale=Scale(agents=60, sessions=600, calls=2_000, days=10)
    )
    none = {rule.name: rule.violations for rule in assess(centre.workspace).rules}
    peaks = {}
    for count in (1_000, 1_000_000):
        centre.rows("delete from agent_sessions where status = 'break' and login_at < '2020-01-01'")
        centre.rows(
            "insert into agent_sessions (id, agent_id, status, login_at, last_activity)"
            " select gen_random_uuid(), 1 + n %% 50, 'break', '2019-01-01', '2019-01-01'"
            " from generate_series(1, %s) as n",
            count,
        )
        centre.rows("analyze agent_sessions")
        report, document = tmp_path / f"report-{count}", tmp_path / f"{count}.md"
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "assess", "--report", str(report), "--markdown", str(document)],
            env={**os.environ, "ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 11, done.stderr
        peaks[count] = int(Path(f"{document}.peak").read_text())
        found = json.loads((report / "latest" / "result.json").read_text("utf-8"))["before"]
        counts = {rule["name"]: rule["violations"] for rule in found["rules"]}
        abandoned = centre.rows(
            "select count(*) from agent_sessions as s where s.login_at < '2020-01-01' and not exists"
            " (select from call_sessions as c where c.agent_id = s.agent_id and c.ended_at is null)"
        )
        assert counts["abandoned_session"] == none["abandoned_session"] + abandoned[0][0]
        size = sum(path.stat().st_size for path in (report / "latest").rglob("*") if path.is_file())
        assert (report / "latest" / "index.html").stat().st_size < 2_000_000
        assert size < 4_000_000
    assert peaks[1_000_000] - peaks[1_000] < 50 * 1024, peaks
