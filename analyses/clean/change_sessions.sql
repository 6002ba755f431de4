-- Statement 2 of a batch: judge the locked sessions again, as they and their agents' calls are now; change those for
-- which the judgement is still the planned one; keep both images.
-- $1: run_id. $2: planned rows as a JSON array of {session_id, agent_id, rules, remedy, before, after, evidence}.
-- $3: keys of the locked sessions, as text. $4: their agents, as text.
-- One row per locked session: changed, or why not.
{%- set columns = app_columns('agent_sessions') -%}
{%- set sessions = source('application', 'agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') -%}
{%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
{%- set agent_id_type = app_column_type(columns, 'sessions_agent_id_column') -%}
{%- set status = app_column(columns, 'sessions_status_column') -%}
{%- set status_type = app_column_type(columns, 'sessions_status_column') -%}
{%- set call_id = app_column(columns, 'sessions_call_id_column') -%}
{%- set logout_at = app_column(columns, 'sessions_logout_at_column') %}
with planned as (
    select
        p.session_id,
        p.agent_id,
        p.rules,
        p.remedy,
        p.before,
        p.after,
        p.evidence
    from
        jsonb_to_recordset($2::jsonb) as p (
            session_id text,
            agent_id text,
            rules text[],
            remedy text,
            before jsonb,
            after jsonb,
            evidence jsonb
        )
),

judged as (
    select
        session_id,
        remedy,
        status_after,
        logout_at_after,
        before,
        after
    from {{ ref('cleanup_plan') }}
    where agent_id = any({{ keys('$4', agent_id_type) }})
        and session_id = any({{ keys('$3', session_id_type) }})
),

verdicts as (
    select
        planned.session_id,
        planned.agent_id,
        planned.rules,
        planned.remedy,
        planned.evidence,
        judged.status_after,
        judged.logout_at_after,
        case
            when judged.session_id is null then 'came back: the session is no longer one to be repaired'
            when (judged.before is distinct from planned.before) then 'changed since the plan was made'
            when judged.remedy <> planned.remedy or (judged.after is distinct from planned.after)
                then 'needs another repair now than the planned one'
        end as reason
    from planned
    join unnest($3::text[]) as locked (session_id) on locked.session_id = planned.session_id
    left join judged on judged.session_id::text = planned.session_id
),

before_images as (
    select
        s.{{ session_id }}::text as session_id,
        to_jsonb(s) as image
    from {{ sessions }} as s
    where s.{{ session_id }} = any({{ keys('$3', session_id_type) }})
),

changed as (
    update {{ sessions }} as s
    set
        {{ status }} = v.status_after::{{ status_type }},
        {{ logout_at }} = coalesce(v.logout_at_after, s.{{ logout_at }}),
        {{ call_id }} = null
    from verdicts as v
    where v.session_id = s.{{ session_id }}::text
        and s.{{ session_id }} = any({{ keys('$3', session_id_type) }})
        and v.reason is null
    returning
        s.{{ session_id }}::text as session_id,
        to_jsonb(s) as image
),

recorded as (
    insert into {{ ref('changes') }} (
        run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image
    )
    select
        $1 as run_id,
        v.session_id,
        v.agent_id,
        v.rules,
        v.remedy,
        v.evidence,
        before_images.image as before_image,
        changed.image as after_image
    from verdicts as v
    join changed on changed.session_id = v.session_id
    join before_images on before_images.session_id = v.session_id
    returning session_id
)

select
    v.session_id,
    case
        when v.reason is not null then v.reason
        when recorded.session_id is null then 'a trigger of the application kept the row as it was'
    end as reason
from verdicts as v
left join recorded on recorded.session_id = v.session_id
