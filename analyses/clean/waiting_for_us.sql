-- How many sessions wait for a lock that this transaction holds?
select count(*) as waiting
from pg_catalog.pg_locks as l
where not l.granted
    and pg_catalog.pg_backend_pid() = any(pg_catalog.pg_blocking_pids(l.pid))
