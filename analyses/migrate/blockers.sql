-- The sessions that block a server process at this moment, the oldest transaction first. $1: its pid.
-- What a maintenance command does is known from its progress, even where its query may not be seen.
select
    b.pid,
    a.usename::text as user_name,
    a.application_name,
    a.state,
    a.query,
    nullif(a.backend_type, 'client backend') as backend_type,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_seconds,
    case
        when b.pid in (select v.pid from pg_catalog.pg_stat_progress_vacuum as v) then 'VACUUM'
        when b.pid in (select f.pid from pg_catalog.pg_stat_progress_cluster as f) then 'VACUUM FULL or CLUSTER'
        when b.pid in (select n.pid from pg_catalog.pg_stat_progress_analyze as n) then 'ANALYZE'
        when b.pid in (select i.pid from pg_catalog.pg_stat_progress_create_index as i) then 'CREATE INDEX'
    end as maintenance,
    pg_catalog.pg_blocking_pids(b.pid) as waits_for
from unnest(pg_catalog.pg_blocking_pids($1::integer)) as b (pid)
left join pg_catalog.pg_stat_activity as a on a.pid = b.pid
order by a.xact_start
