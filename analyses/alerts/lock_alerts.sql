-- Let one run at a time decide what is sent; the end of the transaction releases it, through any pooler.
-- $1, $2: the lock's two keys.
select pg_catalog.pg_advisory_xact_lock($1::integer, $2::integer)::text as locked
