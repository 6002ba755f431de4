-- How far the build of an index is. $1: the pid of the server process that builds it, or null for whichever does.
-- $2: schema, and $3: name of the index.
select
    p.pid,
    p.phase,
    p.lockers_total,
    p.lockers_done,
    case
        when p.tuples_total > 0 then round(100.0 * p.tuples_done / p.tuples_total)::integer
        when p.blocks_total > 0 then round(100.0 * p.blocks_done / p.blocks_total)::integer
    end as percent_done
from pg_catalog.pg_stat_progress_create_index as p
left join pg_catalog.pg_class as c on c.oid = p.index_relid
left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where p.datname = current_database()
    and (p.pid = $1::integer or n.nspname = $2::text and c.relname = $3::text)
