-- One row per finding about the roles that the steps take. $1: ROLLCALL_MIGRATE_ROLE. $2: ROLLCALL_CLEAN_ROLE.
with configured as (
    select
        c.variable,
        c.role_name,
        r.oid as role_oid
    from (
        values
        ('ROLLCALL_MIGRATE_ROLE', $1::text),
        ('ROLLCALL_CLEAN_ROLE', $2::text)
    ) as c (variable, role_name)
    left join pg_catalog.pg_roles as r on r.rolname = c.role_name
    where c.role_name is not null
),

-- what the clean-up role holds on the application's tables beyond reading and the three columns that it writes
excess as (
    select
        1 as position,
        a.role_name,
        'is a superuser' as held,
        null as statement
    from {{ ref('acting_roles') }} as a
    where a.step = 'clean'
        and a.is_superuser
    union all
    select
        2 as position,
        a.role_name,
        format('owns %s, directly or as a member of %s', t.table_name, t.owner_oid::regrole) as held,
        null as statement
    from {{ ref('acting_roles') }} as a
    cross join {{ ref('watched_tables') }} as t
    where a.step = 'clean'
        and not a.is_superuser
        and pg_catalog.pg_has_role(a.role_oid, t.owner_oid, 'usage')
    union all
    select
        3 as position,
        a.role_name,
        format('holds %s on %s', p.privilege, t.table_name) as held,
        format('revoke %s on %s from %I', p.privilege, t.table_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join {{ ref('watched_tables') }} as t
    cross join (values ('insert'), ('update'), ('delete'), ('truncate')) as p (privilege)
    where a.step = 'clean'
        and not a.is_superuser
        and not pg_catalog.pg_has_role(a.role_oid, t.owner_oid, 'usage')
        and pg_catalog.has_table_privilege(a.role_oid, t.table_oid, p.privilege)
)

select
    'role_not_usable' as finding,
    format('%s names %I, which does not exist', c.variable, c.role_name) as found,
    format('create role %I nologin', c.role_name) as statement
from configured as c
where c.role_oid is null
union all
select
    'role_not_usable' as finding,
    format('%I may not act as %I (%s)', session_user, c.role_name, c.variable) as found,
    format('grant %I to %I', c.role_name, session_user) as statement
from configured as c
where c.role_oid is not null
    and not pg_catalog.pg_has_role(
        session_user,
        c.role_oid,
        case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end
    )
union all
select
    'no_clean_role' as finding,
    format('ROLLCALL_CLEAN_ROLE is not set: clean works as %I', session_user) as found,
    null as statement
where $2::text is null
union all
select distinct
    'clean_role_too_strong' as finding,
    format('%I %s', e.role_name, e.held) as found,
    e.statement
from excess as e
where $2::text is not null
