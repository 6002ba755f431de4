{# Wait for a lock, and work, no longer than a migration does; for the rest of the transaction. #}
{% macro short_locks() -%}
    set local lock_timeout = '{{ [1, var('migrate_lock_timeout_ms') | round | int] | max }}ms';
    set local statement_timeout = '{{ [1, var('migrate_statement_timeout_ms') | round | int] | max }}ms';
{%- endmacro %}


{#
    Take back what default privileges gave away on new objects, in the transaction that made them.
    names: see default_grants.
#}
{% macro take_back_default_grants(names) %}
    {% call statement('default_grants', fetch_result=True) %}
        {{ default_grants('array[' ~ literals(names) ~ ']') }}
    {% endcall %}
    {% for row in load_result('default_grants')['data'] %}
        {% call statement('take_back') %}{{ row[0] }}{% endcall %}
    {% endfor %}
{% endmacro %}
