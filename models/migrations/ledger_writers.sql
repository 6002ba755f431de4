{{ config(tags='catalog') }}
-- One row per privilege to change a table of our ledger, or to make objects in our schemas, that a role beside ours
-- holds, with the statement that takes it away. What the clean-up role needs is no finding; where none is configured,
-- what a role needs that may change the sessions anyhow.
-- $1: the roles that act beside the login role, or null. $2: ROLLCALL_CLEAN_ROLE, or null.
with trusted as (
    {{ trusted_roles('$1') }}
),

objects as (
    select
        n.nspname || '.' || c.relname as object_name,
        '' as columns,
        format('%I.%I', n.nspname, c.relname) as described,
        c.relacl as acl
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'rollcall_ops'
        and c.relkind in ('r', 'p', 'f', 'S')

    union all

    select
        n.nspname || '.' || c.relname || '.' || a.attname as object_name,
        format(' (%I)', a.attname) as columns,
        format('%I.%I', n.nspname, c.relname) as described,
        a.attacl as acl
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'rollcall_ops'
        and c.relkind in ('r', 'p', 'f')
        and not a.attisdropped

    union all

    select
        n.nspname::text as object_name,
        '' as columns,
        format('schema %I', n.nspname) as described,
        n.nspacl as acl
    from pg_catalog.pg_namespace as n
    where n.nspname in ('rollcall', 'rollcall_ops')
),

cleaners as (
    select r.oid as role_oid
    from pg_catalog.pg_roles as r
    where case
            when $2::text is not null then r.rolname = $2::text
            else exists (
                    select 1
                    from pg_catalog.pg_class as c
                    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
                    where n.nspname = {{ literal(var('app_schema')) }}
                        and c.relname = {{ literal(var('sessions_table')) }}
                        and pg_catalog.has_column_privilege(
                            r.oid, c.oid, {{ literal(written_columns()[0]) }}, 'update'
                        )
                )
        end
),

granted as (
    select
        o.object_name,
        o.described,
        o.columns,
        g.grantee,
        g.privilege_type,
        case g.grantee when 0 then 'public' else g.grantee::regrole::text end as grantee_name
    from objects as o
    cross join lateral pg_catalog.aclexplode(o.acl) as g
    where g.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'CREATE')
        and g.grantee not in (select t.role_oid from trusted as t)
)

select
    'ledger_writers' as finding,
    format('%s may %s %s', g.grantee_name, lower(g.privilege_type), g.object_name) as found,
    format('revoke %s%s on %s from %s', lower(g.privilege_type), g.columns, g.described, g.grantee_name) as statement
from granted as g
where not (
        g.grantee in (select c.role_oid from cleaners as c)
        and (g.object_name, g.privilege_type) in (
            ('rollcall_ops.changes', 'INSERT'),
            ('rollcall_ops.change_digests', 'INSERT'),
            ('rollcall_ops.held_sessions', 'INSERT'),
            ('rollcall_ops.held_sessions', 'UPDATE')
        )
    )
order by found
