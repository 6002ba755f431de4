-- One row per role with SELECT on a view that applies the policies of its reader, and without a privilege that such a
-- view takes on what it reads: the view refuses the role.
with needed as (
    select distinct
        v.oid as view_oid,
        v.relname::text as view_name,
        v.relacl as acl,
        v.relowner as owner_oid,
        t.oid as relation_oid,
        t.relnamespace as schema_oid
    from pg_catalog.pg_class as v
    join pg_catalog.pg_rewrite as w on w.ev_class = v.oid
    join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_rewrite'::regclass
            and d.objid = w.oid
            and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid <> v.oid
    join pg_catalog.pg_class as t on t.oid = d.refobjid
    where v.relnamespace = to_regnamespace('rollcall')
        and 'security_invoker=true' = any(v.reloptions)
),

refused as (
    select distinct
        g.grantee as role_oid,
        n.view_name
    from needed as n
    cross join lateral pg_catalog.aclexplode(n.acl) as g
    where g.privilege_type = 'SELECT'
        and g.grantee not in (0, n.owner_oid)
        and not (
            pg_catalog.has_schema_privilege(g.grantee, n.schema_oid, 'usage')
            and pg_catalog.has_table_privilege(g.grantee, n.relation_oid, 'select')
        )
)

select
    'refused_reader' as finding,
    null as statement,
    format('%s: %s', r.role_oid::regrole, string_agg(r.view_name, ', ' order by r.view_name)) as found
from refused as r
group by r.role_oid
order by found
