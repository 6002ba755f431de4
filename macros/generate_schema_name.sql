{# Our schemas are named in dbt_project.yml and nowhere prefixed: the contract fixes their names. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
