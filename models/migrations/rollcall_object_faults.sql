{{ config(tags='catalog') }}
-- One row per thing about our schemas and our relations that Rollcall does not make, and that could run the code of
-- another role with the rights of a run: read before the first write. $1: the roles that act beside the login role, or
-- null. $2: names of our relations, `schema.relation`.
with trusted as (
    {{ trusted_roles('$1') }}
),

schemas as (
    select
        n.oid as schema_oid,
        n.nspname::text as object_name,
        n.nspowner as owner_oid
    from pg_catalog.pg_namespace as n
    where n.nspname in ('rollcall', 'rollcall_ops')
),

relations as (
    select
        c.oid as relation_oid,
        s.object_name as schema_name,
        c.relkind,
        c.relowner as owner_oid,
        c.relpersistence,
        c.relacl as acl,
        s.object_name || '.' || c.relname as object_name,
        c.relrowsecurity or c.relforcerowsecurity as has_row_security
    from schemas as s
    join pg_catalog.pg_class as c on c.relnamespace = s.schema_oid
    where s.object_name || '.' || c.relname = any($2::text[])
),

ledger as (
    select
        r.relation_oid,
        r.object_name,
        r.relpersistence,
        r.has_row_security,
        r.acl
    from relations as r
    where r.schema_name = 'rollcall_ops'
        and r.relkind in ('r', 'p', 'f')
),

faults as (
    select
        o.object_name,
        format(
            'it belongs to %s, which is no role of Rollcall and no owner of the sessions table', o.owner_oid::regrole
        ) as reason
    from (
        select
            object_name,
            owner_oid
        from schemas
        union all
        select
            object_name,
            owner_oid
        from relations
    ) as o
    where o.owner_oid not in (select t.role_oid from trusted as t)

    union all

    select
        r.object_name,
        format('it has the trigger %I, which calls %I.%I', g.tgname, n.nspname, p.proname) as reason
    from relations as r
    join pg_catalog.pg_trigger as g on g.tgrelid = r.relation_oid
    join pg_catalog.pg_proc as p on p.oid = g.tgfoid
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where not g.tgisinternal

    union all

    select
        r.object_name,
        format('it has the rule %I', w.rulename) as reason
    from relations as r
    join pg_catalog.pg_rewrite as w on w.ev_class = r.relation_oid
    where w.rulename <> '_RETURN'

    union all

    select
        l.object_name,
        'row-level security is enabled for it' as reason
    from ledger as l
    where l.has_row_security

    union all

    select
        l.object_name,
        format('it has the policy %I', p.polname) as reason
    from ledger as l
    join pg_catalog.pg_policy as p on p.polrelid = l.relation_oid

    union all

    select
        l.object_name,
        'it inherits from another table, or another table inherits from it' as reason
    from ledger as l
    where exists (
            select 1
            from pg_catalog.pg_inherits as i
            where l.relation_oid in (i.inhrelid, i.inhparent)
        )

    union all

    select
        l.object_name,
        'it is unlogged or temporary: a crash of the server would empty it' as reason
    from ledger as l
    where l.relpersistence <> 'p'

    union all

    select
        l.object_name,
        format('it has the constraint %I: %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)) as reason
    from ledger as l
    join pg_catalog.pg_constraint as k on k.conrelid = l.relation_oid
    where k.contype in ('c', 'x', 't')
        or (
            k.contype = 'f'
            and k.confrelid not in (select r.relation_oid from ledger as r)
        )

    union all

    select
        l.object_name,
        format('its column %I is generated', a.attname) as reason
    from ledger as l
    join pg_catalog.pg_attribute as a on a.attrelid = l.relation_oid
    where a.attgenerated <> ''

    union all

    select
        l.object_name,
        d.found as reason
    from ledger as l
    join {{ ref('foreign_dependencies') }} as d on d.table_id = l.relation_oid

    union all

    select
        l.object_name,
        format(
            '%s holds TRIGGER on it, and could let its own code run with the rights of a run',
            case g.grantee when 0 then 'PUBLIC' else g.grantee::regrole::text end
        ) as reason
    from ledger as l
    cross join lateral pg_catalog.aclexplode(l.acl) as g
    where g.privilege_type = 'TRIGGER'
        and g.grantee not in (select t.role_oid from trusted as t)
)

select distinct
    object_name,
    reason
from faults
order by object_name, reason
