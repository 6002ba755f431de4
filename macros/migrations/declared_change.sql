{#
    Every macro declared_* gives rows of the same columns: a declared object, its state in the catalog and the statement
    that would make it.

    kind, object_name  schema, column, comment or index, and its name
    state              present; missing, and invalid (an unfinished index of ours), which the statement mends; building,
                       which is waited for; conflicting, which a person must mend
    statement, reason  the SQL, and why it is needed
    lock, warning      what it locks, and what a person must know before; null where there is nothing
    step               orders the rows of one file
    in_transaction     whether the statement may run in a transaction
    table_sql, declared_expressions, former_expressions, found_expressions
                       tell one index from another, see declared_index; null for what is no index: no_comparison
#}
{% macro no_comparison() -%}
    null::text as table_sql,
    null::text[] as declared_expressions,
    null::text[] as former_expressions,
    null::text[] as found_expressions
{%- endmacro %}


{# No declared object: a file of models/migrations that has nothing to declare for this application. #}
{% macro nothing_declared() -%}
select
    null::text as kind,
    null::text as object_name,
    null::text as state,
    null::text as statement,
    null::text as reason,
    null::text as lock,
    null::text as warning,
    0 as step,
    true as in_transaction,
    {{ no_comparison() }}
where false
{%- endmacro %}
