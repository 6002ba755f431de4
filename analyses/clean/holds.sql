-- One row per reason to wait before the next batch, in words. Nothing to wait for: no row.
-- What we may not see (replicas, without pg_monitor) holds nothing; `rollcall doctor` says so.
with sessions_tables as (
    select c.oid
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname = {{ literal(var('sessions_table')) }}

    union

    select i.inhrelid
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhparent
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname = {{ literal(var('sessions_table')) }}
),

waiting as (
    select
        count(distinct l.pid) as sessions,
        count(*) filter (where t.oid is not null and l.mode = 'ShareUpdateExclusiveLock') as vacuums,
        count(*) filter (where t.oid is not null and l.mode <> 'ShareUpdateExclusiveLock') as on_the_table
    from pg_catalog.pg_locks as l
    -- locks on the whole table alone: a queue for one row does not stop the other rows
    left join sessions_tables as t
        on t.oid = l.relation
            and l.locktype = 'relation'
    where not l.granted
        and l.locktype <> 'advisory'
        and (l.database is null or l.database = (
            select d.oid
            from pg_catalog.pg_database as d
            where d.datname = current_database()
        ))
),

replicas as (
    select max(extract(epoch from r.replay_lag)) as lag_seconds
    from pg_catalog.pg_stat_replication as r
)

select 'paused: flag ' || f.name || ' is on, set by ' || f.changed_by as reason
from {{ ref('flags') }} as f
where f.name = 'pause_cleaning'
    and f.is_on

union all

select 'a vacuum or an index build waits for ' || {{ literal(var('sessions_table')) }} as reason
from waiting
where vacuums > 0

union all

select
    'a statement waits for a lock on ' || {{ literal(var('sessions_table')) }} as reason
from waiting
where on_the_table > 0

union all

select sessions || ' sessions wait for locks' as reason
from waiting
where sessions >= {{ var('waiting_sessions_max') }}

union all

select 'a replica is ' || round(lag_seconds) || ' s behind' as reason
from replicas
where lag_seconds > {{ var('replica_lag_max_seconds') }}
