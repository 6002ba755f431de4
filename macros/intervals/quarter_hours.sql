{#
    The beginning of the 15 minutes that contain an instant. They begin with the quarter hours of UTC, which are those of every
    zone of today: no midnight and no change of daylight-saving time is inside one. instant: SQL of a timestamptz.
#}
{% macro quarter_hour_of(instant) -%}
    to_timestamp(floor(extract(epoch from {{ instant }}) / 900) * 900)
{%- endmacro %}


{# The quarter hours that a stretch of time touches, as a set-returning call. The arguments are SQL of a timestamptz. #}
{% macro quarter_hours_between(begins_at, ends_at) -%}
    generate_series({{ quarter_hour_of(begins_at) }}, {{ ends_at }}, interval '15 minutes')
{%- endmacro %}


{# An instant as local time of the business time zone. #}
{% macro business_time(instant) -%}
    ({{ instant }} at time zone {{ literal(var('business_time_zone')) }})
{%- endmacro %}


{#
    The vars that decide what a row of the built tables says, as a text literal. It begins with the version of the columns:
    raise it where a column comes or changes its meaning, so that the days of an earlier version are built again.
#}
{% macro build_settings() -%}
    {{ literal([
        'columns 2',
        var('business_time_zone'),
        var('service_level_seconds'),
        available_statuses(),
        on_call_statuses(),
        break_statuses(),
        var('after_call_statuses'),
        var('not_working_statuses'),
        var('inbound_directions'),
        is_mapped('calls_direction_column'),
        is_mapped('calls_connected_at_column'),
    ] | join(' | ')) }}
{%- endmacro %}


{# A var of days as a whole number, rounded up: a date and a fraction of days do not add. #}
{% macro whole_days(name) -%}
    {{ var(name) | round(0, 'ceil') | int }}
{%- endmacro %}


{# When a call of the view began; the view has no extreme times. c: the alias of rollcall.calls. #}
{% macro shown_call_dated_at(c) -%}
    coalesce({{ c }}.started_at, least({{ c }}.connected_at, {{ c }}.ended_at))
{%- endmacro %}
