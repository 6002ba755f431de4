-- One row per view of ours, with what is granted on it: a view whose comment ends with the digest of its definition.
select
    n.nspname::text as schema_name,
    c.relname::text as view_name,
    coalesce(g.grants, '{}') as grants
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join lateral (
    select
        array_agg(
            'grant ' || lower(a.privilege_type)
            || ' on ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            || ' to ' || case a.grantee when 0 then 'public' else a.grantee::regrole::text end
            || case when a.is_grantable then ' with grant option' else '' end
            order by a.grantee, a.privilege_type
        ) as grants
    from aclexplode(c.relacl) as a
    where a.grantee <> c.relowner
) as g on true
where n.nspname = 'rollcall'
    and c.relkind = 'v'
    and pg_catalog.obj_description(c.oid, 'pg_class') ~ '\[definition [0-9a-f]+\]$'
order by n.nspname, c.relname
