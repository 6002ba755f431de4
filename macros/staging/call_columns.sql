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
    {%- set types = [] -%}
    {%- set instants = [] -%}
    {%- set values = [] -%}
    {%- for time in times if is_mapped(time) or var('calls_table') is none -%}
        {%- set type = app_column_type(columns, time) -%}
        {%- do types.append(type) -%}
        {%- do kinds.append('with time zone' in type) -%}
        {%- do instants.append(to_instant(app_value(columns, time), type)) -%}
        {%- do values.append(app_value(columns, time)) -%}
    {%- endfor -%}
    {%- if kinds | unique | list | length > 1 -%}
        {#- compared as they are, PostgreSQL would read the naive ones in the time zone of the session -#}
        greatest({{ instants | join(', ') }})
    {%- else -%}
        {{ to_instant("greatest(" ~ values | join(', ') ~ ")", types[0]) }}
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


{# Whether the status of a call is live; one that is in both lists is live until the call ends, and over afterwards. #}
{% macro has_live_status(columns, status, ended_at, ended_type) -%}
    {%- set labels = labels_of(columns, 'calls_status_column') -%}
    {%- set unfinished = unfinished_call_statuses() -%}
    {%- set until_the_end = var('live_call_statuses') | select('in', var('over_call_statuses')) | list -%}
    {%- if unfinished -%}
        {{ status_in(status, unfinished, labels) }}
    {%- endif -%}
    {%- if until_the_end -%}
        {{ ' or ' if unfinished }}
        {{- status }}::text in ({{ literals(until_the_end) }})
        and ({{ ended_at }} is null or {{ is_extreme_time(instant(ended_at, ended_type)) }})
    {%- endif -%}
{%- endmacro %}


{# Every call that may be live, or should be over and is not. The index rollcall_unfinished_calls has this predicate. #}
{% macro call_is_unfinished(columns) -%}
    {%- if not is_mapped('calls_ended_at_column') -%}
        {{ status_is_in(columns, 'calls_status_column', var('live_call_statuses')) }}
        {#- a status that the configuration does not name may be live -#}
        or coalesce({{ app_value(columns, 'calls_status_column') }}::text, '')
        not in ({{ literals(var('live_call_statuses') + var('over_call_statuses')) }})
    {%- else -%}
        {{ compared_with_null(columns, 'calls_ended_at_column') }} is null
        {%- if unfinished_call_statuses() %}
    or {{ status_is_in(columns, 'calls_status_column', unfinished_call_statuses()) }}
        {%- endif -%}
    {%- endif %}
{%- endmacro %}
