-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02


{#
    Whether a status is one of these, over the raw column where there is one: an index predicate has to say the same.
    columns: those of its table; column_var: the var of the status.
#}
{% macro status_is_in(columns, column_var, statuses) -%}
    {%- set mapping = mapping_of(column_var) -%}
    {%- if mapping['sql'] is none and mapping['values'] is not none -%}
        {%- set raw = [] -%}
        {%- for value, name in mapping['values'].items() if name in statuses -%}
            {%- do raw.append(value) -%}
        {%- endfor -%}
        {{ app_raw_value(columns, column_var) }} in ({{ literals(raw) }})
    {%- else -%}
        {{ status_in(app_value(columns, column_var), statuses, labels_of(columns, column_var)) }}
    {%- endif -%}
{%- endmacro %}


{#
    status in (...), over a raw column: the labels that an enum does not have cannot be compared with it, and
    cannot occur either. Raw, and not cast to text, because an index predicate has to say the same.
#}
{% macro status_in(expression, statuses, column) -%}
    {%- set known = [] -%}
    {%- for status in statuses if not column['labels'] or status in column['labels'] -%}
        {%- do known.append(status) -%}
    {%- endfor -%}
    {%- if not known -%}
        {%- do exceptions.raise_compiler_error(
            "rollcall: the enum of " ~ expression ~ " has none of the statuses " ~ statuses | join(', ')
            ~ "; correct the lists of statuses"
        ) -%}
    {%- endif -%}
    {{ expression }} in ({{ literals(known) }})
{%- endmacro %}
