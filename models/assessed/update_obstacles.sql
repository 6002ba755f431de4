{%- set columns = app_columns('agent_sessions') -%}
{%- set status = mapping_of('sessions_status_column') -%}
{%- set labels = columns.get(status['column'], {}).get('labels') -%}
{%- set written = [var('closed_status'), available_statuses()[0], break_statuses()[0]] %}
-- One row per obstacle to every repair, whichever session it is, from the catalog alone: PostgreSQL would refuse what
-- a repair writes, or a key may name several rows. Each is a rule of `data_trustworthy` and a finding of `doctor`.
with keys as (
    select
        part,
        column_name
    from (
        values
        ('agents', {{ literal(key_name('agents_id_column')) }}),
        ('sessions', {{ literal(key_name('sessions_id_column')) }}),
        ('calls', {{ literal(key_name('calls_id_column')) }})
    ) as configured (part, column_name)
),

published as (
    select distinct
        t.table_oid,
        t.table_name,
        t.replica_identity,
        p.pubname as publication,
        exists(
            select 1
            from pg_catalog.pg_index as k
            where k.indrelid = t.table_oid
                and k.indisprimary
                and k.indimmediate
                and k.indisvalid
        ) as has_key
    from {{ ref('watched_tables') }} as t
    -- a partition is published with the table that it belongs to
    join {{ ref('watched_tables') }} as family
        on family.table_oid = t.table_oid
            or family.table_oid in (select a.relid from pg_catalog.pg_partition_ancestors(t.table_oid) as a)
    join pg_catalog.pg_publication_tables as m on format('%I.%I', m.schemaname, m.tablename) = family.table_name
    join pg_catalog.pg_publication as p on p.pubname = m.pubname
    where t.part = 'sessions'
        and t.kind = 'r'
        and p.pubupdate
)

select
    'missing_replica_identity' as finding,
    p.table_name,
    p.publication::text as name,
    format('%s is published by %I without a replica identity', p.table_name, p.publication) as found,
    -- the key where there is one: `full` writes every old row into the log
    format(
        'alter table %s replica identity %s', p.table_name, case when p.has_key then 'default' else 'full' end
    ) as statement
from published as p
where p.replica_identity = 'n'
    or (p.replica_identity = 'd' and not p.has_key)
    or (
        p.replica_identity = 'i'
        and not exists (
            select 1
            from pg_catalog.pg_index as i
            where i.indrelid = p.table_oid
                and i.indisreplident
                and i.indisvalid
        )
    )
union all
select
    'session_update_rule' as finding,
    t.table_name,
    r.rulename::text as name,
    format('%I on %s, on update', r.rulename, t.table_name) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_rewrite as r on r.ev_class = t.table_oid
where t.part = 'sessions'
    and t.is_root
    and r.ev_enabled in ('O', 'A')
    and r.ev_type = '2'
union all
select
    'status_not_in_enum' as finding,
    t.table_name,
    s.status as name,
    format('the enum of %s.%I has no label %s', t.table_name, {{ literal(status['column'] or '') }}, s.status)
        as found,
    null as statement
from {{ ref('watched_tables') }} as t
cross join unnest(array[{{ literals(raw_values(status['values'], written)) }}]) as s (status)
where t.is_root
    and t.part = 'sessions'
    and {{ 'true' if labels else 'false' }}
    and s.status not in ({{ literals(labels or []) }})
union all
select
    t.part || '_key_not_unique' as finding,
    t.table_name,
    k.column_name as name,
    format('%s.%I has no unique index of its own', t.table_name, k.column_name) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join keys as k on k.part = t.part
join pg_catalog.pg_attribute as a
    on a.attrelid = t.table_oid
        and a.attname = k.column_name
where t.is_root
    and t.kind <> 'v'{{ ' and t.part not in (' ~ literals(var('unindexed_keys')) ~ ')' if var('unindexed_keys') }}
    and t.has_primary_key -- a table without one is named for that
    and not exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = t.table_oid
            and i.indisunique
            and i.indisvalid
            and i.indpred is null
            and a.attnum = any(i.indkey::smallint[])
            -- the unique index of a partitioned table has to have the partition key as well
            and (i.indnkeyatts = 1 or t.kind = 'p')
    )
{% for part in var('unindexed_keys') %}
    union all
    select
        {{ literal(part ~ '_key_not_unique') }} as finding,
        {{ literal(var(part ~ '_table')) }} as table_name,
        {{ literal(key_name(part ~ '_id_column')) }} as name,
        format('%s rows have the key %s', count(*), counted.key) as found,
        null as statement
    from (
        select {{ quoted(key_name(part ~ '_id_column')) }}::text as key
        from {{ source('application', source_of(part)) }}
    ) as counted
    group by counted.key
    having count(*) > 1 or counted.key is null
{% endfor %}
union all
select distinct
    'child_table' as finding,
    t.table_name,
    parent.oid::regclass::text as name,
    format('%s inherits from %I.%I', t.table_name, n.nspname, parent.relname) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_inherits as i on i.inhrelid = t.table_oid
join {{ ref('watched_tables') }} as family
    on family.table_oid = i.inhparent
        and family.root_oid = t.root_oid
join pg_catalog.pg_class as parent on parent.oid = i.inhparent
join pg_catalog.pg_namespace as n on n.oid = parent.relnamespace
where t.is_child
order by finding, found
