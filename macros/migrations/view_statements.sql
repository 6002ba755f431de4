{#
    How a view of ours is made or changed: in place, so that grants and dependents stay, with a comment for each described
    column and one that ends with the digest of the definition. PostgreSQL refuses it when a column would go.
    columns: those that the model describes, each with `name` and `description`;
    is_barrier: whether the view hides rows, so that no function of its reader may see them first.
    Used by the materialization and, rendered by itself, by the migration plan: it must not need dbt's context.
#}
{% macro view_statements(relation, definition, description, columns, digest, is_barrier=false) %}
create or replace view {{ relation }}{{ ' with (security_barrier = true)' if is_barrier }} as
{{ definition }};
{% for column in columns -%}
comment on column {{ relation }}."{{ column.name }}" is '{{ column.description | replace("'", "''") }}';
{% endfor -%}
comment on view {{ relation }} is '{{ description | replace("'", "''") }} [definition {{ digest }}]'
{% endmacro %}


{# What the digest of a view is calculated from. The arguments are those of view_statements. #}
{% macro digested_view(definition, description, columns, is_barrier=false) -%}
    {{ definition ~ description }}
    {%- for column in columns %}{{ column.name ~ column.description }}{% endfor -%}
    {{ 'security_barrier' if is_barrier }}
{%- endmacro %}
