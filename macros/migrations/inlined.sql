{#
    dbt turns an ephemeral model into a CTE, and PostgreSQL materializes a CTE that is read twice: the whole history
    would be written to disk. An ephemeral model of ours is meant to be read like a view, so it says so. Two exceptions:
    read_calls, whose one pass over the calls serves several models; and what a statement names in a line
    `-- read once: <models>` because it reads all open sessions for several purposes.
    Used by the materialization and, rendered by itself, before Rollcall runs compiled SQL.
#}
{% macro inlined(definition) -%}
    {%- set once = modules.re.findall('-- read once: ([a-z_, ]+)', definition) | join(', ') -%}
    {%- set names = (once ~ ', read_calls') | replace(' ', '') | replace(',', '|') -%}
    {%- set inline = modules.re.sub('(__dbt__cte__[a-z_]+) as [(]', '\\1 as not materialized (', definition) -%}
    {{ modules.re.sub('(__dbt__cte__(?:' ~ names ~ ')) as not materialized', '\\1 as materialized', inline) }}
{%- endmacro %}
