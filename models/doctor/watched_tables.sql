-- One row per table of the application, or partition or child of one, and part that it plays: agents, sessions or
-- calls. One table may be configured for several parts.
with recursive members as (
    select
        c.oid as root_oid,
        c.oid as table_oid,
        configured.part,
        c.relispartition as is_partition
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join (
        values
        {% if is_named_table('agents') %}('agents', {{ literal(var('agents_table')) }}),{% endif %}
        {% if is_named_table('call_sessions') %}('calls', {{ literal(var('calls_table')) }}),{% endif %}
        ('sessions', {{ literal(var('sessions_table')) }})
    ) as configured (part, table_name)
        on configured.table_name = c.relname
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relkind in ('r', 'p', 'v')
    union
    select
        m.root_oid,
        i.inhrelid as table_oid,
        m.part,
        child.relispartition as is_partition
    from members as m
    join pg_catalog.pg_inherits as i on i.inhparent = m.table_oid
    join pg_catalog.pg_class as child on child.oid = i.inhrelid
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
    m.table_oid <> m.root_oid and not m.is_partition as is_child,
    format('%I.%I', n.nspname, c.relname) as table_name,
    greatest(c.reltuples, 0)::bigint as estimated_rows,
    exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = c.oid
            and i.indisprimary
    )
    or c.relkind = 'v'{{ or_is_unindexed('c.relname') }} as has_primary_key
from members as m
join pg_catalog.pg_class as c on c.oid = m.table_oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
