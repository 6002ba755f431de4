"""Mutants of a rule: its predicate, changed by a hair in every way that we know.

The predicate of a macro is SQL with Jinja in it. Each piece of Jinja becomes a name, PostgreSQL's own
parser makes a tree of it, one node of the tree is changed, and the tree becomes SQL again, with the
Jinja put back. So a mutant is again a macro that dbt could compile, and no mutant is a matter of
how the file is laid out.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import postgast
from postgast import pg_query_pb2 as pg

from tests.support.rule_harness import PROJECT_VARS

COMPARISONS = ("<", "<=", ">", ">=", "=", "<>")
OPPOSITES = {"+": "-", "-": "+"}
FUNCTIONS = {"bool_or": "bool_and", "bool_and": "bool_or", "max": "min", "min": "max"}
INTERVALS = {"1 minute": "1 second", "1 second": "1 minute", "1 hour": "1 minute"}
AN_INSTANT = re.compile(r"(_at|_before|_since|_after)$")
A_HAIR = "interval '1 ms'"  # the cases of the unit tests lie this far from a limit
HAIRS = ("1.001", "0.999")  # what a threshold is multiplied with

# What a status, or a role, may be mistaken for, by the name of its column.
SESSION_STATUSES = ("available_status", "on_call_status", "break_status", "closed_status")
WORKING = SESSION_STATUSES[:3]
MISTAKEN = {
    "status": [*(f"var('{name}')" for name in SESSION_STATUSES), "'ended'", "'lunch'"],
    "call_status": ["'ringing'"],
    "role": ["'admin'"],
}

_MACRO = re.compile(
    r"(?P<head>{%-? macro (?P<name>\w+)\([^)]*\) -?%})(?P<body>.*?)(?P<tail>{%-? endmacro -?%})", re.DOTALL
)
_JINJA = re.compile(r"{{.*?}}", re.DOTALL)
_NAME = re.compile(r"jinja_(\d+)")


@dataclass(frozen=True)
class Mutant:
    """One change of one macro. source: the macro with it, as a file."""

    macro: str
    line: int
    change: str
    source: str

    def __str__(self) -> str:
        return f"{self.macro}, line {self.line}: {self.change}"


def macros_of(path: Path) -> list[str]:
    return [match["name"] for match in _MACRO.finditer(path.read_text("utf-8"))]


def mutants_of(path: Path, macro: str) -> list[Mutant]:
    """Every mutant of one macro of a file, each once."""
    text = path.read_text("utf-8")
    match = next(found for found in _MACRO.finditer(text) if found["name"] == macro)
    predicate = _Predicate(match["body"], first_line=text.count("\n", 0, match.start("body")) + 1)
    seen = {predicate.as_it_is}
    mutants = []
    for line, change, changed in predicate.changes():
        if changed not in seen:
            seen.add(changed)
            mutants.append(Mutant(macro, line, change, f"{match['head']}{changed}{match['tail']}"))
    return mutants


# How it is changed, the change, and what to name, if not the node before and after.
Change = tuple[str, Callable[[Any], None], Any]


class _Predicate:
    """The body of a macro, as a tree."""

    def __init__(self, body: str, first_line: int) -> None:
        self._jinja: list[str] = []
        self._first_line = first_line
        self._text = "select " + _JINJA.sub(self._named, body)
        self._tree = postgast.parse(self._text)
        self.as_it_is = self._sql(self._tree)

    def changes(self) -> Iterator[tuple[int, str, str]]:
        """Line, what is changed, and the body with that change."""
        root = _target(self._tree)
        for path, node in _nodes(root):
            line = self._line(node)
            for how, change, focus in self._changes_of(node, is_whole=not path):
                tree = copy.deepcopy(self._tree)
                target = _at(_target(tree), path)
                before = self._shown(target)
                change(target)
                if focus is None:
                    yield line, f"{how}: {before} -> {self._shown(target)}", self._sql(tree)
                else:
                    what = "" if focus is node else f": {self._shown(focus)}"
                    yield self._line(focus), f"{how}{what}", self._sql(tree)

    def _changes_of(  # noqa: C901 - one short case for each kind of node
        self, node: Any, *, is_whole: bool
    ) -> Iterator[Change]:
        kind = node.WhichOneof("node")
        if is_whole:
            yield "always", lambda n: _become(n, "true"), node
            yield "never", lambda n: _become(n, "false"), node
        if kind == "bool_expr":
            yield from _changes_of_bool(node.bool_expr)
        elif kind == "a_expr":
            yield from self._changes_of_operator(node.a_expr)
        elif kind == "null_test":
            yield "null test", lambda n: _flip_null_test(n.null_test), None
        elif kind == "coalesce_expr":
            yield "no default", lambda n: n.CopyFrom(n.coalesce_expr.args[0]), node
        elif kind == "min_max_expr":
            yield "extreme", lambda n: _flip_extreme(n.min_max_expr), None
            for index in range(len(node.min_max_expr.args)):
                yield (
                    "dropped",
                    lambda n, i=index: _drop(n, n.min_max_expr.args, i),
                    node.min_max_expr.args[index],
                )
        elif kind == "func_call" and (other := FUNCTIONS.get(_function(node))):
            yield "function", lambda n: setattr(n.func_call.funcname[-1].string, "sval", other), None
        elif kind == "a_const":
            yield from _changes_of_constant(node.a_const)
        elif kind == "column_ref":
            yield from self._changes_of_jinja(node)

    def _changes_of_operator(self, expression: Any) -> Iterator[Change]:
        operator = expression.name[-1].string.sval
        if expression.kind == pg.A_Expr_Kind.AEXPR_IN:
            yield "membership", lambda n: _flip_membership(n.a_expr), None
            yield from self._changes_of_list(expression)
        elif operator in COMPARISONS:
            # words have no order
            for other in ("=", "<>") if _is_word(expression.lexpr) else COMPARISONS:
                if other != operator:
                    yield "comparison", lambda n, o=other: _set_operator(n.a_expr, o), None
            if AN_INSTANT.search(_column(expression.rexpr)):
                for sign in "+-":
                    yield "a hair", lambda n, s=sign: _move(n.a_expr.rexpr, s), None
            yield from self._changes_of_word(expression)
        elif operator in OPPOSITES:
            yield "sign", lambda n: _set_operator(n.a_expr, OPPOSITES[operator]), None

    def _changes_of_list(self, expression: Any) -> Iterator[Change]:
        """column in (…): without one of the members, and with another one."""
        (item,) = expression.rexpr.list.items
        number = _number(item)
        inner = self._inner(number)
        members = re.fullmatch(r"literals\((.*)\)", inner, re.DOTALL)
        assert members, f"{inner} is no list of literals"
        values = members[1]
        for fewer in _without_one(values):
            yield (
                "fewer",
                lambda n, v=fewer: self._replace(n.a_expr.rexpr.list.items[0], f"literals({v})"),
                None,
            )
        column = _column(expression.lexpr)
        for word in MISTAKEN[column]:
            if _value(word) not in _value(values):
                more = f"literals({values} + [{word}])"
                yield "more", lambda n, v=more: self._replace(n.a_expr.rexpr.list.items[0], v), None

    def _changes_of_word(self, expression: Any) -> Iterator[Change]:
        """column = a word of the configuration: another word."""
        number = _number(expression.rexpr)
        if number is None:
            return
        word = re.fullmatch(r"literal\((.*)\)", self._inner(number))
        if word is None:
            return
        for other in MISTAKEN[_column(expression.lexpr)]:
            if other != word[1]:
                yield "word", lambda n, o=other: self._replace(n.a_expr.rexpr, f"literal({o})"), None

    def _changes_of_jinja(self, node: Any) -> Iterator[Change]:
        """A threshold: a hair more and less, and one more and less."""
        number = _number(node)
        if number is None:
            return
        threshold = re.fullmatch(r"var\('(\w+)'\)", self._inner(number))
        if threshold is None or not isinstance(PROJECT_VARS[threshold[1]], int | float):
            return
        inner = threshold[0]
        for changed in (*(f"{inner} * {hair}" for hair in HAIRS), f"{inner} + 1", f"{inner} - 1"):
            yield "threshold", lambda n, c=changed: self._replace(n, c), None

    def _inner(self, number: int | None) -> str:
        assert number is not None
        return self._jinja[number].removeprefix("{{").removesuffix("}}").strip()

    def _replace(self, node: Any, inner: str) -> None:
        self._jinja.append(f"{{{{ {inner} }}}}")
        _become(node, f"jinja_{len(self._jinja) - 1}")

    def _named(self, match: re.Match[str]) -> str:
        self._jinja.append(match[0])
        # the newlines stay, so that lines can be counted
        return f"jinja_{len(self._jinja) - 1}" + "\n" * match[0].count("\n")

    def _sql(self, tree: Any) -> str:
        text = postgast.deparse(tree).removeprefix("SELECT ")
        return f"({_NAME.sub(lambda match: self._jinja[int(match[1])], text)})"

    def _shown(self, node: Any) -> str:
        """The node as a person reads it: Jinja without its braces."""
        tree = postgast.parse("select 1")
        _target(tree).CopyFrom(node)
        text = postgast.deparse(tree).removeprefix("SELECT ")
        return _NAME.sub(lambda match: self._inner(int(match[1])), text)

    def _line(self, node: Any) -> int:
        offset = _offset(node)
        return self._first_line + self._text.encode()[:offset].count(b"\n")


# --- the tree ---------------------------------------------------------------------------------


def _target(tree: Any) -> Any:
    """The expression of `select expression`."""
    return tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val


Path_ = tuple[tuple[str, int | None], ...]


def _nodes(node: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every node below, itself first, with the way to it from the top."""
    kind = node.WhichOneof("node")
    if kind is None:
        return
    yield path, node
    inner = getattr(node, kind)
    for field, value in inner.ListFields():
        if isinstance(value, pg.Node):
            yield from _nodes(value, (*path, (kind, None), (field.name, None)))
        elif field.is_repeated and field.message_type is pg.Node.DESCRIPTOR:
            for index, item in enumerate(value):
                yield from _nodes(item, (*path, (kind, None), (field.name, index)))


def _at(node: Any, path: Path_) -> Any:
    for name, index in path:
        node = getattr(node, name)
        if index is not None:
            node = node[index]
    return node


def _offset(node: Any) -> int:
    """Where the node begins, or the first below it that says so."""
    for _, found in _nodes(node):
        location = getattr(getattr(found, found.WhichOneof("node")), "location", 0)
        if location > 0:
            return int(location)
    return 0


def _expression(text: str) -> Any:
    return _target(postgast.parse(f"select {text}"))


def _become(node: Any, text: str) -> None:
    node.CopyFrom(_expression(text))


def _column(node: Any) -> str:
    """The name of a column, without its relation; else nothing."""
    if node.WhichOneof("node") != "column_ref" or len(node.column_ref.fields) < 2:
        return ""
    return str(node.column_ref.fields[-1].string.sval)


def _number(node: Any) -> int | None:
    """Which piece of Jinja this is, if it is one and nothing else."""
    if node.WhichOneof("node") != "column_ref" or len(node.column_ref.fields) != 1:
        return None
    match = _NAME.fullmatch(node.column_ref.fields[0].string.sval)
    return int(match[1]) if match else None


def _is_word(node: Any) -> bool:
    return _column(node) in MISTAKEN


def _function(node: Any) -> str:
    return str(node.func_call.funcname[-1].string.sval)


# --- the changes ------------------------------------------------------------------------------


def _changes_of_bool(expression: Any) -> Iterator[Change]:
    if expression.boolop == pg.BoolExprType.NOT_EXPR:
        yield "not", lambda n: n.CopyFrom(copy.deepcopy(n.bool_expr.args[0])), None
        return
    yield "and/or", lambda n: _flip_conjunction(n.bool_expr), None
    for index in range(len(expression.args)):
        yield "dropped", lambda n, i=index: _drop(n, n.bool_expr.args, i), expression.args[index]
        yield "negated", lambda n, i=index: _negate(n.bool_expr.args[i]), expression.args[index]


def _changes_of_constant(constant: Any) -> Iterator[Change]:
    kind = constant.WhichOneof("val")
    if kind == "boolval":
        yield "default", lambda n: _become(n, "false" if n.a_const.boolval.boolval else "true"), None
    elif kind == "ival":
        for step in (1, -1):
            yield "number", lambda n, s=step: _become(n, str(n.a_const.ival.ival + s)), None
    elif kind == "sval" and (other := INTERVALS.get(constant.sval.sval)):
        yield "unit", lambda n: setattr(n.a_const.sval, "sval", other), None


def _flip_conjunction(expression: Any) -> None:
    is_and = expression.boolop == pg.BoolExprType.AND_EXPR
    expression.boolop = pg.BoolExprType.OR_EXPR if is_and else pg.BoolExprType.AND_EXPR


def _drop(node: Any, arguments: Any, index: int) -> None:
    """Without one of the arguments; a single one that is left stands by itself."""
    del arguments[index]
    if len(arguments) == 1:
        node.CopyFrom(copy.deepcopy(arguments[0]))


def _negate(node: Any) -> None:
    if node.WhichOneof("node") == "bool_expr" and node.bool_expr.boolop == pg.BoolExprType.NOT_EXPR:
        node.CopyFrom(copy.deepcopy(node.bool_expr.args[0]))
        return
    negated = _expression("not true")
    negated.bool_expr.args[0].CopyFrom(node)
    node.CopyFrom(negated)


def _flip_null_test(test: Any) -> None:
    is_null = test.nulltesttype == pg.NullTestType.IS_NULL
    test.nulltesttype = pg.NullTestType.IS_NOT_NULL if is_null else pg.NullTestType.IS_NULL


def _flip_extreme(extreme: Any) -> None:
    is_greatest = extreme.op == pg.MinMaxOp.IS_GREATEST
    extreme.op = pg.MinMaxOp.IS_LEAST if is_greatest else pg.MinMaxOp.IS_GREATEST


def _flip_membership(expression: Any) -> None:
    _set_operator(expression, "<>" if expression.name[0].string.sval == "=" else "=")


def _set_operator(expression: Any, operator: str) -> None:
    expression.name[-1].string.sval = operator


def _move(node: Any, sign: str) -> None:
    moved = _expression(f"(a {sign} {A_HAIR})")
    moved.a_expr.lexpr.CopyFrom(node)
    node.CopyFrom(moved)


def _value(expression: str) -> Any:
    """What a piece of Jinja comes to, with the vars as they are in the project."""
    environment = jinja2.Environment()
    return environment.compile_expression(expression)(
        var=PROJECT_VARS.__getitem__,
        available_statuses=lambda: [PROJECT_VARS["available_status"]],
        on_call_statuses=lambda: [PROJECT_VARS["on_call_status"]],
        working_statuses=lambda: [PROJECT_VARS[name] for name in WORKING],
    )


def _without_one(values: str) -> list[str]:
    """A Python expression of a list, each time without one member: those written out, the first, the last."""
    tree = ast.parse(values, mode="eval").body
    fewer = [f"({values})[1:]", f"({values})[:-1]"]
    if isinstance(tree, ast.List):
        for index in range(len(tree.elts)):
            kept = [ast.unparse(item) for at, item in enumerate(tree.elts) if at != index]
            fewer.append(f"[{', '.join(kept)}]")
    if isinstance(tree, ast.BinOp):
        fewer += [ast.unparse(tree.left), ast.unparse(tree.right)]
    return fewer
