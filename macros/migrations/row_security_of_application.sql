{# One row: whether a table of the application or a partition of one has row-level security. #}
{% macro row_security_of_application() -%}
    select coalesce(bool_or(c.relrowsecurity), false) as is_enabled
    from pg_catalog.pg_class as root
    join pg_catalog.pg_namespace as n on n.oid = root.relnamespace
    left join lateral pg_catalog.pg_partition_tree(root.oid) as tree on true
    join pg_catalog.pg_class as c on c.oid = coalesce(tree.relid::oid, root.oid)
    where n.nspname = {{ literal(var('app_schema')) }}
        and root.relname in (
            {{ literals(app_table_names()) }}
        )
{%- endmacro %}
