"""Judge counts and tables with the suites, and give exact numbers of violations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from rollcall.database.session_settings import apply_settings, judging_at, set_for_transaction
from rollcall.errors import EvaluationError, RollcallError
from rollcall.rules.gx import context, gx_suite, in_one_line
from rollcall.rules.results import RuleResult
from rollcall.rules.suites import COUNT_TYPE, Rule, Suite, as_counts, is_no_count

if TYPE_CHECKING:
    import psycopg
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

__all__ = ["Judgement", "judge_counted_rows", "judge_counts", "judge_table", "rule_name"]

# GX requires a URL with a role and a host; `creator` opens the connections.
_UNUSED_URL = "postgresql+psycopg://role@creator/database"

# With counts, but without failing values: GX still queries for them with LIMIT 0, which reads no
# row. BOOLEAN_ONLY would avoid these queries but has no counts.
_COUNTS_ONLY = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
}


@dataclass(frozen=True)
class Judgement(Sequence[RuleResult]):
    """The results of one suite, iterable.

    `validation` is GX's result as JSON for the data docs: counts, no values.
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
        sample_keys: rule to some keys of its violations, copied to the results.

    Raises:
        EvaluationError: a count is missing, null, negative or no integer, or belongs to no rule.
        ConfigurationError: GX does not know an expectation of the suite.
    """
    _check_counts(suite, row)
    import pandas as pd  # type: ignore[import-untyped]

    source = context().data_sources.add_pandas("rollcall")
    definition = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("row")
    frame = pd.DataFrame([dict(row)], dtype="int64")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    validated = batch.validate(gx_suite(suite), result_format=_COUNTS_ONLY)
    return _judgement(suite, validated, sample_keys or {})


def judge_counted_rows(suite: Suite, row: Mapping[str, int]) -> Judgement:
    """Judge a suite of row-level expectations by one row with the count of rows that violate each.

    GX itself sends several queries for such a suite (`judge_table`); a row of counts takes one pass.

    Raises:
        see `judge_counts`.
    """
    return replace(judge_counts(as_counts(suite), row), suite=suite)


def _check_counts(suite: Suite, row: Mapping[str, int]) -> None:
    for expectation in suite.document["expectations"]:
        if expectation["type"] != COUNT_TYPE:
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
        if is_no_count(row[rule]):
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
    """Judge the rows of a table or view with exact counts, without fetching values.

    GX sends each query in a transaction of its own. All of them read one snapshot, read-only.

    Args:
        suite: a suite of row-level expectations, like `cleaned_sessions`.
        connect: opens a connection to the database; this function closes it.
        schema: its schema; GX writes it in lower case.
        table: its name, exactly as the catalog spells it.
        snapshot_id: the result of pg_export_snapshot() in a transaction that is still open;
            none: a snapshot of now.
        judged_at: the instant of judgement for the cleaned views; none: now.

    Raises:
        EvaluationError: the table, one of its columns or the snapshot cannot be read.
        ConfigurationError: GX does not know an expectation of the suite.
    """
    built = gx_suite(suite)
    with (
        _snapshot(connect, snapshot_id) as snapshot,
        _sql_source(connect, snapshot, judged_at) as source,
    ):
        try:
            batch = _table_batch(source, schema, table)
            validated = batch.validate(built, result_format=_COUNTS_ONLY)
        except Exception as error:
            raise _named(error, f"{schema}.{table} could not be judged") from error
    return _judgement(suite, validated, {})


@contextmanager
def _snapshot(connect: Callable[[], psycopg.Connection[Any]], snapshot_id: str | None) -> Iterator[str]:
    """The given snapshot, or a new one that lives as long as the block."""
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

    Set in each BEGIN, because a pooler may drop settings of a session.
    """
    from psycopg import Cursor, IsolationLevel
    from psycopg.rows import tuple_row

    connection = connect()
    connection.commit()
    connection.autocommit = False
    # the row factory that SQLAlchemy expects
    connection.row_factory = tuple_row
    connection.cursor_factory = Cursor
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


@contextmanager
def _sql_source(
    connect: Callable[[], psycopg.Connection[Any]], snapshot: str, judged_at: datetime | None
) -> Iterator[SQLDatasource]:
    """A GX data source whose transactions all read the snapshot. It gets no password."""
    from sqlalchemy import event

    def creator() -> psycopg.Connection[Any]:
        connection = _read_only(connect)
        apply_settings(connection, for_session=False)  # SQLAlchemy reads the version first, without an event
        return connection

    def on_begin(connection: Any) -> None:
        dbapi_connection = connection.connection.dbapi_connection
        dbapi_connection.rollback()  # only the first statement of a transaction can set its snapshot
        _enter_snapshot(dbapi_connection, snapshot, judged_at)

    options: dict[str, Any] = {"kwargs": {"creator": creator, "use_native_hstore": False}}
    try:
        sources = context().data_sources
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
    """Set the snapshot of a transaction that has just begun; it must be read-only."""
    from psycopg import sql

    connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    apply_settings(connection, for_session=False)
    set_for_transaction(connection, judging_at(judged_at))
    row = connection.execute("show transaction_read_only").fetchone()
    if row is None or row[0] != "on":
        raise EvaluationError("The transaction that judges rows is not read-only")


def _table_batch(source: SQLDatasource, schema: str, table: str) -> Batch:
    if schema != schema.lower():
        raise EvaluationError(f"GX reads no schema with capitals, like {schema}")
    with warnings.catch_warnings():
        # the only way to set the schema for GX
        warnings.simplefilter("ignore", DeprecationWarning)
        asset = source.add_table_asset(table, table_name=f'"{table}"', schema_name=schema)
    return asset.add_batch_definition_whole_table("rows").get_batch()


def _judgement(
    suite: Suite,
    validated: ExpectationSuiteValidationResult,
    sample_keys: Mapping[str, Sequence[str]],
) -> Judgement:
    _refuse_exceptions(suite, validated)
    results = {rule_name(result): result for result in validated.results}
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
    """The exact number of violations in a GX result."""
    details = result.result or {}
    if result.expectation_config.type == COUNT_TYPE:
        return int(details["observed_value"])
    if result.success:
        return 0
    if "unexpected_count" in details:
        return int(details["unexpected_count"])
    missing = details.get("details", {}).get("mismatched", {}).get("missing", [])
    return max(1, len(missing))


def rule_name(result: Any) -> str:
    return str(result.expectation_config.meta["rule"])


def _refuse_exceptions(suite: Suite, validated: ExpectationSuiteValidationResult) -> None:
    """Raise the errors that GX records as failed results."""
    for result in validated.results:
        for message in _exception_messages(result.exception_info):
            raise EvaluationError(
                f"{suite.name}: {rule_name(result)} could not be judged: {in_one_line(message)}",
                hint="If a column of ours is missing, `rollcall run` deploys the views again.",
            )


def _exception_messages(info: Any) -> Iterator[str]:
    """The recorded exceptions: one, or one per metric."""
    if not info:
        return
    if "raised_exception" in info:
        if info["raised_exception"]:
            yield info["exception_message"] or "GX gives no reason"
        return
    for nested in info.values():
        yield from _exception_messages(nested)


def _named(error: BaseException, what: str) -> RollcallError:
    """The RollcallError that GX wrapped, or an EvaluationError with the reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RollcallError):
            return cause
        innermost, cause = cause, cause.__cause__ or cause.__context__
    reason = (str(innermost).splitlines() or [type(innermost).__name__])[0]
    return EvaluationError(f"{what}: {reason}")
