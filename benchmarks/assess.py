"""The database time of assess, against a hand-written checklist query (`checklist.sql`).

Both must give the same counts, which is checked. Three call centres have the same open sessions: with a
history, with ten times that history before the migration, and the same after it. All of the history is
compared with one plain pass over both tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import call_centres
from benchmarks.measure import Line, at_most, in_pairs, ratio_line, seconds, seconds_of
from benchmarks.options import Options
from benchmarks.server import Databases, settle
from benchmarks.statements import statements_of
from rollcall.database.connections import Row, Snapshot
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.workspace import Workspace

NO_WAIVERS = "[]"
MODEL = "readiness_judged"  # counts and the keys of what fails, as `assess` reads them
HISTORY = {"history_judged": NO_WAIVERS, "cleaned_session_counts": []}  # what --full-history reads besides
SQL = statements_of("assess")
TIMES = 10  # factor between the longer and the shorter history
OPEN_SHARE = 1 / 100
NEW_COLUMNS = {
    False: {"heartbeat": "null::timestamp", "device": "null::boolean", "capacity": "1"},
    True: {
        "heartbeat": "s.last_heartbeat",
        "device": "s.device_connected",
        "capacity": "s.max_concurrent_calls",
    },
}


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    large_size = f"{options.sessions:,} sessions"
    scale = _load_short_history(databases, options)
    large = databases.create("long_history", template="short_history")
    call_centres.repeat_history(large, TIMES, scale.days + 1)

    before = Judged(databases.workspace(large), is_migrated=False)
    yield _against_checklist(f"before the migration, {large_size}", before, options)
    before.explain(options.explain, "before")

    databases.migrated(before.workspace)
    after = Judged(before.workspace, is_migrated=True)
    yield _against_checklist(f"after the migration, {large_size}", after, options)
    after.explain(options.explain, "after")
    ours, other = in_pairs(options.pairs, after.seconds_of_everything, after.seconds_of_a_pass)
    what = f"with all of the history, {large_size}, against one pass over sessions and calls"
    yield ratio_line(what, ours, other, at_most(3), seconds)

    small = databases.workspace(databases.server.conninfo("short_history"))
    databases.migrated(small)
    short = Judged(small, is_migrated=True)
    ours, other = in_pairs(options.pairs, after.seconds, short.seconds)
    yield ratio_line(
        f"after the migration, {TIMES} x the history against 1 x",
        ours,
        other,
        at_most(1.2),
        seconds,
    )


def checklist_query(*, is_migrated: bool) -> str:
    """The checklist, with the new columns or without them."""
    query = (Path(__file__).parent / "checklist.sql").read_text("utf-8")
    for name, expression in NEW_COLUMNS[is_migrated].items():
        query = query.replace(f"{{{name}}}", expression)
    return query


class Judged:
    """One call centre, judged by Rollcall's query and by the checklist."""

    def __init__(self, workspace: Workspace, *, is_migrated: bool) -> None:
        self.workspace = workspace
        self.ours = workspace.project.sql(MODEL)
        self.checklist = checklist_query(is_migrated=is_migrated)
        with workspace.database.snapshot() as snapshot:  # also warms the cache
            ours = _counts(snapshot, self.ours)
            _name_schema(snapshot)
            _check_same(ours, snapshot.row(self.checklist))

    def seconds(self) -> float:
        with self.workspace.database.snapshot() as snapshot:
            return seconds_of(lambda: snapshot.rows(self.ours, [NO_WAIVERS]))

    def checklist_seconds(self) -> float:
        with self.workspace.database.snapshot() as snapshot:
            _name_schema(snapshot)
            return seconds_of(lambda: snapshot.row(self.checklist))

    def seconds_of_everything(self) -> float:
        """What `assess --full-history` reads of the application's rows."""
        with self.workspace.database.snapshot() as snapshot:
            taken = seconds_of(lambda: snapshot.rows(self.ours, [NO_WAIVERS]))
            for query, given in HISTORY.items():
                text = self.workspace.project.sql(query)
                taken += seconds_of(lambda text=text, given=given: snapshot.rows(text, [given]))
        return taken

    def seconds_of_a_pass(self) -> float:
        with self.workspace.database.snapshot() as snapshot:
            return seconds_of(lambda: snapshot.row(SQL["one pass"]))

    def explain(self, folder: Path | None, name: str) -> None:
        """Save both query plans."""
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for variant, query, given in (("ours", self.ours, [NO_WAIVERS]), ("checklist", self.checklist, [])):
            with self.workspace.database.snapshot() as snapshot:
                _name_schema(snapshot)
                rows = snapshot.rows(f"explain (analyze, buffers) {query}", given)
            text = "\n".join(row["QUERY PLAN"] for row in rows)
            (folder / f"assess-{name}-{variant}.txt").write_text(text + "\n", encoding="utf-8")


def _name_schema(snapshot: Snapshot) -> None:
    """Let the checklist name its tables without a schema; Rollcall's own statements have an empty path."""
    snapshot.connection.execute("set local search_path = public")


def _counts(snapshot: Snapshot, query: str) -> Row:
    """The row of counts of our statement."""
    return next(row["counts"] for row in snapshot.rows(query, [NO_WAIVERS]) if row["counts"] is not None)


def _load_short_history(databases: Databases, options: Options) -> Scale:
    """Load a tenth of the closed sessions with all of the open ones, mostly abandoned."""
    agents = call_centres.agents_of(options.sessions)
    scale = Scale(agents=agents, sessions=options.sessions // TIMES, calls=2 * options.sessions // TIMES)
    defects = DefectCounts.usual(scale)
    forgotten = max(defects.counts["forgotten"], round(options.sessions * OPEN_SHARE) - agents)
    url = databases.create("short_history")
    call_centres.load(url, scale, defects.plus(forgotten=forgotten))
    settle(url)
    return scale


def _against_checklist(what: str, judged: Judged, options: Options) -> Line:
    ours, other = in_pairs(options.pairs, judged.seconds, judged.checklist_seconds)
    return ratio_line(f"{what}, against the checklist", ours, other, at_most(1.2), seconds)


def _check_same(ours: Row, checklist: Row) -> None:
    differing = {name: (ours[name], count) for name, count in checklist.items() if ours[name] != count}
    if differing:
        raise RuntimeError(f"Rollcall and the checklist disagree (Rollcall's count first): {differing}")
