{#
    How a view of ours is made or changed: in place, so that grants and dependents stay, with a comment that ends
    with the digest of the definition. PostgreSQL refuses it when a column would go.
    is_barrier: whether the view hides rows, so that no function of its reader may see them first.
    Used by the materialization and, rendered by itself, by the migration plan: it must not need dbt's context.
#}
{% macro view_statements(relation, definition, description, digest, is_barrier=false) %}
create or replace view {{ relation }}{{ ' with (security_barrier = true)' if is_barrier }} as
{{ definition }};
comment on view {{ relation }} is '{{ description | replace("'", "''") }} [definition {{ digest }}]'
{% endmacro %}
