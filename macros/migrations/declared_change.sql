{#
    The columns of one row of the migration: a declared object, its state in the catalogue and the statement that
    would make it. The states: present; missing, and invalid (an unfinished index of ours), which the statement mends;
    building, which is waited for; conflicting, which a person must mend.
    object_name, state, statement, warning: SQL expressions; reason, lock: texts for a person.
    step: orders the rows of one file; in_transaction: whether the statement may run in one, a SQL expression.
    comparison: SQL expressions that tell one index from another, see declared_index; none for what is no index.
#}
{% macro declared_change(
    kind, object_name, state, statement, reason, lock, warning='null::text', step='0', in_transaction='true', comparison=none
) -%}
    {{ literal(kind) }} as kind,
    {{ object_name }} as object_name,
    {{ state }} as state,
    {{ statement }} as statement,
    {{ literal(reason) }} as reason,
    {{ lock }} as lock,
    {{ warning }} as warning,
    {{ step }} as step,
    {{ in_transaction }} as in_transaction,
    {{ comparison.table if comparison else 'null::text' }} as table_sql,
    {{ comparison.declared if comparison else 'null::text[]' }} as declared_expressions,
    {{ comparison.former if comparison else 'null::text[]' }} as former_expressions,
    {{ comparison.found if comparison else 'null::text[]' }} as found_expressions
{%- endmacro %}
