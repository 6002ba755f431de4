{#
    One row of the migration: a declared object, its state in the catalogue and the statement that would make it.
    The states: present; missing and invalid, which the statement mends; conflicting, which a person must mend.
    state: a SQL expression; statement: text; lock: what it takes, for a person; in_transaction: whether it may run in one.
#}
{% macro declared_change(kind, object_name, state, statement, reason, lock, in_transaction=true) -%}
    {{ literal(kind) }} as kind,
    {{ literal(object_name) }} as object_name,
    {{ state }} as state,
    {{ literal(statement) }} as statement,
    {{ literal(reason) }} as reason,
    {{ literal(lock) }} as lock,
    {{ in_transaction }} as in_transaction
{%- endmacro %}
