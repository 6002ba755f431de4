{#
    One row per privilege that the default privileges of a role gave away on a new object of ours, as the statement that
    takes it back. Reading stays: of our views for every grantee, of our ledger for named roles, never for PUBLIC.
    names: a SQL expression, names of the new objects: `schema.relation`, or `schema` for a schema.
#}
{% macro default_grants(names) -%}
    select
        format(
            'revoke %s on %s from %s',
            lower(g.privilege_type),
            o.described,
            case g.grantee when 0 then 'public' else g.grantee::regrole::text end
        ) as statement
    from (
        select
            n.nspname as schema_name,
            format('%I.%I', n.nspname, c.relname) as described,
            c.relowner as owner_oid,
            c.relacl as acl
        from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where n.nspname || '.' || c.relname = any({{ names }}::text[])

        union all

        select
            n.nspname as schema_name,
            format('schema %I', n.nspname) as described,
            n.nspowner as owner_oid,
            n.nspacl as acl
        from pg_catalog.pg_namespace as n
        where n.nspname::text = any({{ names }}::text[])
    ) as o
    cross join lateral pg_catalog.aclexplode(o.acl) as g
    where g.grantee <> o.owner_oid
        and not (
            g.privilege_type in ('SELECT', 'USAGE')
            and (g.grantee <> 0 or o.schema_name = 'rollcall')
        )
    order by statement
{%- endmacro %}
