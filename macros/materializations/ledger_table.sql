{#
    A table of our own ledger: the model's file is its DDL. It is made once and never replaced. It waits for a lock no
    longer than a migration does: a foreign key locks the table that it refers to.
#}
{% materialization ledger_table, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set exists = load_cached_relation(this) is not none -%}
    {{ run_hooks(pre_hooks) }}
    {% if exists %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
    {% else %}
        {% call statement('main') %}
            {{ short_locks() }}
            {{ sql }}
        {% endcall %}
        {% do take_back_default_grants([this.schema ~ '.' ~ this.identifier]) %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {#- nothing was begun where the table was there already -#}
    {% if not exists %}{{ adapter.commit() }}{% endif %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
