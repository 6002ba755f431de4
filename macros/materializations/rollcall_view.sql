{#
    A view that is made with `create or replace`, and only when its definition changed: dbt's own would rename and
    drop with CASCADE, and take an analyst's dependent view and the grants along.
#}
{% materialization rollcall_view, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set definition = inlined(sql) | trim -%}
    {%- set digest = local_md5(definition ~ model.description) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('deployed', fetch_result=True) %}
        select pg_catalog.obj_description(
            to_regclass({{ literal(target_relation.include(database=false)) }}), 'pg_class'
        ) like {{ literal('%[definition ' ~ digest ~ ']') }}
    {% endcall %}
    {% if load_result('deployed')['data'][0][0] %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
    {% else %}
        {% call statement('main') %}
            {{ view_statements(target_relation.include(database=false), definition, model.description, digest) }}
        {% endcall %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
