-- One row per statement that makes the roles and gives each what it needs, no more, in order.
-- $1: read-only role. $2: migrate role. $3: clean-up role. $4: role of analysts, with the views alone. $5: readers of
-- the views where the tables have policies: a view then reads with the rights of its reader, who needs those on the
-- tables. The roles need not exist yet.
with names as (
    select
        format('%I', $1::text) as reader,
        format('%I', $2::text) as migrator,
        format('%I', $3::text) as cleaner,
        format('%I', $4::text) as analyst,
        format('%I', $5::text) as viewer,
        {{ literal(quoted(var('app_schema'))) }} as app_schema
),

tables as (
    select
        max(t.table_name) filter (where t.part = 'sessions') as sessions,
        string_agg(distinct t.table_name, ', ' order by t.table_name){{ and_tables_read_beside() }} as all_tables
    from {{ ref('watched_tables') }} as t
    where t.is_root
),

owners as (
    select distinct
        o.rolname as owner_name,
        case when o.rolsuper then t.table_name end as table_name
    from {{ ref('watched_tables') }} as t
    join pg_catalog.pg_roles as o on o.oid = t.owner_oid
    where t.part in ('sessions', 'calls')
        and t.kind <> 'v'
        and o.rolname <> $2::text
),

own_schemas as (
    select
        s.position,
        s.schema_name,
        n.oid is not null as is_there
    from (values (0, 'rollcall'), (1, 'rollcall_ops')) as s (position, schema_name)
    left join pg_catalog.pg_namespace as n on n.nspname = s.schema_name
),

readers as (
    select
        60 as position,
        $4::text as role_name,
        names.analyst as reader,
        case
            when security.is_enabled and security.views_can_apply_it
                then 'analyst: query the views; those that apply policies refuse this role'
            else 'analyst: query the views'
        end as section,
        false as applies_policies
    from names
    cross join {{ ref('row_security') }} as security
    union all
    select
        70 as position,
        $5::text as role_name,
        names.viewer as reader,
        'query the views, which apply policies; print these again after the first migration' as section,
        true as applies_policies
    from names
    cross join {{ ref('row_security') }} as security
    where security.is_enabled
        and security.views_can_apply_it
),

statements as (
    select
        10 as position,
        'read: assess, plan, verify, doctor' as section,
        'create role ' || names.reader || ' nologin' as statement
    from names
    where not exists (
            select 1
            from pg_catalog.pg_roles
                    as r
            where r.rolname = $1
        )
    union all
    select
        11 as position,
        'read: assess, plan, verify, doctor' as section,
        'grant usage on schema ' || names.app_schema || ' to ' || names.reader as statement
    from names
    union all
    select
        12 as position,
        'read: assess, plan, verify, doctor' as section,
        'grant select on ' || tables.all_tables || ' to ' || names.reader as statement
    from names
    cross join tables
    union all
    select
        20 as position,
        'migrate' as section,
        'create role ' || names.migrator || ' nologin' as statement
    from names
    where not exists (
            select 1
            from pg_catalog.pg_roles
                    as r
            where r.rolname = $2
        )
    union all
    select
        21 as position,
        'migrate' as section,
        coalesce(
            'alter table ' || owners.table_name || ' owner to ' || names.migrator,
            format('grant %I to ', owners.owner_name) || names.migrator
        ) as statement
    from names
    cross join owners
    union all
    select
        22 as position,
        'migrate' as section,
        'grant usage, create on schema ' || names.app_schema || ' to ' || names.migrator as statement
    from names
    union all
    select
        23 as position,
        'migrate' as section,
        'grant select on ' || tables.all_tables || ' to ' || names.migrator as statement
    from names
    cross join tables
    union all
    select
        24 + s.position as position,
        'migrate' as section,
        case
            when s.is_there then format('grant usage, create on schema %I to ', s.schema_name) || names.migrator
            else format('create schema %I authorization ', s.schema_name) || names.migrator
        end as statement
    from names
    cross join own_schemas as s
    union all
    select
        30 as position,
        'clean' as section,
        'create role ' || names.cleaner || ' nologin' as statement
    from names
    where not exists (
            select 1
            from pg_catalog.pg_roles
                    as r
            where r.rolname = $3
        )
    union all
    select
        31 as position,
        'clean' as section,
        'grant usage on schema ' || names.app_schema || ' to ' || names.cleaner as statement
    from names
    union all
    select
        32 as position,
        'clean' as section,
        'grant select on ' || tables.all_tables || ' to ' || names.cleaner as statement
    from names
    cross join tables
    union all
    select
        33 as position,
        'clean' as section,
        'grant update (' || {{ literal(
            quoted_names(written_columns())
        ) }} || ') on ' || tables.sessions || ' to ' || names.cleaner as statement
    from names
    cross join tables{{ ' where false' if var('read_only') }}
    union all
    select
        40 + s.position as position,
        'read what migrate makes: our views and our ledger' as section,
        format('grant usage on schema %I to ', s.schema_name) || names.reader as statement
    from names
    cross join own_schemas as s
    union all
    select
        42 + s.position as position,
        'read what migrate makes: our views and our ledger' as section,
        'alter default privileges for role ' || names.migrator || format(' in schema %I', s.schema_name)
        || ' grant select on tables to ' || names.reader as statement
    from names
    cross join own_schemas as s
    union all
    select
        45 + s.position as position,
        'read what migrate made already' as section,
        format('grant select on all tables in schema %I to ', s.schema_name) || names.reader as statement
    from names
    cross join own_schemas as s
    where s.is_there
    union all
    select
        r.position,
        r.section,
        'create role ' || r.reader || ' nologin' as statement
    from readers as r
    where not exists (
            select 1
            from pg_catalog.pg_roles as existing
            where existing.rolname = r.role_name
        )
    union all
    select
        r.position + 1 as position,
        r.section,
        'grant usage on schema rollcall to ' || r.reader as statement
    from readers as r
    union all
    select
        r.position + 2 as position,
        r.section,
        'alter default privileges for role ' || names.migrator || ' in schema rollcall grant select on tables to '
        || r.reader as statement
    from names
    cross join readers as r
    union all
    select
        r.position + 3 as position,
        r.section,
        'grant select on all tables in schema rollcall to ' || r.reader as statement
    from readers as r
    cross join own_schemas as s
    where s.schema_name = 'rollcall'
        and s.is_there
    union all
    select
        r.position + 4 as position,
        r.section,
        'grant usage on schema ' || names.app_schema || ', rollcall_ops to ' || r.reader as statement
    from names
    cross join readers as r
    where r.applies_policies
    union all
    select
        r.position + 5 as position,
        r.section,
        'grant select on ' || tables.all_tables || ' to ' || r.reader as statement
    from tables
    cross join readers as r
    where r.applies_policies
    union all
    select
        r.position + 6 as position,
        r.section,
        'grant select on rollcall_ops.flags to ' || r.reader as statement
    from readers as r
    join {{ ref('deployed_relations') }} as d
        on d.schema_name = 'rollcall_ops'
            and d.relation_name = 'flags'
    where r.applies_policies
    union all
    select
        50 as position,
        'log in' as section,
        'grant ' || names.reader || ', ' || names.migrator || ', ' || names.cleaner
        || case when r.rolsuper then ' to "YOUR LOGIN ROLE"' else format(' to %I', r.rolname) end as statement
    from names
    cross join pg_catalog.pg_roles as r
    where r.rolname = session_user
)

select
    section,
    statement
from statements
order by position, statement
