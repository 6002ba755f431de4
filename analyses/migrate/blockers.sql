-- Whom a server process waits for at this moment, the oldest transaction first. $1: its pid.
select
    b.pid,
    a.usename::text as user_name,
    a.application_name,
    a.state,
    a.query,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_seconds
from unnest(pg_catalog.pg_blocking_pids($1::integer)) as b (pid)
left join pg_catalog.pg_stat_activity as a on a.pid = b.pid
order by a.xact_start
