"""The one door to Great Expectations: reads the suites in `expectations/` and judges with them.

A suite is a JSON file of GX's own form, read as it is and never written back. What a rule means
to Rollcall (check, severity, reason, remedy) stands in each expectation's `meta`.

Importing GX takes seconds, so it happens at the first judgement: `read_suites` does not need it.
Everything that GX would persist lives in memory; nothing is sent anywhere.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from rollcall.connection_settings import apply_settings
from rollcall.errors import ConfigurationError, EvaluationError, RollcallError
from rollcall.results import Check, RuleResult, Severity

if TYPE_CHECKING:
    import psycopg
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import (
        AbstractDataContext,
    )
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

# GX has three severities; what makes a verdict fail is critical there.
_GX_SEVERITY = {
    Severity.BLOCKING: "critical",
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_UNITS = ("sessions", "calls", "agents", "objects")
_SUITE_KEYS = {"name", "expectations", "meta", "notes"}
_EXPECTATION_KEYS = {"type", "kwargs", "severity", "meta"}
_META_KEYS = {"rule", "check", "severity", "reason", "remedy", "unit"}

# What judges a count: unlike a row-level expectation it does not pass on null.
_COUNT_TYPE = "expect_column_max_to_be_between"

# GX wants a URL with a role and a host; `creator` opens the connections instead of it.
_UNUSED_URL = "postgresql+psycopg://role@creator/database"

# With counts, but without a sample of failing values to be printed: GX still asks for one, with
# LIMIT 0, which PostgreSQL answers without reading a row. BOOLEAN_ONLY would spare these questions,
# but has no counts: a table that fails would have to be judged twice.
_COUNTS_ONLY = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
}


# --- the suites as files: no GX needed --------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What one expectation means: its `meta`, and how many violations it tolerates."""

    name: str
    check: Check
    severity: Severity
    tolerance: int
    reason: str
    remedy: str
    unit: str


@dataclass(frozen=True)
class Suite:
    """One file of `expectations/`: its GX document as it was read, and the rules in it."""

    name: str
    path: Path
    document: Mapping[str, Any]
    rules: tuple[Rule, ...]

    def rule(self, name: str) -> Rule:
        """The rule of this name; KeyError if the suite has none."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(name)


def read_suites(directory: Path) -> dict[str, Suite]:
    """All suites of a directory by name, in the order of their files, without importing GX.

    Raises:
        ConfigurationError: no suite there, a file that cannot be read or is not a suite, a rule
            that occurs twice. Whether GX knows the expectations only `load_suites` can tell.
    """
    suites = [read_suite(path) for path in sorted(directory.glob("*.json"))]
    if not suites:
        raise ConfigurationError(
            f"{directory} holds no expectation suite",
            hint="Run in a checkout of Rollcall, or name its folder.",
        )
    counted = Counter(rule.name for suite in suites for rule in suite.rules)
    twice = sorted(name for name, times in counted.items() if times > 1)
    if twice:
        raise ConfigurationError(
            f"{directory}: the rule {twice[0]} occurs {counted[twice[0]]} times",
            hint="Give every expectation a `rule` of its own in its meta.",
        )
    return {suite.name: suite for suite in suites}


def read_suite(path: Path) -> Suite:
    """One suite from its file, without importing GX.

    Raises:
        ConfigurationError: naming the file, the index of the expectation and what to write.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"{path}{where} is not JSON") from None
    _check_suite_keys(path, document)
    rules = tuple(
        _read_rule(f"{path}, expectation {index}", expectation)
        for index, expectation in enumerate(document["expectations"])
    )
    return Suite(document["name"], path, document, rules)


def _check_suite_keys(path: Path, document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("expectations"), list):
        raise ConfigurationError(
            f"{path} is not an expectation suite",
            hint='Write an object with "name" and a list of "expectations".',
        )
    _refuse_unknown(str(path), document, _SUITE_KEYS)
    if document.get("name") != path.stem:
        raise ConfigurationError(
            f"{path}: the suite has another name than its file",
            hint=f'Write "name": "{path.stem}", as the file is called.',
        )


def _read_rule(where: str, expectation: Any) -> Rule:
    if not isinstance(expectation, dict):
        raise ConfigurationError(f"{where} is not an object")
    _refuse_unknown(where, expectation, _EXPECTATION_KEYS)
    _refuse_missing(where, expectation, _EXPECTATION_KEYS)
    kwargs, meta = expectation["kwargs"], expectation["meta"]
    if not isinstance(kwargs, dict) or not isinstance(meta, dict):
        raise ConfigurationError(f"{where}: kwargs and meta must be objects")
    _refuse_unknown(f"{where}, meta", meta, _META_KEYS)
    _refuse_missing(f"{where}, meta", meta, _META_KEYS)
    for key in sorted(_META_KEYS):
        if not isinstance(meta[key], str) or not meta[key].strip():
            raise ConfigurationError(f"{where}, meta: {key} must be a text that is not empty")
    severity = Severity(_one_of(where, "severity", meta["severity"], list(Severity)))
    _one_of(where, "GX severity", expectation["severity"], [_GX_SEVERITY[severity]])
    return Rule(
        name=meta["rule"],
        check=Check(_one_of(where, "check", meta["check"], list(Check))),
        severity=severity,
        tolerance=_tolerance(where, meta["rule"], expectation),
        reason=meta["reason"],
        remedy=meta["remedy"],
        unit=_one_of(where, "unit", meta["unit"], _UNITS),
    )


def _tolerance(where: str, rule: str, expectation: Mapping[str, Any]) -> int:
    """How many violations pass: of a count what its expectation says, of rows always none."""
    kwargs = expectation["kwargs"]
    if expectation["type"] != _COUNT_TYPE:
        if "mostly" in kwargs:
            raise ConfigurationError(f"{where}: remove `mostly`, rows are judged without tolerance")
        return 0
    tolerance = kwargs.get("max_value")
    if set(kwargs) != {"column", "max_value"} or kwargs["column"] != rule or _not_count(tolerance):
        raise ConfigurationError(
            f"{where}: kwargs do not judge the count of {rule}",
            hint=f'Write "kwargs": {{"column": "{rule}", "max_value": 0}}, 0 being the tolerance.',
        )
    return int(tolerance)


def _not_count(value: Any) -> bool:
    return not isinstance(value, int) or isinstance(value, bool) or value < 0


def _one_of(where: str, what: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ConfigurationError(f"{where}: the {what} is {value!r}", hint=f"Write {' or '.join(allowed)}.")
    return str(value)


def _refuse_unknown(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigurationError(
            f"{where} has an unknown key {unknown[0]!r}",
            hint=f"Known are {', '.join(sorted(known))}.",
        )


def _refuse_missing(where: str, given: Mapping[str, Any], needed: set[str]) -> None:
    missing = sorted(needed - set(given))
    if missing:
        raise ConfigurationError(f"{where} lacks {', '.join(missing)}", hint="Add what is missing.")


# --- GX, lazily and quietly -------------------------------------------------------------------


@functools.cache
def _import_gx() -> Any:
    """Import GX once: without telemetry, and without the statistics it needs for nothing here."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    _defer("scipy.stats")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx


def _defer(module: str) -> None:
    """Let a module be loaded at its first use instead of at its import.

    GX imports scipy.stats, a third of its import time, for three expectations about
    distributions. If one of them is ever used the module loads as usual.
    """
    if module in sys.modules:
        return
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    sys.modules[module] = lazy
    parent, _, name = module.rpartition(".")
    setattr(sys.modules[parent], name, lazy)
    spec.loader.exec_module(lazy)


def _context(docs: Path | None = None) -> AbstractDataContext:
    """A context that lives in memory; `docs` is the folder of its data docs, if it has any."""
    gx = _import_gx()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    sites = {} if docs is None else {"rollcall": _site(docs)}
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites=sites,
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context: AbstractDataContext = gx.get_context(project_config=config, mode="ephemeral")
    return context


def load_suites(directory: Path) -> dict[str, Suite]:
    """Like `read_suites`, and every expectation is one that GX knows and can build.

    Raises:
        ConfigurationError: naming the file, the index of the expectation and what to write.
    """
    suites = read_suites(directory)
    for suite in suites.values():
        _gx_suite(suite)
    return suites


def _gx_suite(suite: Suite, only: Iterable[str] | None = None) -> ExpectationSuite:
    """The suite as GX knows it: all of it, or only these rules.

    GX drops an expectation that it does not know with a line in its log, hence the count.
    """
    gx = _import_gx()
    wanted = {rule.name for rule in suite.rules} if only is None else set(only)
    expectations = [
        _gx_expectation(f"{suite.path}, expectation {index}", expectation, rule)
        for index, (expectation, rule) in enumerate(
            zip(suite.document["expectations"], suite.rules, strict=True)
        )
        if rule.name in wanted
    ]
    built: ExpectationSuite = gx.ExpectationSuite(
        name=suite.name, expectations=expectations, notes=suite.document.get("notes")
    )
    if len(built.expectations) != len(wanted):
        raise ConfigurationError(
            f"{suite.path}: of {len(wanted)} expectations GX loaded {len(built.expectations)}",
            hint="Correct or remove those it does not know.",
        )
    return built


def _gx_expectation(where: str, expectation: Mapping[str, Any], rule: Rule) -> Any:
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        return ExpectationConfiguration(
            type=expectation["type"],
            kwargs=dict(expectation["kwargs"]),
            severity=expectation["severity"],
            meta=dict(expectation["meta"]),
            description=_description(rule),
        ).to_domain_obj()
    except ExpectationNotFoundError as error:
        raise ConfigurationError(
            f"{where}: GX knows no expectation {expectation['type']!r}",
            hint="Write the name of a GX expectation, like expect_column_values_to_not_be_null.",
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{where}: {expectation['type']} does not take these kwargs: {_in_one_line(error)}",
            hint="Write the keyword arguments that GX documents for it.",
        ) from error


def _description(rule: Rule) -> str:
    """What the data docs say of the rule, whether it passed or not."""
    return (
        f"{rule.severity.value.capitalize()}: at most {rule.tolerance} {rule.unit} with this defect."
        f" {rule.reason}"
    )


# --- judging ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement(Sequence[RuleResult]):
    """The rules of one suite, judged; reads like a list of them.

    `validation` is GX's own result as JSON, which the data docs are built from: counts, no values.
    """

    suite: Suite
    rules: tuple[RuleResult, ...]
    validation: Mapping[str, Any]

    @overload
    def __getitem__(self, index: int) -> RuleResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RuleResult]: ...
    def __getitem__(self, index: int | slice) -> RuleResult | Sequence[RuleResult]:
        return self.rules[index]

    def __len__(self) -> int:
        return len(self.rules)


def judge_counts(
    suite: Suite,
    row: Mapping[str, int],
    sample_keys: Mapping[str, Sequence[str]] | None = None,
) -> Judgement:
    """Judge one row of exact violation counts, a column per rule.

    Args:
        suite: a suite of counts, like `readiness`.
        row: rule to its count of violations.
        sample_keys: rule to some keys of what violates it, handed through to the results.

    Raises:
        EvaluationError: a count is missing, null, negative or no integer, or belongs to no rule.
        ConfigurationError: GX does not know an expectation of the suite.
    """
    _check_counts(suite, row)
    import pandas as pd  # type: ignore[import-untyped]

    source = _context().data_sources.add_pandas("rollcall")
    definition = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("row")
    frame = pd.DataFrame([dict(row)], dtype="int64")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    validated = batch.validate(_gx_suite(suite), result_format=_COUNTS_ONLY)
    return _judgement(suite, validated, sample_keys or {})


def _check_counts(suite: Suite, row: Mapping[str, int]) -> None:
    for expectation in suite.document["expectations"]:
        if expectation["type"] != _COUNT_TYPE:
            raise EvaluationError(f"The suite {suite.name} judges rows, not counts")
    rules = [rule.name for rule in suite.rules]
    unknown = sorted(set(row) - set(rules))
    if unknown:
        raise EvaluationError(
            f"The count {unknown[0]} has no expectation in {suite.path}",
            hint="Add one that says how severe it is.",
        )
    for rule in rules:
        if rule not in row:
            raise EvaluationError(f"The suite {suite.name} expects a count of {rule}, which was not computed")
        if _not_count(row[rule]):
            raise EvaluationError(
                f"The count of {rule} is {row[rule]!r}, not a whole number of violations",
                hint="Its query must return a bigint that is never null.",
            )


def judge_table(
    suite: Suite,
    connect: Callable[[], psycopg.Connection[Any]],
    schema: str,
    table: str,
    snapshot_id: str | None = None,
    judged_at: datetime | None = None,
) -> Judgement:
    """Judge the rows of a table or view; violations are exact, no value of a row is fetched.

    GX sends each query in a transaction of its own. All of them read one snapshot, read-only.

    Args:
        suite: a suite of row-level expectations, like `cleaned_sessions`.
        connect: opens a connection to the database; this function closes it.
        schema: where the table is; GX writes it in lower case.
        table: its name, exactly as the catalogue spells it.
        snapshot_id: what pg_export_snapshot() returned in a transaction that is still open;
            without it the rows of this moment are judged.
        judged_at: the instant at which the cleaned views are to judge; now if not given.

    Raises:
        EvaluationError: the table, one of its columns or the snapshot cannot be read.
        ConfigurationError: GX does not know an expectation of the suite.
    """
    gx_suite = _gx_suite(suite)
    with (
        _snapshot(connect, snapshot_id) as snapshot,
        _sql_source(connect, snapshot, judged_at) as source,
    ):
        try:
            batch = _table_batch(source, schema, table)
            validated = batch.validate(gx_suite, result_format=_COUNTS_ONLY)
        except Exception as error:
            raise _named(error, f"{schema}.{table} could not be judged") from error
    return _judgement(suite, validated, {})


@contextmanager
def _snapshot(connect: Callable[[], psycopg.Connection[Any]], snapshot_id: str | None) -> Iterator[str]:
    """The given snapshot, or one that is held while the block runs."""
    if snapshot_id is not None:
        yield snapshot_id
        return
    with closing(_read_only(connect)) as connection:
        apply_settings(connection, for_session=False)
        row = connection.execute("select pg_catalog.pg_export_snapshot()").fetchone()
        assert row is not None
        yield row[0]


def _read_only(connect: Callable[[], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """A connection whose every transaction begins as repeatable read, read only.

    Said in each BEGIN, because a pooler may drop what is set at the start of a session.
    """
    from psycopg import Cursor, IsolationLevel
    from psycopg.rows import tuple_row

    connection = connect()
    connection.commit()
    connection.autocommit = False
    # SQLAlchemy expects psycopg's own
    connection.row_factory = tuple_row
    connection.cursor_factory = Cursor
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


@contextmanager
def _sql_source(
    connect: Callable[[], psycopg.Connection[Any]], snapshot: str, judged_at: datetime | None
) -> Iterator[SQLDatasource]:
    """A GX data source whose every transaction reads the snapshot. It never sees a password."""
    from sqlalchemy import event

    def creator() -> psycopg.Connection[Any]:
        connection = _read_only(connect)
        apply_settings(
            connection, for_session=False
        )  # SQLAlchemy asks for the version first, without an event
        return connection

    def on_begin(connection: Any) -> None:
        dbapi_connection = connection.connection.dbapi_connection
        dbapi_connection.rollback()  # a snapshot can be entered by the first statement alone
        _enter_snapshot(dbapi_connection, snapshot, judged_at)

    options: dict[str, Any] = {"kwargs": {"creator": creator, "use_native_hstore": False}}
    try:
        sources = _context().data_sources
        source = sources.add_postgres("rollcall", connection_string=_UNUSED_URL, **options)
    except Exception as error:
        raise _named(error, "The database could not be read") from error
    engines = [source.get_engine(), source.get_execution_engine().engine]
    for engine in engines:
        event.listen(engine, "begin", on_begin)
    try:
        yield source
    finally:
        for engine in engines:
            engine.dispose()


def _enter_snapshot(connection: psycopg.Connection[Any], snapshot: str, judged_at: datetime | None) -> None:
    """Read this snapshot in the transaction that has just begun, which must be read-only."""
    from psycopg import sql

    connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    apply_settings(connection, for_session=False)
    row = connection.execute(
        "select current_setting('transaction_read_only'), set_config('jit', 'off', true),"
        " set_config('rollcall.judged_at', %s, true)",
        [judged_at.isoformat() if judged_at else ""],
    ).fetchone()
    if row is None or row[0] != "on":
        raise EvaluationError("The transaction that judges rows is not read-only")


def _table_batch(source: SQLDatasource, schema: str, table: str) -> Batch:
    if schema != schema.lower():
        raise EvaluationError(f"GX reads no schema with capitals, like {schema}")
    with warnings.catch_warnings():
        # PostgreSQL has no other way to say the schema yet
        warnings.simplefilter("ignore", DeprecationWarning)
        asset = source.add_table_asset(table, table_name=f'"{table}"', schema_name=schema)
    return asset.add_batch_definition_whole_table("rows").get_batch()


def _judgement(
    suite: Suite,
    validated: ExpectationSuiteValidationResult,
    sample_keys: Mapping[str, Sequence[str]],
) -> Judgement:
    _refuse_exceptions(suite, validated)
    results = {_rule_name(result): result for result in validated.results}
    if len(validated.results) != len(suite.rules) or len(results) != len(suite.rules):
        raise EvaluationError(f"GX judged {len(results)} of the {len(suite.rules)} rules of {suite.name}")
    rules = tuple(
        _rule_result(suite, rule, results[rule.name], sample_keys.get(rule.name, ())) for rule in suite.rules
    )
    document: Any = validated
    return Judgement(suite, rules, document.to_json_dict())


def _rule_result(suite: Suite, rule: Rule, result: Any, keys: Sequence[str]) -> RuleResult:
    return RuleResult(
        name=rule.name,
        suite=suite.name,
        check=rule.check,
        severity=rule.severity,
        violations=_violations(result),
        tolerance=rule.tolerance,
        passed=bool(result.success),
        reason=rule.reason,
        remedy=rule.remedy,
        sample_keys=tuple(keys),
    )


def _violations(result: Any) -> int:
    """The exact count in a GX result: the judged count itself, or rows, or missing columns."""
    details = result.result or {}
    if result.expectation_config.type == _COUNT_TYPE:
        return int(details["observed_value"])
    if result.success:
        return 0
    if "unexpected_count" in details:
        return int(details["unexpected_count"])
    missing = details.get("details", {}).get("mismatched", {}).get("missing", [])
    return max(1, len(missing))


def _rule_name(result: Any) -> str:
    return str(result.expectation_config.meta["rule"])


def _refuse_exceptions(suite: Suite, validated: ExpectationSuiteValidationResult) -> None:
    """GX turns an error into a result that failed; to Rollcall it is no judgement at all."""
    for result in validated.results:
        for message in _exception_messages(result.exception_info):
            raise EvaluationError(
                f"{suite.name}: {_rule_name(result)} could not be judged: {_in_one_line(message)}",
                hint="If a column of ours is missing, `rollcall run` deploys the views again.",
            )


def _exception_messages(info: Any) -> Iterator[str]:
    """What GX recorded: one exception, or one per metric."""
    if not info:
        return
    if "raised_exception" in info:
        if info["raised_exception"]:
            yield info["exception_message"] or "GX gives no reason"
        return
    for nested in info.values():
        yield from _exception_messages(nested)


def _named(error: BaseException, what: str) -> RollcallError:
    """The error of ours at the bottom of GX's, else one that says what failed and why."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RollcallError):
            return cause
        innermost, cause = cause, cause.__cause__ or cause.__context__
    reason = (str(innermost).splitlines() or [type(innermost).__name__])[0]
    return EvaluationError(f"{what}: {reason}")


def _in_one_line(message: object) -> str:
    """What GX says over several lines (pydantic gives its reason in the third), cut."""
    lines = [line.strip() for line in str(message).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300]


# --- data docs --------------------------------------------------------------------------------


def write_pages(folder: Path, judgements: Iterable[Judgement], run_name: str, moment: datetime) -> None:
    """Write the pages that GX makes of some judgements, as GX makes them: see `rollcall.data_docs`.

    Args:
        folder: an empty one.
        run_name: part of the pages' paths, and shown on them.
        moment: when it was judged, aware.
    """
    context = _context(folder)
    for judgement in judgements:
        context.suites.add(_gx_suite(judgement.suite))
        _store(context, judgement, run_name, moment)
    context.build_data_docs()


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _store(context: AbstractDataContext, judgement: Judgement, run_name: str, moment: datetime) -> None:
    from great_expectations.core import RunIdentifier, expectationSuiteValidationResultSchema
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    name = judgement.suite.name
    # GX reads a name that dateutil takes for a moment as one, and stumbles over "20260301T120000Z-9917"
    named = "run-" + re.sub(r"[^\w.-]", "_", run_name)
    run = RunIdentifier(run_name=named, run_time=moment)
    loaded = expectationSuiteValidationResultSchema.load(dict(judgement.validation))
    for result in loaded.results:
        if not result.success:
            remedy = judgement.suite.rule(_rule_name(result)).remedy
            result.expectation_config.description += f" What to do: {remedy}"
    loaded.meta = {
        "great_expectations_version": _import_gx().__version__,
        "run_id": run,
        "batch_kwargs": {"data_asset_name": judgement.suite.document.get("meta", {}).get("over")},
    }
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name),
        run_id=run,
        batch_identifier=name,
    )
    context.validation_results_store.set(key, loaded)
