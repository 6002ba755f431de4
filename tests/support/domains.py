"""The application's columns as domains: what a schema with named types of its own looks like to Rollcall."""

from __future__ import annotations

from tests.support.call_centre import CallCentre

TABLES = ("agents_table", "sessions_table", "calls_table")


def into_domains(centre: CallCentre) -> None:
    """Give every column of the application's tables a domain of its own type.

    Each is a domain over a domain, the inner one with the precision and a CHECK; the outer one of a column
    that is not null is NOT NULL as well. Only the key of a partitioned table keeps its type.
    """
    for var in TABLES:
        columns = centre.rows(
            "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
            f" where attrelid = '{centre.table(var)}'::regclass and attnum > 0 and not attisdropped"
            # no type of a partition key can be changed
            " and attnum <> all(coalesce((select partattrs::int2[] from pg_partitioned_table where partrelid"
            " = attrelid), '{}'))"
        )
        for name, kind, is_required in columns:
            inner, outer = f'"{var}.{name}.inner"', f'"{var}.{name}"'
            centre.rows(f"create domain {inner} as {kind} check (value is null or value::text <> 'never')")
            centre.rows(f"create domain {outer} as {inner} {'not null' if is_required else ''}")
            centre.rows(f'alter table {centre.table(var)} alter column "{name}" type {outer}')
