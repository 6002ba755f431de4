-- One row per finding about publications, subscriptions, replicas and replication slots.
-- $1: tolerable lag in seconds. $2: tolerable lag in bytes. $3: transactions after which a snapshot is an old one.
{%- set declared = [
    var('sessions_last_heartbeat_column'),
    var('sessions_device_connected_column'),
    var('sessions_max_concurrent_calls_column'),
] %}
with published as (
    select
        t.part,
        t.root_oid,
        t.is_root,
        t.table_name,
        p.pubname as publication
    from {{ ref('watched_tables') }} as t
    join {{ ref('watched_tables') }} as family on family.root_oid = t.root_oid
    join pg_catalog.pg_publication_tables as m on format('%I.%I', m.schemaname, m.tablename) = family.table_name
    join pg_catalog.pg_publication as p on p.pubname = m.pubname
),

position as (
    select
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end as lsn
)

select distinct
    'published_table' as finding,
    format('%s is published by %I', p.table_name, p.publication) as found,
    null as statement
from published as p
where p.is_root
union all
select distinct
    'subscriber_without_columns' as finding,
    format('%s is published by %I and has no column %I yet', p.table_name, p.publication, d.column_name) as found,
    null as statement
from published as p
cross join unnest(array[{{ literals(declared) }}]) as d (column_name)
where p.is_root
    and p.part = 'sessions'
    and not exists (
        select 1
        from pg_catalog.pg_attribute as a
        where a.attrelid = p.root_oid
            and a.attname = d.column_name
            and not a.attisdropped
    )
union all
select
    'publication_of_all_tables' as finding,
    format('%I publishes all tables of the database', p.pubname) as found,
    null as statement
from pg_catalog.pg_publication as p
where p.puballtables
union all
select distinct
    'subscribed_table' as finding,
    format('%s is filled by a subscription', t.table_name) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_subscription_rel as s on s.srrelid = t.table_oid
union all
select
    'replica_lag' as finding,
    format(
        'replica %s is behind by %s of WAL, %s seconds when it last answered',
        coalesce(nullif(r.application_name, ''), r.pid::text),
        pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(position.lsn, r.replay_lsn)),
        coalesce(round(extract(epoch from r.replay_lag))::text, 'unknown')
    ) as found,
    null as statement
from pg_catalog.pg_stat_replication as r
cross join position
where r.replay_lag > $1 * interval '1 second'
    or pg_catalog.pg_wal_lsn_diff(position.lsn, r.replay_lsn) > $2
union all
select
    'replica_snapshot' as finding,
    format(
        'replica %s holds a snapshot that is %s transactions old',
        coalesce(nullif(r.application_name, ''), r.pid::text),
        age(r.backend_xmin)
    ) as found,
    null as statement
from pg_catalog.pg_stat_replication as r
where age(r.backend_xmin) > $3
union all
select
    'synchronous_replica' as finding,
    format('replica %s is synchronous', coalesce(nullif(r.application_name, ''), r.pid::text)) as found,
    null as statement
from pg_catalog.pg_stat_replication as r
where r.sync_state in ('sync', 'quorum')
union all
select
    'idle_replication_slot' as finding,
    format(
        '%s slot %I is not in use and keeps %s of WAL',
        s.slot_type,
        s.slot_name,
        coalesce(pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(position.lsn, s.restart_lsn)), 'none')
    ) as found,
    null as statement
from pg_catalog.pg_replication_slots as s
cross join position
where not s.active
    and (s.database = current_database() or s.database is null)
order by finding, found
