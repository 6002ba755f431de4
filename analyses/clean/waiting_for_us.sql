-- How many sessions wait for a lock that this transaction holds? $1: the server processes of our own connections; one
-- of them that waits is no reason to make room.
select count(*) as waiting
from pg_catalog.pg_locks as l
where not l.granted
    and l.pid <> all($1::int[])
    and pg_catalog.pg_backend_pid() = any(pg_catalog.pg_blocking_pids(l.pid))
