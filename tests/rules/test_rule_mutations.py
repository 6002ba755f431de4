"""Every rule, changed by a hair: its own unit tests notice, whatever is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from rollcall.servers.postgres import PostgresServer
from tests.support.mutants import Mutant, macros_of, mutants_of
from tests.support.paths import ROOT
from tests.support.postgres import fresh_database
from tests.support.rule_harness import UNIT_TESTS, Harness, UnitTest, unit_tests

RULES = sorted((ROOT / "macros/rules").glob("*.sql"))
# what several rules share, and the files of the unit tests that must notice
SHARED = {
    "session_is_quiet": ("session_is_quiet.sql", ("invalid_on_call", "orphaned_call_reference")),
    "reference_is_evidence": (
        "reference_is_evidence.sql",
        ("invalid_on_call", "orphaned_call_reference"),
    ),
    "call_is_live": ("call_is_live.sql", ("live_call",)),
    "call_may_be_live": ("call_is_live.sql", ("live_call",)),
}
NOTHING_TO_NOTICE = yaml.safe_load(Path(__file__).with_name("equivalent_mutants.yml").read_text("utf-8"))
MACROS = [
    *((rule.stem, rule, (rule.stem,)) for rule in RULES),
    *((name, ROOT / "macros/assessed" / file, tests) for name, (file, tests) in SHARED.items()),
]


@pytest.fixture(scope="module")
def harness(server: PostgresServer) -> Iterator[Harness]:
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set jit = off")
        yield Harness(connection)


def survivors(harness: Harness, mutants: list[Mutant], tests: list[UnitTest]) -> list[Mutant]:
    """The mutants that no test notices."""
    found = []
    for mutant in mutants:
        with harness.changed(mutant.macro, mutant.source):
            if all(harness.passes(test) for test in tests):
                found.append(mutant)
    return found


def cases_of(*names: str) -> list[UnitTest]:
    return [test for name in names for test in unit_tests(name)]


@pytest.mark.parametrize("name", sorted(path.stem for path in UNIT_TESTS.glob("*.yml")))
def test_without_dbt_the_unit_tests_pass_as_well(harness: Harness, name: str) -> None:
    assert [test.name for test in unit_tests(name) if not harness.passes(test)] == []


@pytest.mark.parametrize(("macro", "path", "files"), MACROS, ids=[name for name, *_ in MACROS])
def test_no_mutant_survives(harness: Harness, macro: str, path: Path, files: tuple[str, ...]) -> None:
    mutants = mutants_of(path, macro)
    assert len(mutants) >= 5
    excused = NOTHING_TO_NOTICE.get(macro, {})
    alive = survivors(harness, mutants, cases_of(*files))
    assert [str(mutant) for mutant in alive if mutant.change not in excused] == []
    # an excuse for a mutant that is noticed, or that is not there any more, is none
    assert excused.keys() == {mutant.change for mutant in alive}


def test_every_rule_is_one_that_is_changed() -> None:
    assert [macros_of(path) for path in RULES] == [[path.stem] for path in RULES]


# --- the mutants themselves ---------------------------------------------------------------------


def test_a_case_that_is_missing_is_found(harness: Harness) -> None:
    """Without the case just at the cut-off no test would see `<` become `<=`."""
    mutants = mutants_of(ROOT / "macros/rules/abandoned_session.sql", "abandoned_session")
    tests = cases_of("abandoned_session")
    assert survivors(harness, mutants, tests) == []
    tests[0] = tests[0].without("at the cut-off")
    assert [mutant.change for mutant in survivors(harness, mutants, tests)] == [
        "comparison: s.last_seen_at < clock.abandoned_before -> s.last_seen_at <= clock.abandoned_before",
        "a hair: s.last_seen_at < clock.abandoned_before"
        " -> s.last_seen_at < (clock.abandoned_before + '1 ms'::interval)",
    ]
    tests[1] = tests[1].without("another session of the agent has one")
    dropped = [mutant.change for mutant in survivors(harness, mutants, tests)]
    assert "dropped: NOT s.agent_has_live_call" in dropped


def test_what_is_changed(tmp_path: Path) -> None:
    """One of each kind, with the line on which it stands."""
    path = tmp_path / "rule.sql"
    path.write_text(
        "{% macro rule(s) -%}\n"
        "    coalesce(\n"
        "        {{ s }}.recency > 1\n"
        "        and {{ s }}.status in ({{ literals(var('agent_roles')) }})\n"
        "        and {{ s }}.status = {{ literal(var('break_status')) }}\n"
        "        and {{ s }}.call_id is null\n"
        "        and not greatest({{ s }}.a, {{ s }}.b) >= {{ s }}.last_at"
        " + {{ var('settle_minutes') }} * interval '1 minute',\n"
        "        false\n"
        "    )\n"
        "{%- endmacro %}\n",
        "utf-8",
    )
    changes = {(mutant.line, mutant.change) for mutant in mutants_of(path, "rule")}
    assert changes >= {
        (2, "always"),
        (2, "never"),
        (2, "no default"),
        (3, "comparison: s.recency > 1 -> s.recency >= 1"),
        (3, "number: 1 -> 2"),
        (3, "dropped: s.recency > 1"),
        (4, "negated: s.status IN (literals(var('agent_roles')))"),
        (
            4,
            "membership: s.status IN (literals(var('agent_roles')))"
            " -> s.status NOT IN (literals(var('agent_roles')))",
        ),
        (
            4,
            "fewer: s.status IN (literals(var('agent_roles')))"
            " -> s.status IN (literals((var('agent_roles'))[1:]))",
        ),
        (
            5,
            "word: s.status = literal(var('break_status')) -> s.status = literal(var('on_call_status'))",
        ),
        (6, "null test: s.call_id IS NULL -> s.call_id IS NOT NULL"),
        (7, "extreme: GREATEST(s.a, s.b) -> LEAST(s.a, s.b)"),
        (7, "threshold: var('settle_minutes') -> var('settle_minutes') * 1.001"),
        (7, "unit: '1 minute' -> '1 second'"),
        (8, "default: false -> true"),
    }
    assert any(change.startswith("and/or") for _, change in changes)


def test_a_mutant_is_a_rule_that_runs(harness: Harness) -> None:
    """A change that the server refuses proves nothing about the tests."""
    broken = "{% macro abandoned_session(s, clock) %}{{ s }}.no_such_column{% endmacro %}"
    with harness.changed("abandoned_session", broken), pytest.raises(psycopg.errors.UndefinedColumn):
        harness.passes(unit_tests("abandoned_session")[0])
