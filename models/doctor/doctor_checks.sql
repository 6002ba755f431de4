-- One row per CHECK constraint that may refuse a repair, and that cannot be evaluated beforehand: it reads several
-- columns or the logout, or it runs a function of the table's owner.
with recursive written as (
    select
        t.table_oid,
        t.table_name,
        a.attnum,
        a.attname,
        a.atttypid,
        a.attname = {{ literal(mapping_of('sessions_logout_at_column')['column'] or '') }} as is_logout
    from {{ ref('watched_tables') }} as t
    join pg_catalog.pg_attribute as a on a.attrelid = t.table_oid
    where t.part = 'sessions'
        and t.is_root
        and a.attname in ({{ literals(written_columns()) }}){{ ' and false' if var('read_only') }}
),

-- a domain over another one has the constraints of both
domains as (
    select
        w.table_name,
        w.attname,
        w.is_logout,
        w.atttypid as type_id
    from written as w
    union all
    select
        d.table_name,
        d.attname,
        d.is_logout,
        t.typbasetype as type_id
    from domains as d
    join pg_catalog.pg_type as t on t.oid = d.type_id
    where t.typtype = 'd'
)

select distinct
    'check_not_judged' as finding,
    format('%I on %s: %s', k.conname, w.table_name, pg_catalog.pg_get_constraintdef(k.oid)) as found,
    null as statement
from written as w
join pg_catalog.pg_constraint as k on k.conrelid = w.table_oid and w.attnum = any(k.conkey)
where k.contype = 'c'
    and (w.is_logout or cardinality(k.conkey) > 1 or {{ runs_other_functions('k') }})
    -- since PostgreSQL 18 a constraint need not be enforced
    and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
union
select
    'check_not_judged' as finding,
    format(
        '%I of the domain of %s.%I: %s',
        k.conname, d.table_name, d.attname, pg_catalog.pg_get_constraintdef(k.oid)
    ) as found,
    null as statement
from domains as d
join pg_catalog.pg_constraint as k on k.contypid = d.type_id
where k.contype = 'c'
    and (d.is_logout or {{ runs_other_functions('k') }})
order by finding, found
