{# Whether a session that was changed had a working status before. c: a row of the ledger's changes. #}
{% macro was_working(c) -%}
    {%- set mapping = mapping_of('sessions_status_column') -%}
    {%- if mapping['column'] is none -%}
        true
    {%- else -%}
        {%- set raw = c ~ '.before_image ->> ' ~ literal(mapping['column']) -%}
        {{ named_value('(' ~ raw ~ ')', mapping['values']) if mapping['values'] else raw }}
        in ({{ literals(working_statuses()) }})
    {%- endif -%}
{%- endmacro %}
