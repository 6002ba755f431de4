-- One row per finding about the application's tables themselves. $1: ROLLCALL_MIGRATE_ROLE. $2: ROLLCALL_CLEAN_ROLE.
-- the roles that row-level security binds: neither superusers nor owners, unless it is forced
with bound as (
    select
        t.table_name,
        a.role_name,
        string_agg(distinct a.step, ', ' order by a.step) as steps
    from {{ ref('watched_tables') }} as t
    cross join {{ ref('acting_roles') }} as a
    where t.is_root
        and t.has_row_security
        and not a.sees_all_rows
        and (t.forces_row_security or not pg_catalog.pg_has_role(a.role_oid, t.owner_oid, 'usage'))
    group by t.table_name, a.role_name
),

-- columns without a time zone that the server itself fills, in the time zone of the connection
self_filled as (
    select
        t.table_name,
        a.attname as column_name,
        coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ty.typdefault) as default_expression
    from {{ ref('watched_tables') }} as t
    join pg_catalog.pg_attribute as a
        on a.attrelid = t.table_oid
            and not a.attisdropped
    join pg_catalog.pg_type as ty on ty.oid = a.atttypid
    cross join {{ base_type('a.atttypid', 'a.atttypmod') }} as base
    left join pg_catalog.pg_attrdef as d
        on d.adrelid = a.attrelid
            and d.adnum = a.attnum
    where t.is_root
        and base.type_id = 'timestamp without time zone'::regtype
        and t.part in ('sessions', 'calls')
)

select
    'hidden_rows' as finding,
    format('row-level security of %s binds %I (%s)', b.table_name, b.role_name, b.steps) as found,
    format('alter role %I bypassrls', b.role_name) as statement
from bound as b
union all
select distinct
    'row_level_security' as finding,
    format('%s has row-level security; it does not bind us', t.table_name) as found,
    null as statement
from {{ ref('watched_tables') }} as t
where t.is_root
    and t.has_row_security
    and t.table_name not in (select b.table_name from bound as b)
union all
select distinct
    'missing_primary_key' as finding,
    format('%s has no primary key', t.table_name) as found,
    null as statement
from {{ ref('watched_tables') }} as t
where t.is_root
    and not t.has_primary_key
union all
select distinct
    'server_time_zone' as finding,
    format(
        '%s.%I defaults to %s, in the time zone %s of the server', f.table_name, f.column_name,
        f.default_expression, usual.reset_val
    ) as found,
    format(
        'alter database %I set timezone = %L', current_database(), {{ literal(var('app_time_zone')) }}
    ) as statement
from self_filled as f
-- what the role or the database sets, and not what Rollcall sets for itself
join pg_catalog.pg_settings as usual on usual.name = 'TimeZone'
where f.default_expression ~* '^\(?(now\(\)|current_timestamp|localtimestamp|clock_timestamp\(\))'
    and f.default_expression !~* 'time zone [''(]'
    and now() at time zone usual.reset_val <> now() at time zone {{ literal(var('app_time_zone')) }}
