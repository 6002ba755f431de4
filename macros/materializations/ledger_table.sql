{# A table of our own ledger: the model's file is its DDL. It is made once and never replaced. #}
{% materialization ledger_table, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set exists = load_cached_relation(this) is not none -%}
    {{ run_hooks(pre_hooks) }}
    {% if exists %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
    {% else %}
        {% call statement('main') %}{{ sql }}{% endcall %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {#- nothing was begun where the table was there already -#}
    {% if not exists %}{{ adapter.commit() }}{% endif %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
