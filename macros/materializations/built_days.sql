-- the linter cannot follow the calls in a materialization:
-- noqa: disable=LT02
{#
    The days of analysts, as `rollcall build` builds them: a statement with parameters, executed in one transaction that
    holds the lease. dbt waits for no other run: it leaves the days as they are, with a warning. `--full-refresh` builds
    all days.
#}
{% materialization built_days, adapter='postgres' %}
    {%- set run_id = run_started_at.strftime('%Y%m%dT%H%M%SZ-') ~ invocation_id[:4] -%}
    {%- set seconds = [1, var('build_timeout_seconds') | round | int] | max -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('state', fetch_result=True) %}
        select
            pg_try_advisory_xact_lock({{ lease_keys() }}) as is_ours,
            ({{ days_of_another_zone() }}) as has_days_of_another_zone
    {% endcall %}
    {%- set is_ours, has_days_of_another_zone = load_result('state')['data'][0] -%}
    {% if has_days_of_another_zone %}
        {% do exceptions.raise_compiler_error(
            "rollcall: the built days are those of another time zone than " ~ var('business_time_zone')
            ~ "; `rollcall build --full` builds all of them again"
        ) %}
    {% elif not is_ours %}
        {% do exceptions.warn("rollcall: no day was built: another run of Rollcall is at work") %}
        {% call noop_statement('main', 'LEFT OUT') %}{% endcall %}
    {% else %}
        {% call statement('begin') %}
            set local statement_timeout = '{{ seconds }}s';
            {{ open_run(literal(run_id), "'build'", literal('dbt ' ~ dbt_version), 'null') }};
            {{ take_lease(literal(run_id), "'build by dbt'") }};
            prepare rollcall_build_days (text, date, date, boolean) as
            {{ inlined(sql) }}
        {% endcall %}
        {% call statement('main') %}
            execute rollcall_build_days (
                {{ literal(run_id) }}, null, null, {{ should_full_refresh() }}
            )
        {% endcall %}
        {% call statement('end') %}
            deallocate rollcall_build_days;
            {{ remove_replaced(literal(run_id)) }};
            {{ remove_replaced_days() }};
            {{ sum_agent_days() }};
            update {{ ref('runs') }} set finished_at = clock_timestamp() where run_id = {{ literal(run_id) }}
        {% endcall %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': []}) }}
{% endmaterialization %}
