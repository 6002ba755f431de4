-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{#
    How to read the agents' calls: looked up by agent, where an index serves it, or in one pass over all calls
    (read_calls). Decided when the query runs, so that the same SQL serves before and after the migration; the other
    branch is never executed.
    Our own index also bounds the time, so it always serves; a batch of the clean-up, which has a few agents only (and
    the setting rollcall.contradicting_calls), is content with any index that leads with the agent.
#}
{% macro calls_are_read_by_agent() -%}
    {%- if is_named_table('call_sessions') and is_plain('calls_agent_id_column') -%}
    exists(
        select 1
        from pg_catalog.pg_index as i
        join pg_catalog.pg_class as x on x.oid = i.indexrelid
        join pg_catalog.pg_attribute as a
            on a.attrelid = i.indrelid
                and a.attnum = i.indkey[0]
        join pg_catalog.pg_class as t on t.oid = i.indrelid
        join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
        where n.nspname = {{ literal(var('app_schema')) }}
            and t.relname = {{ literal(var('calls_table')) }}
            and a.attname = {{ literal(mapping_of('calls_agent_id_column')['column']) }}
            and i.indisvalid
            and i.indpred is null
            and (
                x.relname = 'rollcall_calls_of_agent'
                or nullif(current_setting('rollcall.contradicting_calls', true), '') is not null
            )
    )
    {%- else -%}
    {#- no catalog says which indexes serve a relation or an expression: a batch looks its few agents up -#}
    nullif(current_setting('rollcall.contradicting_calls', true), '') is not null
    {%- endif -%}
{%- endmacro %}


{# From when on an agent's calls are read. s: the agent's newest open session; clock: the clock. #}
{% macro calls_since(s, clock) -%}
    least({{ s }}.own_sign_of_life_at, {{ clock }}.live_since, {{ clock }}.settled_before)
{%- endmacro %}


{#
    Which of an agent's calls are read: those that moved since, and those without any time to date them, which may be
    live. The upper bound excludes nothing: of a range PostgreSQL expects few calls, of a lower bound alone a third of all.
    calls, s: the aliases of the calls and of the session.
#}
{% macro call_is_read(calls, s) -%}
    (
        ({{ calls }}.moved_at >= {{ s }}.calls_since and {{ calls }}.moved_at <= 'infinity'::timestamptz)
        or {{ calls }}.moved_at is null
        or {{ calls }}.moved_at < {{ earliest_ordinary_time() }}
    )
{%- endmacro %}


{# What a rule may ask of the calls of one agent, aggregated. calls, s: the aliases of the calls and of the session. #}
{% macro aggregated_calls(calls, s) -%}
    (
        array_agg({{ calls }}.call_id order by {{ calls }}.dated_at desc, {{ calls }}.call_id asc)
        filter (where {{ call_is_live(calls, s ~ '.live_since') }})
    )[1] as live_call_id,
    coalesce(bool_or({{ call_may_be_live(calls, s ~ '.live_since') }}), false) as has_live_call,
    coalesce(
        bool_or({{ calls }}.has_extreme_end and {{ call_may_be_live(calls, s ~ '.live_since') }}), false
    ) as has_extreme_end,
    count(*) filter (where {{ call_may_be_live(calls, s ~ '.live_since') }}) as live_calls,
    max({{ calls }}.sign_of_life_at) as sign_of_life_at,
    max({{ calls }}.latest_possible_at) as latest_possible_at,
    max({{ calls }}.last_changed_at) as moved_at
{%- endmacro %}
