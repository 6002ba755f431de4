{#
    What stored times a call of timed_calls may have that began, or went on, between two instants, as columns: a day more on
    each side, because a stored time need not have a time zone. begins_at, ends_at: SQL of a timestamptz.
#}
{% macro stored_times_of_calls(begins_at, ends_at) -%}
    {%- set columns = app_columns('call_sessions') -%}
    {%- set started_type = app_column_type(columns, 'calls_started_at_column') -%}
    {%- set ended_type = app_column_type(columns, 'calls_ended_at_column') -%}
    {{ from_instant(begins_at ~ " - interval '1 day'", started_type) }} as started_after,
    {{ from_instant(ends_at ~ " + interval '1 day'", started_type) }} as started_before,
    {{ from_instant(begins_at ~ " - interval '1 day'", ended_type) }} as ended_after,
    {{ from_instant(earliest_ordinary_time() ~ " + interval '1 day'", started_type) }} as first_ordinary,
    {{ from_instant(first_extreme_time() ~ " - interval '1 day'", started_type) }} as last_ordinary
{%- endmacro %}


{#
    Whether a call may be one of them. Each bound is a value, so that an index on the stored start serves the comparison, or
    that a scan costs a comparison of two values. A start that is missing or extreme says nothing.
    c: the alias of timed_calls; bounds: the relation with these columns, and one row.
#}
{% macro stored_call_may_reach(c, bounds) -%}
    (
        (
            {{ c }}.stored_started_at > (select b.started_after from {{ bounds }} as b)
            and {{ c }}.stored_started_at < (select b.started_before from {{ bounds }} as b)
        )
        or (
            {{ c }}.stored_ended_at > (select b.ended_after from {{ bounds }} as b)
            and {{ c }}.stored_started_at < (select b.started_before from {{ bounds }} as b)
        )
        or {{ c }}.stored_started_at is null
        or {{ c }}.stored_started_at < (select b.first_ordinary from {{ bounds }} as b)
        or {{ c }}.stored_started_at > (select b.last_ordinary from {{ bounds }} as b)
    )
{%- endmacro %}
