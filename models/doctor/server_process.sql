-- One row: the server process that answers this query.
select pg_catalog.pg_backend_pid() as pid
