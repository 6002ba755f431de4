"""Allow-list of the statements of a migration, checked with PostgreSQL's grammar.

A statement of a model is sent to the server only if every node of its syntax tree is on the list of its kind;
any other node is refused. A statement therefore cannot drop, rename, retype or change rows, and cannot call a
function that is not known to be harmless, not even in a subexpression.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rollcall.errors import Refused

__all__ = [
    "check_detaching",
    "check_migrating",
    "created_objects",
    "grammar",
    "parsed",
    "reads_application",
    "shown_query",
]

LEDGER_SCHEMA = "rollcall_ops"
VIEW_SCHEMA = "rollcall"
OWN_SCHEMAS = frozenset({LEDGER_SCHEMA, VIEW_SCHEMA})
# the ledger's tables that show the application's rows: images of them, and the state of open sessions
SHOWS_ROWS = frozenset({"changes", "presence"})

# Nodes of names, constants and clauses, which have no effect by themselves.
PLAIN_NODES = """
    A_Const A_Star Boolean Float Integer Integer64 List String BitString RangeVar TypeName ColumnRef
"""
EXPRESSION_NODES = """
    A_ArrayExpr A_Expr A_Indices A_Indirection BoolExpr BooleanTest CaseExpr CaseWhen CoalesceExpr
    CollateClause FuncCall MinMaxExpr NullTest RowExpr SortBy TypeCast
"""
QUERY_NODES = """
    Alias CommonTableExpr GroupingSet JoinExpr RangeFunction RangeSubselect ResTarget SelectStmt
    SQLValueFunction SubLink WindowDef WithClause
"""
# PostgreSQL's functions without side effects. Add a function here when a view or an index needs it.
HARMLESS_FUNCTIONS = """
    abs age array_agg array_length array_position array_remove avg bool_and bool_or btrim cardinality ceil
    clock_timestamp coalesce concat concat_ws count current_setting date_part date_trunc dense_rank every
    extract first_value floor format generate_series jsonb_agg jsonb_array_elements jsonb_array_elements_text
    jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg jsonb_object_keys jsonb_populate_record
    jsonb_to_record jsonb_to_recordset lag last_value lead left length lower ltrim make_interval
    make_timestamptz max md5 min mod now nth_value ntile num_nonnulls num_nulls nullif overlay percent_rank
    percentile_cont percentile_disc position range_agg range_merge rank regexp_match regexp_replace replace
    right round row_number row_to_json rtrim split_part statement_timestamp string_agg string_to_array strpos
    substr substring sum timezone to_char to_json to_jsonb to_timestamp transaction_timestamp translate trim
    trunc tsmultirange tsrange tstzmultirange tstzrange unnest upper width_bucket
"""
PLAIN = frozenset(PLAIN_NODES.split())
EXPRESSION = PLAIN | frozenset(EXPRESSION_NODES.split())
COLUMN = PLAIN | {"AlterTableStmt", "AlterTableCmd", "ColumnDef", "Constraint", "TypeCast"}
QUERY = EXPRESSION | frozenset(QUERY_NODES.split())
FUNCTIONS = frozenset(HARMLESS_FUNCTIONS.split())
SERIAL_TYPES = frozenset({"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"})
OWN_COLUMN_CONSTRAINTS = frozenset({"CONSTR_DEFAULT", "CONSTR_NOTNULL", "CONSTR_NULL", "CONSTR_FOREIGN"})
SHOWN_CHARACTERS = 80
COMMENT = "CommentStmt"
TOGETHER = (
    ["ViewStmt", COMMENT],
    ["ViewStmt", COMMENT, "AlterTableStmt"],
    ["DropStmt", "IndexStmt"],
)
VIEW_OPTIONS = frozenset({"security_barrier", "security_invoker"})


def check_migrating(sql: str, unfinished_indexes: Iterable[str] = ()) -> list[str]:
    """Check that a migration may execute this text.

    Args:
        sql: one statement; or a view and its comments; or an unfinished index dropped and built again.
        unfinished_indexes: ``schema.name`` of the invalid indexes that Rollcall made, by its ledger.

    Returns:
        The single statements.

    Raises:
        Refused: a statement is not on the list; none may be sent.
    """
    statements = parsed(sql)
    kinds = [_kind(node) for _, node in statements]
    if len(kinds) > 1 and _without_repeated_comments(kinds) not in TOGETHER:
        raise _refusal(sql, "it is more than one statement")
    if not kinds:
        raise _refusal(sql, "there is no statement")
    if kinds == ["DropStmt"]:
        raise _refusal(sql, "an index is dropped only to be built again")
    for text, node in statements:
        if _kind(node) == "DropStmt":
            _check_drop_index(text, node, frozenset(unfinished_indexes))
        else:
            check = CHECKS.get(_kind(node))
            if check is None:
                raise _refusal(text, f"{_kind(node)} is not on the list")
            check(text, node)
    return [text for text, _ in statements]


def _without_repeated_comments(kinds: Sequence[str]) -> list[str]:
    """The kinds with one comment for those in a row."""
    return [
        kind
        for kind, before in zip(kinds, [None, *kinds], strict=False)
        if kind != COMMENT or before != COMMENT
    ]


def created_objects(statements: Iterable[str]) -> list[str]:
    """Names of Rollcall's schemas, tables and views that these statements create."""
    names = []
    for statement in statements:
        for _, node in parsed(statement):
            kind = _kind(node)
            if kind == "CreateSchemaStmt":
                names.append(str(node.schemaname))
            elif kind in ("CreateStmt", "ViewStmt"):
                relation = node.relation if kind == "CreateStmt" else node.view
                names.append(f"{relation.schemaname}.{relation.relname}")
    return names


def reads_application(statement: str) -> bool:
    """Whether the created view reads rows of the application, or what the ledger keeps of them."""
    return any(
        (relation.schemaname and relation.schemaname not in OWN_SCHEMAS) or relation.relname in SHOWS_ROWS
        for _, node in parsed(statement)
        if _kind(node) == "ViewStmt"
        for relation in _nodes(node, "RangeVar")
    )


def check_detaching(sql: str) -> str:
    """Check that a statement drops only Rollcall's views, tables or one schema, restrictively.

    Raises:
        Refused: the statement does anything else.
    """
    statements = parsed(sql)
    if len(statements) != 1 or _kind(statements[0][1]) != "DropStmt":
        raise _refusal(sql, "it is not one statement that drops")
    text, node = statements[0]
    kind = _enum(node, "remove_type")
    names = [_names(item) for item in node.objects]
    if kind not in ("OBJECT_VIEW", "OBJECT_TABLE", "OBJECT_SCHEMA"):
        raise _refusal(text, "only Rollcall's views, tables and schemas may be dropped")
    parts = 1 if kind == "OBJECT_SCHEMA" else 2
    if any(len(name) != parts or name[0] not in OWN_SCHEMAS for name in names):
        raise _refusal(text, "it is not in one of Rollcall's schemas")
    if _enum(node, "behavior") != "DROP_RESTRICT":
        raise _refusal(text, "dependent objects must stay")
    return text


def parsed(sql: str) -> list[tuple[str, Any]]:
    """Split a text into statements with their syntax trees.

    Raises:
        Refused: the text cannot be parsed.
    """
    postgast = grammar()
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError as error:
        raise _refusal(sql, f"it cannot be parsed ({error})") from error
    source = sql.encode()
    statements = []
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        text = source[raw.stmt_location : end].decode().strip()
        statements.append((text, getattr(raw.stmt, raw.stmt.WhichOneof("node"))))
    return statements


def shown_query(query: str) -> str:
    """Shorten a query of another session to one line without values and comments."""
    postgast = grammar()
    try:
        # a deparsed syntax tree has no comments; a query that the server truncated cannot be parsed
        query = postgast.normalize(postgast.deparse(postgast.parse(query)))
    except postgast.PgQueryError:
        query = re.sub(r"/[*].*?([*]/|$)|--[^\n]*", " ", query, flags=re.DOTALL)
        query = re.sub(r"(?i)e?'.*?('|$)|[$]\w*[$].*", "?", query, flags=re.DOTALL)
        query = re.sub(r"\b\d[\w.]*", "?", query)
    return _shortened(query)


# --- one check per kind of statement --------------------------------------------------------------


def _check_schema(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"CreateSchemaStmt"})
    if node.schemaname not in OWN_SCHEMAS or node.HasField("authrole"):
        raise _refusal(text, "the schema is not one of Rollcall's")


def _check_table(text: str, node: Any) -> None:
    _allow_nodes(text, node, EXPRESSION | {"CreateStmt", "ColumnDef", "Constraint", "SQLValueFunction"})
    _require_own(text, node.relation)
    if node.inh_relations or node.partbound.ByteSize() or node.partspec.ByteSize() or node.tablespacename:
        raise _refusal(text, "a ledger table has no parent, partitions or tablespace")
    for constraint in _nodes(node, "Constraint"):
        if constraint.pktable.ByteSize():
            _require_own(text, constraint.pktable)


def _check_view(text: str, node: Any) -> None:
    _allow_nodes(text, node, QUERY | {"ViewStmt", "DefElem"})
    _require_own(text, node.view)
    _require_view_options(text, node)
    if _enum(node, "with_check_option") not in ("NO_CHECK_OPTION", "VIEW_CHECK_OPTION_UNDEFINED"):
        raise _refusal(text, "Rollcall's views have no check option")


def _check_view_options(text: str, node: Any) -> None:
    """Check an ALTER VIEW that lets a view read with the rights of its reader."""
    _allow_nodes(text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "DefElem"})
    _require_own(text, node.relation)
    if len(node.cmds) != 1 or _enum(node.cmds[0].alter_table_cmd, "subtype") != "AT_SetRelOptions":
        raise _refusal(text, "the only change of a view is to set its options")
    _require_view_options(text, node)


def _require_view_options(text: str, node: Any) -> None:
    for option in _nodes(node, "DefElem"):
        if option.defname not in VIEW_OPTIONS or option.arg.string.sval != "true":
            raise _refusal(text, "only a stricter option of a view may be set")


def _check_alter_table(text: str, node: Any) -> None:
    if _enum(node, "objtype") == "OBJECT_INDEX":
        _check_attach(text, node)
        return
    if _enum(node, "objtype") == "OBJECT_VIEW":
        _check_view_options(text, node)
        return
    if node.relation.schemaname in OWN_SCHEMAS:
        _check_ledger_column(text, node)
        return
    _allow_nodes(
        text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "ColumnDef", "Constraint", "TypeCast"}
    )
    if _enum(node, "objtype") != "OBJECT_TABLE" or len(node.cmds) != 1:
        raise _refusal(text, "one column of one table is added at a time")
    _require_application(text, node.relation)
    command = node.cmds[0].alter_table_cmd
    if not node.relation.inh:
        raise _refusal(text, "a column is added to the partitions as well")
    if _enum(command, "subtype") != "AT_AddColumn" or command.missing_ok or node.missing_ok:
        raise _refusal(text, "the only change of a table is to add a missing column")
    column = getattr(command, "def").column_def
    if column.type_name.names and column.type_name.names[-1].string.sval.lower() in SERIAL_TYPES:
        raise _refusal(text, "a sequence as a default would rewrite the table")
    kinds = {_enum(item.constraint, "contype") for item in column.constraints}
    if not kinds <= {"CONSTR_DEFAULT", "CONSTR_NOTNULL", "CONSTR_NULL"}:
        raise _refusal(text, "a new column has no constraint, identity or generation")
    if "CONSTR_NOTNULL" in kinds and "CONSTR_DEFAULT" not in kinds:
        raise _refusal(text, "a column that must not be null needs a default")


def _check_ledger_column(text: str, node: Any) -> None:
    """Check a missing column of a ledger table, and its default for new rows."""
    allowed = EXPRESSION | {"AlterTableStmt", "AlterTableCmd", "ColumnDef", "Constraint", "SQLValueFunction"}
    _allow_nodes(text, node, allowed)
    commands = [item.alter_table_cmd for item in node.cmds]
    kinds = [_enum(command, "subtype") for command in commands]
    if _enum(node, "objtype") != "OBJECT_TABLE" or node.missing_ok or commands[0].missing_ok:
        raise _refusal(text, "one column of one table is added at a time")
    if kinds not in (["AT_AddColumn"], ["AT_AddColumn", "AT_ColumnDefault"]):
        raise _refusal(text, "the only change of a ledger table is to add a missing column")
    column = getattr(commands[0], "def").column_def
    if len(commands) > 1 and commands[1].name != column.colname:
        raise _refusal(text, "a default is set only for the column that is added")
    for item in column.constraints:
        if item.constraint.pktable.ByteSize():
            _require_own(text, item.constraint.pktable)
    if not {_enum(item.constraint, "contype") for item in column.constraints} <= OWN_COLUMN_CONSTRAINTS:
        raise _refusal(text, "a new column of a ledger table is not a key")


def _check_attach(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "PartitionCmd"})
    if len(node.cmds) != 1 or _enum(node.cmds[0].alter_table_cmd, "subtype") != "AT_AttachPartition":
        raise _refusal(text, "the only change of an index is ATTACH PARTITION")
    _require_application(text, node.relation)


def _check_index(text: str, node: Any) -> None:
    _allow_nodes(text, node, EXPRESSION | {"IndexStmt", "IndexElem"})
    _require_application(text, node.relation)
    if not node.concurrent and node.relation.inh:
        raise _refusal(text, "an index is built concurrently, or without its partitions")
    if node.unique or node.primary or node.isconstraint:
        raise _refusal(text, "a declared index must not refuse writes of the application")
    if node.if_not_exists or not node.idxname or node.table_space:
        raise _refusal(text, "an index has a name, and is built only where it is missing")


def _check_comment(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"CommentStmt"})
    kind, names = _enum(node, "objtype"), _names(node.object)
    if kind == "OBJECT_COLUMN" and len(names) == 3 and not _is_system(names[0]):
        return
    if kind in ("OBJECT_VIEW", "OBJECT_TABLE") and names[0] in OWN_SCHEMAS:
        return
    raise _refusal(text, "only columns and Rollcall's relations are commented")


def _check_drop_index(text: str, node: Any, unfinished: frozenset[str]) -> None:
    names = [".".join(_names(item)) for item in node.objects]
    if _enum(node, "remove_type") != "OBJECT_INDEX" or not node.concurrent or node.missing_ok:
        raise _refusal(text, "only an unfinished index of Rollcall may be dropped")
    if len(names) != 1 or names[0] not in unfinished or _enum(node, "behavior") != "DROP_RESTRICT":
        raise _refusal(text, "the ledger has no record that Rollcall left this index unfinished")


CHECKS: dict[str, Callable[[str, Any], None]] = {
    "CreateSchemaStmt": _check_schema,
    "CreateStmt": _check_table,
    "ViewStmt": _check_view,
    "AlterTableStmt": _check_alter_table,
    "IndexStmt": _check_index,
    "CommentStmt": _check_comment,
}


# --- syntax trees ---------------------------------------------------------------------------------


def _allow_nodes(text: str, node: Any, allowed: frozenset[str]) -> None:
    """Refuse a tree with a node or a function that is not on the list."""
    for child in _walk(node):
        kind = _kind(child)
        if kind not in allowed:
            raise _refusal(text, f"{kind} is not on the list for it")
        if kind == "FuncCall":
            names = [part.string.sval for part in child.funcname]
            if names[:-1] not in ([], ["pg_catalog"]) or names[-1] not in FUNCTIONS:
                raise _refusal(text, f"the function {'.'.join(names)} is not on the list")
        elif kind == "A_Expr":
            names = [part.string.sval for part in child.name]
            if names[:-1] not in ([], ["pg_catalog"]):
                raise _refusal(text, f"the operator {'.'.join(names)} is not PostgreSQL's own")
        elif kind == "RangeVar" and child.relpersistence != "p":
            raise _refusal(text, "temporary and unlogged objects are not allowed")
        elif kind == "SelectStmt" and (child.locking_clause or child.into_clause.ByteSize()):
            raise _refusal(text, "a view only reads")


def grammar() -> Any:
    """PostgreSQL's grammar from the postgast package, imported on first use."""
    return importlib.import_module("postgast")


def _walk(node: Any) -> Iterator[Any]:
    for _, child in grammar().walk(node):
        yield child


def _nodes(node: Any, kind: str) -> Iterator[Any]:
    return (child for child in _walk(node) if _kind(child) == kind)


def _kind(node: Any) -> str:
    return str(type(node).__name__)


def _enum(node: Any, field: str) -> str:
    """The name of an enum field's value."""
    descriptor = node.DESCRIPTOR.fields_by_name[field]
    return str(descriptor.enum_type.values_by_number[getattr(node, field)].name)


def _names(node: Any) -> list[str]:
    """The parts of a qualified name: a list of strings, or one string."""
    kind = node.WhichOneof("node")
    if kind == "list":
        return [item.string.sval for item in node.list.items]
    return [node.string.sval]


def _is_system(schema: str) -> bool:
    return not schema or schema == "information_schema" or schema.startswith("pg_")


def _require_own(text: str, relation: Any) -> None:
    if relation.schemaname not in OWN_SCHEMAS:
        raise _refusal(text, "it is not in one of Rollcall's schemas")


def _require_application(text: str, relation: Any) -> None:
    if _is_system(relation.schemaname):
        raise _refusal(text, "its table is not named with the application's schema")


def _refusal(sql: str, reason: str) -> Refused:
    return Refused(
        f"a statement is not on the allow-list: {reason} ({_shortened(sql)})",
        "nothing was sent; correct the model that declares it",
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
