-- One row per table of the application and per partition of one; `part` says which of the three it belongs to.
with recursive members as (
    select
        c.oid as root_oid,
        c.oid as table_oid,
        case c.relname
            when {{ literal(var('agents_table')) }} then 'agents'
            when {{ literal(var('sessions_table')) }} then 'sessions'
            else 'calls'
        end as part
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relkind in ('r', 'p')
        and c.relname in (
            {{ literals([var('agents_table'), var('sessions_table'), var('calls_table')]) }}
        )
    union all
    select
        m.root_oid,
        i.inhrelid as table_oid,
        m.part
    from members as m
    join pg_catalog.pg_inherits as i on i.inhparent = m.table_oid
)

select
    m.part,
    m.root_oid,
    m.table_oid,
    c.relkind as kind,
    c.relnamespace as schema_oid,
    c.relowner as owner_oid,
    c.relrowsecurity as has_row_security,
    c.relforcerowsecurity as forces_row_security,
    c.relreplident as replica_identity,
    m.table_oid = m.root_oid as is_root,
    format('%I.%I', n.nspname, c.relname) as table_name,
    greatest(c.reltuples, 0)::bigint as estimated_rows,
    exists(
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = c.oid
            and i.indisprimary
    ) as has_primary_key
from members as m
join pg_catalog.pg_class as c on c.oid = m.table_oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
