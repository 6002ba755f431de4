"""What a role with CREATE in `public` can put in the way of a statement, and how a call of it is noticed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg

MARK = "planted object was called"
WORD = re.compile(r"\b([a-z_][a-z_0-9]*)\s*\(")

PLANT = Path(__file__).with_suffix(".sql")

SOME = """
    create function public.quote_ident(n name) returns text language plpgsql as
    $f$ begin raise warning '{mark}: quote_ident(name)'; return pg_catalog.quote_ident(n::text); end $f$;

    create function public.to_jsonb(s public.agent_sessions) returns jsonb language plpgsql as
    $f$ begin raise warning '{mark}: to_jsonb(agent_sessions)'; return pg_catalog.to_jsonb(s); end $f$;

    create function public.times(n integer, i interval) returns interval language plpgsql as
    $f$ begin raise warning '{mark}: integer * interval'; return n::float8 * i; end $f$;
    create operator public.* (leftarg = integer, rightarg = interval, function = public.times);

"""

DEPENDENTS = """
    select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
    from pg_depend as d
    join pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
    where p.proowner = %s::regrole and d.classid not in ('pg_proc'::regclass, 'pg_operator'::regclass)
    union all
    select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
    from pg_depend as d
    join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
    where o.oprowner = %s::regrole and d.classid not in ('pg_proc'::regclass, 'pg_operator'::regclass)
"""


class Planted:
    """Objects of another role in `public`.

    Args:
        url: of an account that may do everything, with the usual search path.
        role: the attacker, who may create in `public` and no more.
        log: the server's log, where each call leaves a line, whatever becomes of the transaction.
    """

    def __init__(self, url: str, role: str, log: Path) -> None:
        self._url, self._role, self._log = url, role, log
        self._begin = log.stat().st_size

    def plant(self, statements: Iterable[str], *, public_first: bool) -> int:
        """Plant them for every function that the statements call; gives how many there are.

        Args:
            public_first: also what has the same arguments as in pg_catalog.
        """
        names = sorted({name for text in statements for name in WORD.findall(text)})
        with self._connection() as connection:
            connection.execute(f"grant create, usage on schema public to {self._role}")
            connection.execute(f"set role {self._role}")
            text = PLANT.read_text("utf-8").replace("{mark}", MARK).replace("{exact}", str(public_first))
            connection.execute(text.replace("{names}", ", ".join(f"'{name}'" for name in names)))
            row = connection.execute(
                "select pg_catalog.count(*) from pg_catalog.pg_proc where proowner = %s::pg_catalog.regrole",
                [self._role],
            ).fetchone()
        assert row is not None
        self._begin = self._log.stat().st_size
        return int(row[0])

    def plant_some(self) -> None:
        """Plant the few that went unnoticed once: each gives what the one of pg_catalog gives."""
        with self._connection() as connection:
            connection.execute(f"grant create, usage on schema public to {self._role}")
            connection.execute(f"set role {self._role}")
            connection.execute(SOME.replace("{mark}", MARK))
        self._begin = self._log.stat().st_size

    def calls(self) -> set[str]:
        """What was called since it was planted."""
        with self._log.open("rb") as log:
            log.seek(self._begin)
            lines = log.read().decode(errors="replace").splitlines()
        return {line.split("WARNING:")[1].strip() for line in lines if MARK in line and "WARNING:" in line}

    def dependents(self) -> list[Any]:
        """What others made that now depends on it: views, indexes, defaults."""
        with self._connection() as connection:
            return connection.execute(DEPENDENTS, [self._role, self._role]).fetchall()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with contextlib.closing(psycopg.connect(self._url, autocommit=True)) as connection:
            connection.execute("set search_path = pg_catalog")
            yield connection
