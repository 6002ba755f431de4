{#
    A parameter that holds a list of keys, as a list of the type that the column has. The parameter itself has that type, so
    it is read once: a cast of a list of texts would be made anew for each row that a generic plan compares.
#}
{% macro keys(parameter, column_type) -%}
    {{ parameter }}::{{ column_type }}[]
{%- endmacro %}


{#
    A number for a key, the same for equal keys: numbers are sorted faster than keys, above all than text. A type whose
    hash PostgreSQL might not know stays as it is. key: SQL; key_type: the catalog's name of its type.
#}
{% macro hash_of_key(key, key_type) -%}
    {%- if key_type in ['uuid', 'smallint', 'integer', 'bigint', 'text'] or key_type.startswith('character varying') -%}
        hash_record_extended(row({{ key }}), 0)
    {%- else -%}
        {{ key }}
    {%- endif -%}
{%- endmacro %}
