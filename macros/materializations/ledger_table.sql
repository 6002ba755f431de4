{# A table of our own ledger: the model's file is its DDL. It is made once and never replaced. #}
{% materialization ledger_table, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {% if load_cached_relation(this) is not none %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
    {% else %}
        {% call statement('main') %}{{ sql }}{% endcall %}
        {{ adapter.commit() }}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
