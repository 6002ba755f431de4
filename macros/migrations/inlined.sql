{#
    dbt turns an ephemeral model into a CTE, and PostgreSQL materializes a CTE that is read twice: the whole history
    would be written to disk. An ephemeral model of ours is meant to be read like a view, so it says so.
    Used by the materialization and, rendered by itself, before Rollcall runs compiled SQL.
#}
{% macro inlined(definition) -%}
    {{ modules.re.sub('(__dbt__cte__[a-z_]+) as [(]', '\\1 as not materialized (', definition) }}
{%- endmacro %}
