"""The rules' unit tests without dbt: one query each, so that hundreds of changed rules can be put to them.

A unit test of dbt gives a model its inputs as rows and says what comes out. Here the inputs become
common table expressions, the model is rendered with our own macros (any of which may be replaced),
and PostgreSQL answers. dbt itself runs the same tests, unchanged, in `test_dbt_project.py`.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jinja2
import psycopg
import yaml
from psycopg import sql

from tests.support.paths import ROOT

PROJECT_VARS: Mapping[str, Any] = yaml.safe_load((ROOT / "dbt_project.yml").read_text("utf-8"))["vars"]
UNIT_TESTS = ROOT / "models/assessed/unit_tests"
MACRO_FOLDERS = ("rules", "assessed", "staging", "unit_tests")
TIMESTAMPTZ = 1184  # PostgreSQL's number of the type


@dataclass(frozen=True)
class UnitTest:
    """One of dbt's unit tests: what is given by relation, and the rows that are expected.

    Attributes:
        left_out: keys of rows that are neither expected nor looked at.
    """

    name: str
    model: str
    given: Mapping[str, str]
    variables: Mapping[str, Any]
    expected: tuple[Mapping[str, Any], ...]
    left_out: frozenset[str] = frozenset()

    def without(self, key: str) -> UnitTest:
        """The same test without one of its cases."""
        kept = tuple(row for row in self.expected if key not in row.values())
        assert len(kept) == len(self.expected) - 1, f"{self.name} expects no {key}"
        return replace(self, expected=kept, left_out=self.left_out | {key})


def unit_tests(name: str) -> tuple[UnitTest, ...]:
    """The tests of one file, `models/assessed/unit_tests/<name>.yml`."""
    document = yaml.safe_load((UNIT_TESTS / f"{name}.yml").read_text("utf-8"))
    return tuple(
        UnitTest(
            name=test["name"],
            model=test["model"],
            given={_referred(given["input"]): given["rows"] for given in test["given"]},
            variables=test.get("overrides", {}).get("vars", {}),
            expected=tuple(test["expect"]["rows"]),
        )
        for test in document["unit_tests"]
    )


class Harness:
    """Our macros and models, and a server that runs them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._jinja = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
        self._vars: Mapping[str, Any] = {}
        self._macros: dict[str, Any] = {}
        self._given_rows: dict[str, str] = {}
        folders = [ROOT / "macros" / folder for folder in MACRO_FOLDERS]
        sources = [path.read_text("utf-8") for folder in folders for path in folder.glob("*.sql")]
        self._globals: dict[str, Any] = {
            "var": lambda name: self._vars[name],
            "ref": lambda name: f"given_{name}",
            "return": _return,
            "execute": False,  # no catalog is at hand
        }
        for source in sources:
            self._globals |= {name: self._caller(name) for name in _names(source)}
        for source in sources:
            self._macros |= self._compiled(source)
        self._models = {
            path.stem: self._jinja.from_string(path.read_text("utf-8"), globals=self._globals)
            for path in (ROOT / "models/assessed").glob("*.sql")
        }

    @contextlib.contextmanager
    def changed(self, name: str, source: str) -> Iterator[None]:
        """While the block runs the macro is that of this source, a file of macros."""
        usual = self._macros[name]
        self._macros[name] = self._compiled(source)[name]
        try:
            yield
        finally:
            self._macros[name] = usual

    def passes(self, test: UnitTest) -> bool:
        """Whether just the expected rows come out, as far as their columns say.

        Raises:
            psycopg.Error: the server cannot run the model.
        """
        columns = list(dict.fromkeys(column for row in test.expected for column in row))
        cursor = self._connection.execute(sql.SQL(self._query(test, columns)))  # type: ignore[arg-type]
        found = [row for row in cursor.fetchall() if not test.left_out & set(map(str, row))]
        types = [column.type_code for column in cursor.description or ()]
        expected = [
            tuple(self._value(row.get(name), oid) for name, oid in zip(columns, types, strict=True))
            for row in test.expected
        ]
        return Counter(found) == Counter(expected)

    def _query(self, test: UnitTest, columns: list[str]) -> str:
        self._vars = {**PROJECT_VARS, **test.variables}
        given = ", ".join(
            f"given_{name} as (select * from ({self._rows(rows)}) as r)" for name, rows in test.given.items()
        )
        model = self._models[test.model].render()
        return f"with {given} select {', '.join(columns)} from ({model}\n) as judged"

    def _rows(self, rows: str) -> str:
        """Rendered twice, as dbt does: what is raw in the file calls macros of ours."""
        key = f"{rows}{self._vars}"
        if key not in self._given_rows:
            once = self._jinja.from_string(rows).render()
            self._given_rows[key] = self._jinja.from_string(once, globals=self._globals).render()
        return self._given_rows[key]

    def _value(self, value: Any, type_code: int) -> Any:
        """An expected value as the server would give it."""
        if type_code != TIMESTAMPTZ or value is None:
            return value
        row = self._connection.execute("select %s::timestamptz", [value]).fetchone()
        assert row is not None
        return row[0]

    def _caller(self, name: str) -> Any:
        """What others call: looked up late, so that a changed macro is the one that is called."""

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return self._macros[name](*arguments, **named)
            except _ReturnedError as returned:
                return returned.value

        return call

    def _compiled(self, source: str) -> dict[str, Any]:
        module = self._jinja.from_string(source, globals=self._globals).module
        return {name: getattr(module, name) for name in _names(source)}


class _ReturnedError(Exception):
    """How `return()` leaves a macro, as in dbt."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _return(value: Any) -> None:
    raise _ReturnedError(value)


def _names(source: str) -> list[str]:
    return re.findall(r"{%-? macro (\w+)\(", source)


def _referred(reference: str) -> str:
    """`ref('clock')` is clock."""
    return reference.split("'")[1]
