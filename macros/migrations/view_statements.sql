{#
    How a view of ours is made or changed: in place, so that grants and dependents stay, with a comment that ends
    with the digest of the definition. PostgreSQL refuses it when a column would go.
    Used by the materialization and, rendered by itself, by the migration plan: it must not need dbt's context.
#}
{% macro view_statements(relation, definition, description, digest) %}
create or replace view {{ relation }} as
{{ definition }};
comment on view {{ relation }} is '{{ description | replace("'", "''") }} [definition {{ digest }}]'
{% endmacro %}
