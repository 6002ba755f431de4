-- One row per agent and day of the business time zone on which the agent had an open session or a call: the sums of
-- agent_intervals. Of an observed day a time that the agent did not have is zero; after-call work is null on a day that
-- was built when no status showed it.
-- depends_on: {{ ref('build_days') }}
{%- set times = [
    'logged_in_seconds', 'available_seconds', 'on_call_seconds', 'break_seconds', 'ghost_seconds',
    'ghost_available_seconds',
] %}
with known as (
    select
        summed.agent_id,
        summed.business_day,
        days.observed_seconds,
        {% for time in times -%}
            case when days.observed_seconds > 0 then coalesce(summed.{{ time }}, 0) end as {{ time }},
        {% endfor -%}
        {% if var('after_call_statuses') -%}
            case
                when
                    days.observed_seconds > 0
                    and (summed.after_call_seconds is not null or summed.logged_in_seconds is null)
                    then coalesce(summed.after_call_seconds, 0)
            end as after_call_seconds,
        {%- else -%}
            summed.after_call_seconds,
        {%- endif %}
        summed.calls_offered,
        summed.calls_answered,
        summed.calls_missed,
        summed.calls_missed_as_ghost,
        summed.talk_seconds
    from {{ ref('built_agent_days') }} as summed
    join {{ ref('built_days') }} as days on days.business_day = summed.business_day
)

select
    agent_id,
    business_day,
    observed_seconds,
    logged_in_seconds,
    available_seconds,
    on_call_seconds,
    break_seconds,
    after_call_seconds,
    ghost_seconds,
    ghost_available_seconds,
    calls_offered,
    calls_answered,
    calls_missed,
    calls_missed_as_ghost,
    talk_seconds,
    {{ occupancy('on_call_seconds', 'after_call_seconds', 'available_seconds') }} as occupancy
from known
