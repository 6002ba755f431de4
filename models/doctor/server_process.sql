-- One row: the server process that answers this query. The pooler check runs it before any setting is in force.
select pg_catalog.pg_backend_pid() as pid
