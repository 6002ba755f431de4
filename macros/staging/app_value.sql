-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{#
    The value of what a column var maps to, in a query on its table under its alias. A domain is read as its base type:
    PostgreSQL compares no domain over an enum, and no view of ours then depends on the domain.
#}
{% macro app_value(columns, column_var) -%}
    {%- set mapping = mapping_of(column_var) -%}
    {%- if mapping['sql'] is not none -%}
        ({{ mapping['sql'] }})::{{ app_column_type(columns, column_var) }}
    {%- elif mapping['column'] is none -%}
        null::{{ app_column_type(columns, column_var) }}
    {%- elif mapping['values'] is not none -%}
        {{ named_value(app_raw_value(columns, column_var), mapping['values']) }}
    {%- else -%}
        {{ app_raw_value(columns, column_var) }}
    {%- endif -%}
{%- endmacro %}


{# The value of a plain column, as the application stores it. #}
{% macro app_raw_value(columns, column_var) -%}
    {%- do app_raw_type(columns, column_var) -%}
    {{ value_if_present(columns, column_var) }}
{%- endmacro %}


{# The same for a declared column, which the table may not have yet. #}
{% macro value_if_present(columns, column_var) -%}
    {%- set name = mapping_of(column_var)['column'] -%}
    {%- set column = columns.get(name, {}) -%}
    {{ quoted(name) }}{{ "::" ~ column.type if column.is_domain }}
{%- endmacro %}


{# The name that the configuration gives to a raw value; a value without one is shown as it is. #}
{% macro named_value(expression, names) -%}
    (case {{ expression }}::text
        {%- for raw, name in names.items() %} when {{ literal(raw) }} then {{ literal(name) }}{% endfor %}
        else {{ expression }}::text
    end)
{%- endmacro %}


{# Whether a truth value is true; unknown is false. without: what holds where the application has no such column. #}
{% macro app_flag(columns, column_var, without) -%}
    {%- if is_mapped(column_var) -%}
        coalesce({{ app_value(columns, column_var) }}, false)
    {%- else -%}
        {{ without | lower }}
    {%- endif -%}
{%- endmacro %}


{# The same for a comparison with null, as the predicate of an index has it: a plain column without a cast. #}
{% macro compared_with_null(columns, column_var) -%}
    {%- if is_plain(column_var) -%}
        {{ app_column(columns, column_var) }}
    {%- else -%}
        {{ app_value(columns, column_var) }}
    {%- endif -%}
{%- endmacro %}


{# The role of an agent; where the application has no roles, that of an agent. #}
{% macro agents_role(columns) -%}
    {%- if is_mapped('agents_role_column') -%}
        {{ app_value(columns, 'agents_role_column') }}::text
    {%- else -%}
        {{ literal(var('agent_roles')[0]) }}
    {%- endif -%}
{%- endmacro %}
