{#
    Roles that could run code with the rights of a run anyhow, so that an object of ours may belong to them: superusers,
    the roles that act, and every member of the owner of the sessions table, which may put a trigger on that table.
    acting: a SQL expression, the names of the roles that act beside the login role; may be null.
#}
{% macro trusted_roles(acting) -%}
    select r.oid as role_oid
    from pg_catalog.pg_roles as r
    where r.rolsuper
        or r.rolname in (current_user, session_user)
        or r.rolname::text = any({{ acting }}::text[])
        or exists (
            select 1
            from pg_catalog.pg_class as c
            join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
            where n.nspname = {{ literal(var('app_schema')) }}
                and c.relname = {{ literal(var('sessions_table')) }}
                and pg_catalog.pg_has_role(r.oid, c.relowner, 'member')
        )
{%- endmacro %}
