-- Sets PostgreSQL's settings. Every name is qualified: at the start of a connection the search path is not ours.
-- $1: names. $2: their values, in the same order. $3: for this transaction alone?
select
    pg_catalog.set_config(
        ($1::pg_catalog.text[])[wanted.position], ($2::pg_catalog.text[])[wanted.position], $3::pg_catalog.bool
    ) as applied
from pg_catalog.generate_series(1, pg_catalog.cardinality($1::pg_catalog.text[])) as wanted (position)
