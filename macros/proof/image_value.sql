{#
    A column of an image of a session, as text; null where the application does not have the column.
    image: SQL of the image (jsonb); column_var: the name of the var.
#}
{% macro image_value(image, column_var) -%}
    {%- if is_plain(column_var) -%}
        {{ image }} ->> {{ literal(mapping_of(column_var)['column']) }}
    {%- else -%}
        null::text
    {%- endif -%}
{%- endmacro %}


{# The same as an instant, null where it cannot be calculated with. columns: those of the sessions. #}
{% macro image_instant(image, columns, column_var) -%}
    {%- set type = app_column_type(columns, column_var) -%}
    {%- if is_plain(column_var) -%}
        {{ ordinary_time(instant('(' ~ image_value(image, column_var) ~ ')::' ~ type, type)) }}
    {%- else -%}
        null::timestamptz
    {%- endif -%}
{%- endmacro %}
