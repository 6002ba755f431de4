-- One row per index of the application's tables that is invalid, or that is being built now.
with building as (
    select
        b.index_relid as index_oid,
        b.pid,
        b.phase
    from pg_catalog.pg_stat_progress_create_index as b
    where b.datname = current_database()
)

select distinct
    case when b.pid is null then 'invalid_index' else 'index_being_built' end as finding,
    case
        when b.pid is null then format('%I.%I on %s', n.nspname, c.relname, t.table_name)
        else format('%I.%I on %s by server process %s (%s)', n.nspname, c.relname, t.table_name, b.pid, b.phase)
    end as found,
    case
        when b.pid is null
            then format(
                    'drop index %s%I.%I',
                    case when c.relkind = 'i' then 'concurrently ' else '' end,
                    n.nspname,
                    c.relname
                )
    end as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_index as i on i.indrelid = t.table_oid
join pg_catalog.pg_class as c on c.oid = i.indexrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join building as b on b.index_oid = i.indexrelid
where not i.indisvalid
order by finding, found
