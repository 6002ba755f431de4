-- One row if the newest activity of an open session cannot be right in the configured time zone: it lies in the
-- future, or it would be fresh in a zone that the server knows and is not in ours. $1: seconds that count as fresh.
-- $2: seconds ago from which on it is suspicious.
{%- set columns = app_columns('agent_sessions') -%}
{%- set activity = app_value(columns, 'sessions_last_activity_column') -%}
{%- set type = app_column_type(columns, 'sessions_last_activity_column') -%}
{%- set is_naive = 'with time zone' not in type %}
with newest as (
    select max({{ activity }}) as written
    from {{ app_relation('agent_sessions') }} as session  -- noqa: AL05
    where {{ session_is_open(columns) }}
        and {{ is_ordinary_time(instant(activity, type)) }}
),

readings as (
    select
        extract(epoch from now() - {{ instant('written', type) }}) as seconds_ago,
        (
            select string_agg(distinct z.reset_val, ', ')
            from pg_catalog.pg_settings as z
            where {{ 'true' if is_naive else 'false' }}
                and z.name in ('TimeZone', 'log_timezone')
                and extract(epoch from now() - newest.written::timestamp at time zone z.reset_val)
                between -$1::double precision and $1
        ) as fitting_zones
    from newest
)

select
    'implausible_time_zone' as finding,
    format(
        'the newest activity is %s minutes %s if it was written in %s%s',
        abs(round(seconds_ago / 60)),
        case when seconds_ago < 0 then 'in the future' else 'old' end,
        {{ literal(var('app_time_zone') if is_naive else type) }},
        coalesce(', and of just now in ' || fitting_zones, '')
    ) as found,
    null as statement
from readings
where seconds_ago < -{{ var('future_tolerance_minutes') }} * 60
    or (seconds_ago > $2 and fitting_zones is not null)
