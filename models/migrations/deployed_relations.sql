{{ config(tags='catalog') }}
-- One row per relation in our own schemas, as deployed; a view's comment ends with the digest of its definition.
select
    n.nspname::text as schema_name,
    c.relname::text as relation_name,
    c.relkind::text as relation_kind,
    coalesce('security_invoker=true' = any(c.reloptions), false) as is_invoker,
    substring(pg_catalog.obj_description(c.oid, 'pg_class') from '\[definition ([0-9a-f]+)\]') as definition_digest,
    (
        select coalesce(jsonb_object_agg(a.attname, t.typname), '{}')
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_type as t on t.oid = a.atttypid
        where a.attrelid = c.oid
            and a.attnum > 0
            and not a.attisdropped
    ) as columns
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('rollcall', 'rollcall_ops')
