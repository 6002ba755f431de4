-- the linter cannot follow the calls in a materialization:
-- noqa: disable=LT02
{#
    A view that is made with `create or replace`, and only when its definition changed: dbt's own would rename and
    drop with CASCADE, and take an analyst's dependent view and the grants along. It waits for a lock no longer than a
    migration does, and fails then, so that no reader queues behind it; the next `dbt run` tries again.
#}
{% materialization rollcall_view, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set relation = target_relation.include(database=false) -%}
    {%- set definition = inlined(sql) | trim -%}
    {%- set is_barrier = config.get('meta', {}).get('security_barrier', false) -%}
    {%- set columns = model.columns.values() | list -%}
    {%- set digest = local_md5(digested_view(definition, model.description, columns, is_barrier)) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('deployed', fetch_result=True) %}
        select
            coalesce(
                pg_catalog.obj_description(named.oid, 'pg_class') like {{ literal('%[definition ' ~ digest ~ ']') }},
                false
            ) as is_same,
            coalesce('security_invoker=true' = any(c.reloptions), false) as is_invoker,
            row_security.is_enabled,
            current_setting('server_version_num')::integer >= 150000 as can_invoke
        from (select to_regclass({{ literal(relation) }})::oid as oid) as named
        cross join ({{ row_security_of_application() }}) as row_security
        left join pg_catalog.pg_class as c on c.oid = named.oid
    {% endcall %}
    {%- set is_same, is_invoker, has_row_security, can_invoke = load_result('deployed')['data'][0] -%}
    {#- the ledger's tables of changes, of presence, and what is built show the application's rows -#}
    {%- set reads_application = (quoted(var('app_schema')) ~ '.') in definition
        or '"changes"' in definition
        or '"presence"' in definition
        or '"built_agent_intervals"' in definition
        or '"built_agent_days"' in definition
        or '"built_queue_intervals"' in definition -%}
    {% if has_row_security and reads_application and not can_invoke %}
        {% do exceptions.raise_compiler_error(
            "rollcall: PostgreSQL before 15 cannot apply row-level security for the reader of " ~ relation
            ~ "; upgrade the server, or disable row-level security of the application's tables"
        ) %}
    {% endif %}
    {%- set needs_invoker = is_invoker or (has_row_security and reads_application) -%}
    {% if is_same and needs_invoker == is_invoker %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
    {% else %}
        {% call statement('main') %}
            {{ short_locks() }}
            {{ view_statements(relation, definition, model.description, columns, digest, is_barrier) }}
            {%- if needs_invoker %};
            alter view {{ relation }} set (security_invoker = true)
            {%- endif %}
        {% endcall %}
        {% do take_back_default_grants([relation.schema ~ '.' ~ relation.identifier]) %}
    {% endif %}
    {% if config.get('contract').enforced %}{% do assert_contract(relation, columns) %}{% endif %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
