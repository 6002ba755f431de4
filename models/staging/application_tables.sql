-- One row per table of the application: may we read it, does row-level security hide rows from us, has it a key?
select
    c.relname::text as table_name,
    pg_catalog.has_table_privilege(c.oid, 'select')
    and pg_catalog.has_schema_privilege(c.relnamespace, 'usage') as is_readable,
    pg_catalog.row_security_active(c.oid) as is_filtered,
    exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = c.oid
            and i.indisprimary
    )
    or c.relkind = 'v'{{ or_is_unindexed('c.relname') }} as has_primary_key
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = {{ literal(var('app_schema')) }}
    and c.relkind in ('r', 'p', 'v')
    and c.relname in (
        {{ literals(app_table_names()) }}
    )
{% for name in tables_read_beside() %}
    union all
    select
        {{ literal(name) }} as table_name,
        true as is_readable,
        pg_catalog.row_security_active(to_regclass({{ literal(name) }})) as is_filtered,
        true as has_primary_key
{% endfor %}
