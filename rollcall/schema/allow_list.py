"""Allow-list of the statements of a migration, checked with PostgreSQL's grammar.

A statement of a model is sent to the server only if every node of its syntax tree is on the list of its kind;
any other node is refused. A statement therefore cannot drop, rename, retype or change rows, and cannot call a
function that is not known to be harmless, not even in a subexpression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rollcall.schema.grammar import enum_of, kind_of, names_of, nodes_of, parsed, refusal, walk

__all__ = [
    "check_detaching",
    "check_migrating",
    "created_objects",
    "reads_application",
]

LEDGER_SCHEMA = "rollcall_ops"
VIEW_SCHEMA = "rollcall"
SCHEMAS_OF_ROLLCALL = frozenset({LEDGER_SCHEMA, VIEW_SCHEMA})
# the ledger's tables that show the application's rows: images, the state of sessions, and what is built
SHOWS_ROWS = frozenset(
    {"changes", "presence", "built_agent_intervals", "built_agent_days", "built_queue_intervals"}
)

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
ALLOWED_COLUMN_CONSTRAINTS = frozenset({"CONSTR_DEFAULT", "CONSTR_NOTNULL", "CONSTR_NULL", "CONSTR_FOREIGN"})
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
    kinds = [kind_of(node) for _, node in statements]
    if len(kinds) > 1 and _without_repeated_comments(kinds) not in TOGETHER:
        raise refusal(sql, "it is more than one statement")
    if not kinds:
        raise refusal(sql, "there is no statement")
    if kinds == ["DropStmt"]:
        raise refusal(sql, "an index is dropped only to be built again")
    for text, node in statements:
        if kind_of(node) == "DropStmt":
            _check_drop_index(text, node, frozenset(unfinished_indexes))
        else:
            check = CHECKS.get(kind_of(node))
            if check is None:
                raise refusal(text, f"{kind_of(node)} is not on the list")
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
            kind = kind_of(node)
            if kind == "CreateSchemaStmt":
                names.append(str(node.schemaname))
            elif kind in ("CreateStmt", "ViewStmt"):
                relation = node.relation if kind == "CreateStmt" else node.view
                names.append(f"{relation.schemaname}.{relation.relname}")
    return names


def reads_application(statement: str) -> bool:
    """Whether the created view reads rows of the application, or what the ledger keeps of them."""
    return any(
        (relation.schemaname and relation.schemaname not in SCHEMAS_OF_ROLLCALL)
        or relation.relname in SHOWS_ROWS
        for _, node in parsed(statement)
        if kind_of(node) == "ViewStmt"
        for relation in nodes_of(node, "RangeVar")
    )


def check_detaching(sql: str) -> str:
    """Check that a statement drops only Rollcall's views, tables or one schema, restrictively.

    Raises:
        Refused: the statement does anything else.
    """
    statements = parsed(sql)
    if len(statements) != 1 or kind_of(statements[0][1]) != "DropStmt":
        raise refusal(sql, "it is not one statement that drops")
    text, node = statements[0]
    kind = enum_of(node, "remove_type")
    names = [names_of(item) for item in node.objects]
    if kind not in ("OBJECT_VIEW", "OBJECT_TABLE", "OBJECT_SCHEMA"):
        raise refusal(text, "only Rollcall's views, tables and schemas may be dropped")
    parts = 1 if kind == "OBJECT_SCHEMA" else 2
    if any(len(name) != parts or name[0] not in SCHEMAS_OF_ROLLCALL for name in names):
        raise refusal(text, "it is not in one of Rollcall's schemas")
    if enum_of(node, "behavior") != "DROP_RESTRICT":
        raise refusal(text, "dependent objects must stay")
    return text


# --- one check per kind of statement --------------------------------------------------------------


def _check_schema(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"CreateSchemaStmt"})
    if node.schemaname not in SCHEMAS_OF_ROLLCALL or node.HasField("authrole"):
        raise refusal(text, "the schema is not one of Rollcall's")


def _check_table(text: str, node: Any) -> None:
    _allow_nodes(text, node, EXPRESSION | {"CreateStmt", "ColumnDef", "Constraint", "SQLValueFunction"})
    _require_own(text, node.relation)
    if node.inh_relations or node.partbound.ByteSize() or node.partspec.ByteSize() or node.tablespacename:
        raise refusal(text, "a ledger table has no parent, partitions or tablespace")
    for constraint in nodes_of(node, "Constraint"):
        if constraint.pktable.ByteSize():
            _require_own(text, constraint.pktable)


def _check_view(text: str, node: Any) -> None:
    _allow_nodes(text, node, QUERY | {"ViewStmt", "DefElem"})
    _require_own(text, node.view)
    _require_view_options(text, node)
    if enum_of(node, "with_check_option") not in ("NO_CHECK_OPTION", "VIEW_CHECK_OPTION_UNDEFINED"):
        raise refusal(text, "Rollcall's views have no check option")


def _check_view_options(text: str, node: Any) -> None:
    """Check an ALTER VIEW that lets a view read with the rights of its reader."""
    _allow_nodes(text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "DefElem"})
    _require_own(text, node.relation)
    if len(node.cmds) != 1 or enum_of(node.cmds[0].alter_table_cmd, "subtype") != "AT_SetRelOptions":
        raise refusal(text, "the only change of a view is to set its options")
    _require_view_options(text, node)


def _require_view_options(text: str, node: Any) -> None:
    for option in nodes_of(node, "DefElem"):
        if option.defname not in VIEW_OPTIONS or option.arg.string.sval != "true":
            raise refusal(text, "only a stricter option of a view may be set")


def _check_alter_table(text: str, node: Any) -> None:
    if enum_of(node, "objtype") == "OBJECT_INDEX":
        _check_attach(text, node)
        return
    if enum_of(node, "objtype") == "OBJECT_VIEW":
        _check_view_options(text, node)
        return
    if node.relation.schemaname in SCHEMAS_OF_ROLLCALL:
        _check_ledger_column(text, node)
        return
    _allow_nodes(
        text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "ColumnDef", "Constraint", "TypeCast"}
    )
    if enum_of(node, "objtype") != "OBJECT_TABLE" or len(node.cmds) != 1:
        raise refusal(text, "one column of one table is added at a time")
    _require_application(text, node.relation)
    command = node.cmds[0].alter_table_cmd
    if not node.relation.inh:
        raise refusal(text, "a column is added to the partitions as well")
    if enum_of(command, "subtype") != "AT_AddColumn" or command.missing_ok or node.missing_ok:
        raise refusal(text, "the only change of a table is to add a missing column")
    column = getattr(command, "def").column_def
    if column.type_name.names and column.type_name.names[-1].string.sval.lower() in SERIAL_TYPES:
        raise refusal(text, "a sequence as a default would rewrite the table")
    kinds = {enum_of(item.constraint, "contype") for item in column.constraints}
    if not kinds <= {"CONSTR_DEFAULT", "CONSTR_NOTNULL", "CONSTR_NULL"}:
        raise refusal(text, "a new column has no constraint, identity or generation")
    if "CONSTR_NOTNULL" in kinds and "CONSTR_DEFAULT" not in kinds:
        raise refusal(text, "a column that must not be null needs a default")


def _check_ledger_column(text: str, node: Any) -> None:
    """Check a missing column of a ledger table, and its default for new rows."""
    allowed = EXPRESSION | {"AlterTableStmt", "AlterTableCmd", "ColumnDef", "Constraint", "SQLValueFunction"}
    _allow_nodes(text, node, allowed)
    commands = [item.alter_table_cmd for item in node.cmds]
    kinds = [enum_of(command, "subtype") for command in commands]
    if enum_of(node, "objtype") != "OBJECT_TABLE" or node.missing_ok or commands[0].missing_ok:
        raise refusal(text, "one column of one table is added at a time")
    if kinds not in (["AT_AddColumn"], ["AT_AddColumn", "AT_ColumnDefault"]):
        raise refusal(text, "the only change of a ledger table is to add a missing column")
    column = getattr(commands[0], "def").column_def
    if len(commands) > 1 and commands[1].name != column.colname:
        raise refusal(text, "a default is set only for the column that is added")
    for item in column.constraints:
        if item.constraint.pktable.ByteSize():
            _require_own(text, item.constraint.pktable)
    if not {enum_of(item.constraint, "contype") for item in column.constraints} <= ALLOWED_COLUMN_CONSTRAINTS:
        raise refusal(text, "a new column of a ledger table is not a key")


def _check_attach(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"AlterTableStmt", "AlterTableCmd", "PartitionCmd"})
    if len(node.cmds) != 1 or enum_of(node.cmds[0].alter_table_cmd, "subtype") != "AT_AttachPartition":
        raise refusal(text, "the only change of an index is ATTACH PARTITION")
    _require_application(text, node.relation)


def _check_index(text: str, node: Any) -> None:
    _allow_nodes(text, node, EXPRESSION | {"IndexStmt", "IndexElem"})
    _require_application(text, node.relation)
    if not node.concurrent and node.relation.inh:
        raise refusal(text, "an index is built concurrently, or without its partitions")
    if node.unique or node.primary or node.isconstraint:
        raise refusal(text, "a declared index must not refuse writes of the application")
    if node.if_not_exists or not node.idxname or node.table_space:
        raise refusal(text, "an index has a name, and is built only where it is missing")


def _check_comment(text: str, node: Any) -> None:
    _allow_nodes(text, node, PLAIN | {"CommentStmt"})
    kind, names = enum_of(node, "objtype"), names_of(node.object)
    if kind == "OBJECT_COLUMN" and len(names) == 3 and not _is_system(names[0]):
        return
    if kind in ("OBJECT_VIEW", "OBJECT_TABLE") and names[0] in SCHEMAS_OF_ROLLCALL:
        return
    raise refusal(text, "only columns and Rollcall's relations are commented")


def _check_drop_index(text: str, node: Any, unfinished: frozenset[str]) -> None:
    names = [".".join(names_of(item)) for item in node.objects]
    if enum_of(node, "remove_type") != "OBJECT_INDEX" or not node.concurrent or node.missing_ok:
        raise refusal(text, "only an unfinished index of Rollcall may be dropped")
    if len(names) != 1 or names[0] not in unfinished or enum_of(node, "behavior") != "DROP_RESTRICT":
        raise refusal(text, "the ledger has no record that Rollcall left this index unfinished")


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
    for child in walk(node):
        kind = kind_of(child)
        if kind not in allowed:
            raise refusal(text, f"{kind} is not on the list for it")
        if kind == "FuncCall":
            names = [part.string.sval for part in child.funcname]
            if names[:-1] not in ([], ["pg_catalog"]) or names[-1] not in FUNCTIONS:
                raise refusal(text, f"the function {'.'.join(names)} is not on the list")
        elif kind == "A_Expr":
            names = [part.string.sval for part in child.name]
            if names[:-1] not in ([], ["pg_catalog"]):
                raise refusal(text, f"the operator {'.'.join(names)} is not PostgreSQL's own")
        elif kind == "RangeVar" and child.relpersistence != "p":
            raise refusal(text, "temporary and unlogged objects are not allowed")
        elif kind == "SelectStmt" and (child.locking_clause or child.into_clause.ByteSize()):
            raise refusal(text, "a view only reads")


def _is_system(schema: str) -> bool:
    return not schema or schema == "information_schema" or schema.startswith("pg_")


def _require_own(text: str, relation: Any) -> None:
    if relation.schemaname not in SCHEMAS_OF_ROLLCALL:
        raise refusal(text, "it is not in one of Rollcall's schemas")


def _require_application(text: str, relation: Any) -> None:
    if _is_system(relation.schemaname):
        raise refusal(text, "its table is not named with the application's schema")
