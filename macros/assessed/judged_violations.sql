{#
    Every violation against the waivers, in one pass: the first failing_keys_per_rule keys of each rule that count and
    of those that are waived, with the exact number of both, and how many violations each waiver matches.
    violations: a relation of rule, subject and key. has_sessions_and_calls: whether `subject` names those of ours.
    counts: a relation of one row of counts, or none; the row comes first, as JSON, from the same reading.
    $1: the waivers as a JSON array of line, rule, key, condition, value, is_active.
#}
{% macro judged_violations(violations, has_sessions_and_calls=true, counts=none) -%}
with waivers as materialized (
    select
        w.line,
        w.rule,
        w.key,
        w.condition,
        w.value,
        w.is_active
    from
        jsonb_to_recordset($1::jsonb) as w (
            line integer,
            rule text,
            key text,
            condition text,
            value text,
            is_active boolean
        )
),

violations as materialized (
    select
        rule,
        subject,
        key
    from {{ violations }}
),

-- read beforehand: without such a waiver the tables are not read for it
conditions as materialized (
    select coalesce(bool_or(w.condition in ('agent_id', 'began_before')), false) as are_given
    from waivers as w
),

matches as (
    select
        v.rule,
        v.key,
        w.line,
        w.is_active
    from violations as v
    join waivers as w
        on w.rule = v.rule
            and w.key = v.key

    union all

    select
        v.rule,
        v.key,
        w.line,
        w.is_active
    from violations as v
    join waivers as w
        on w.rule = v.rule
            and w.condition = 'all'
    {% if has_sessions_and_calls %}

    union all

    -- each looked up by its key, and only those of rules that have such a waiver
    select
        v.rule,
        v.key,
        w.line,
        w.is_active
    from violations as v
    join waivers as w
        on w.rule = v.rule
            and w.condition in ('agent_id', 'began_before')
    join {{ ref('stg_agent_sessions') }} as s
        on s.session_id
            = v.key::{{ app_column_type(app_columns('agent_sessions'), 'sessions_id_column') }}
    where v.subject = 'session'
        and (select conditions.are_given from conditions)
        and case w.condition
            when 'agent_id' then s.agent_id::text = w.value
            when 'began_before' then s.login_at < (w.value::date)::timestamp at time zone 'UTC'
        end

    union all

    select
        v.rule,
        v.key,
        w.line,
        w.is_active
    from violations as v
    join waivers as w
        on w.rule = v.rule
            and w.condition in ('agent_id', 'began_before')
    join {{ ref('stg_call_sessions') }} as c
        on c.call_id
            = v.key::{{ app_column_type(app_columns('call_sessions'), 'calls_id_column') }}
    where v.subject = 'call'
        and (select conditions.are_given from conditions)
        and case w.condition
            when 'agent_id' then c.agent_id::text = w.value
            when 'began_before' then c.started_at < (w.value::date)::timestamp at time zone 'UTC'
        end
    {% endif %}
),

waived as (
    select distinct
        rule,
        key
    from matches
    where is_active
),

judged as (
    select
        v.rule,
        v.key,
        w.key is not null as is_waived,
        row_number() over (partition by v.rule, w.key is not null order by v.key) as position,
        count(*) over (partition by v.rule, w.key is not null) as total
    from violations as v
    left join waived as w
        on w.rule = v.rule
            and w.key = v.key
)

select
    null::integer as line,
    rule,
    key,
    is_waived,
    total,
    null::jsonb as counts
from judged
where position <= {{ var('failing_keys_per_rule') }}

union all

select
    line,
    null as rule,
    null as key,
    null as is_waived,
    count(*) as total,
    null as counts
from matches
group by line
{% if counts %}

union all

select
    null as line,
    null as rule,
    null as key,
    null as is_waived,
    null as total,
    to_jsonb(c) as counts
from {{ counts }} as c
{% endif %}
order by line, rule, key
{%- endmacro %}
