{#
    The schemas that the contract names, `rollcall` and `rollcall_ops`, are deployed to with this var alone, which the command
    line sets. Without it each target has schemas of its own, as on any project: `dev_alice_rollcall`.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- elif var('deployed_by_rollcall', false) -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ target.schema }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
