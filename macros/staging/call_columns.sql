{#
    The latest instant at which anything happened to a call. The index rollcall_calls_of_agent has this expression, so an
    error here would fail the application's own insert: an extreme time is read without the zone.
#}
{% macro call_moved_at(columns) -%}
    {{ latest_time_of_call(columns, instant) }}
{%- endmacro %}


{#
    The same without a guard for extreme times, as version 0.1.0 had it. An index with this expression is kept: it serves
    the look-up by agent.
#}
{% macro unguarded_call_moved_at(columns) -%}
    {{ latest_time_of_call(columns, plain_instant) }}
{%- endmacro %}


{# columns: those of the calls; to_instant: the macro that reads one time, or the greatest of them, as an instant. #}
{% macro latest_time_of_call(columns, to_instant) -%}
    {%- set times = ['calls_started_at_column', 'calls_connected_at_column', 'calls_ended_at_column'] -%}
    {%- set kinds = [] -%}
    {%- set instants = [] -%}
    {%- set values = [] -%}
    {%- for time in times -%}
        {%- set type = app_column_type(columns, time) -%}
        {%- do kinds.append('with time zone' in type) -%}
        {%- do instants.append(to_instant(app_value(columns, time), type)) -%}
        {%- do values.append(app_value(columns, time)) -%}
    {%- endfor -%}
    {%- if kinds | unique | list | length > 1 -%}
        {#- compared as they are, PostgreSQL would read the naive ones in the time zone of the session -#}
        greatest({{ instants | join(', ') }})
    {%- else -%}
        {{ to_instant("greatest(" ~ values | join(', ') ~ ")", app_column_type(columns, times[0])) }}
    {%- endif -%}
{%- endmacro %}


{#
    When a call began: its start, or else its earliest other time. An extreme time dates nothing: a start of -infinity
    would end a call that goes on. The arguments are SQL of instants.
#}
{% macro call_dated_at(started_at, connected_at, ended_at) -%}
    coalesce(
        {{ ordinary_time(started_at) }},
        least({{ ordinary_time(connected_at) }}, {{ ordinary_time(ended_at) }})
    )
{%- endmacro %}


{# Every call that may be live, or should be over and is not. The index rollcall_unfinished_calls has this predicate. #}
{% macro call_is_unfinished(columns) -%}
    {{ quoted(var('calls_ended_at_column')) }} is null
    or {{ status_in(
        app_value(columns, 'calls_status_column'),
        var('live_call_statuses'),
        columns.get(var('calls_status_column'), {})
    ) }}
{%- endmacro %}
