-- One row per schema of ours, with what is granted on it, and what in it is not in a list. $1: names of relations.
select
    n.nspname::text as schema_name,
    coalesce(g.grants, '{}') as grants,
    coalesce(f.foreign_objects, '{}') as foreign_objects
from pg_catalog.pg_namespace as n
left join lateral (
    select
        array_agg(
            'grant ' || lower(a.privilege_type) || ' on schema ' || quote_ident(n.nspname)
            || ' to ' || case a.grantee when 0 then 'public' else a.grantee::regrole::text end
            order by a.grantee, a.privilege_type
        ) as grants
    from aclexplode(n.nspacl) as a
    where a.grantee <> n.nspowner
) as g on true
left join lateral (
    select array_agg(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)) as foreign_objects
    from pg_catalog.pg_depend as d
    left join pg_catalog.pg_class as c
        on d.classid = 'pg_catalog.pg_class'::regclass
            and c.oid = d.objid
    where d.refclassid = 'pg_catalog.pg_namespace'::regclass
        and d.refobjid = n.oid
        and coalesce(n.nspname || '.' || c.relname <> all($1::text[]), true)
) as f on true
where n.nspname in ('rollcall', 'rollcall_ops')
order by n.nspname
