-- Statement 2 of a batch: judge the locked sessions again, as they and their agents' calls are now; change those for
-- which the judgement is still the planned one; keep both images.
-- $1: run_id. $2: when the plan was made. $3: the plan's hash. $4: whether nobody watches this run. $5: the agents of
-- the planned rows, each once, as text. $6 to $15: the planned rows, all of them locked, as parallel arrays of text:
-- keys, agents, rules (an array each), remedies; status, call and logout before; status and logout after; evidence.
-- Arrays: to read the same as JSON takes the server twice as long.
-- One row per session that was left alone, and why; the others are changed.
{%- set columns = app_columns('agent_sessions') -%}
{%- set sessions = source('application', 'agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') -%}
{%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
{%- set agent_id_type = app_column_type(columns, 'sessions_agent_id_column') -%}
{%- set status = app_column(columns, 'sessions_status_column') -%}
{%- set status_type = app_column_type(columns, 'sessions_status_column') -%}
{%- set call_id = app_column(columns, 'sessions_call_id_column') -%}
{%- set logout_at = app_column(columns, 'sessions_logout_at_column') -%}
{%- set logout_type = app_column_type(columns, 'sessions_logout_at_column') %}
with planned as (
    select
        lines.session_id,
        lines.agent_id,
        lines.rules,
        lines.remedy,
        lines.status_before,
        lines.call_id_before,
        lines.logout_at_before,
        lines.status_after,
        lines.logout_at_after,
        lines.evidence
    from unnest(
            {{ keys('$6', session_id_type) }},
            $7::text[],
            $8::text[],
            $9::text[],
            $10::text[],
            $11::text[],
            $12::text[],
            $13::text[],
            $14::text[],
            $15::text[]
        ) as lines (
            session_id,
            agent_id,
            rules,
            remedy,
            status_before,
            call_id_before,
            logout_at_before,
            status_after,
            logout_at_after,
            evidence
        )
),

judged as (
    select
        session_id,
        remedy,
        status_after,
        logout_at_after,
        last_seen_at,
        judged_at,
        status,
        current_call_id
    from {{ ref('cleanup_plan') }}
    where agent_id = any({{ keys('$5', agent_id_type) }})
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
            when judged.session_id is null
                then coalesce(
                        -- a run that was killed had this plan before, or our own commit was not heard of
                        (
                            select 'already repaired by run ' || min(c.run_id)
                            from {{ ref('changes') }} as c
                            where c.session_id = planned.session_id::text
                                and c.run_id = any(
                                    array(
                                        select r.run_id
                                        from {{ ref('runs') }} as r
                                        where r.plan_hash = $3
                                            and r.undoes is null
                                    )
                                )
                        ),
                        'came back: the session is no longer one to be repaired'
                    )
            -- as the plan has them; a session that is judged at all is open
            when (judged.status is distinct from planned.status_before)
                or (judged.current_call_id::text is distinct from planned.call_id_before)
                or planned.logout_at_before is not null
                then 'changed since the plan was made'
            when judged.remedy <> planned.remedy
                or (judged.status_after is distinct from planned.status_after)
                or (judged.logout_at_after is distinct from planned.logout_at_after::{{ logout_type }})
                then 'needs another repair now than the planned one'
            -- the plan is judged at its own instant, but presence has to be proven now
            when judged.status_after <> planned.status_before
                and judged.status_after = {{ literal(var('available_status')) }}
                and judged.last_seen_at < judged.judged_at + (now() - $2::timestamptz)
                - {{ var('presence_minutes') }} * interval '1 minute'
                then 'no longer present: nobody becomes available without a fresh sign of life'
            when $4::boolean and exists (
                    select 1
                    from {{ ref('held_sessions') }} as h
                    where h.session_id = planned.session_id::text
                        and h.released_at is null
                        and h.held_at > greatest(
                            judged.last_seen_at,
                            (
                                select max(greatest(a.login_at, a.last_activity_at, a.last_heartbeat_at))
                                from {{ ref('stg_agent_sessions') }} as a
                                where a.agent_id = planned.agent_id::{{ agent_id_type }}
                            )
                        )
                )
                then 'held back: a person undid its repair, and its agent has shown no life since'
        end as reason
    from planned
    left join judged on judged.session_id = planned.session_id
),

repairs as (
    select
        v.session_id,
        v.agent_id,
        v.rules,
        v.remedy,
        v.evidence,
        v.status_after,
        v.logout_at_after,
        b.ctid as row_version,
        to_jsonb(b) as before_image
    from verdicts as v
    join {{ sessions }} as b on b.{{ session_id }} = v.session_id
    where v.reason is null
),

changed as (
    update {{ sessions }} as s
    set
        {{ status }} = r.status_after::{{ status_type }},
        {{ logout_at }} = coalesce(r.logout_at_after, s.{{ logout_at }}),
        {{ call_id }} = null
    from repairs as r
    -- by its place, which a row that is locked keeps: cheaper than a second look into the index
    where s.{{ session_id }} = r.session_id
        and s.ctid = r.row_version
    returning
        s.{{ session_id }} as session_id,
        r.agent_id,
        r.rules,
        r.remedy,
        r.evidence,
        r.before_image,
        to_jsonb(s) as after_image,
        s.{{ status }}::text = r.status_after
        and s.{{ logout_at }} is not distinct from r.logout_at_after
        and s.{{ call_id }} is null as as_planned
),

recorded as (
    insert into {{ ref('changes') }} (
        run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned
    )
    select
        $1 as run_id,
        session_id::text as session_id,
        agent_id,
        rules::text[] as rules,
        remedy,
        evidence::jsonb as evidence,
        before_image,
        after_image,
        as_planned
    from changed
),

released as (
    update {{ ref('held_sessions') }} as h
    set released_at = clock_timestamp()
    where not $4::boolean
        and h.released_at is null
        and h.session_id = any($6::text[])
)

select
    v.session_id::text as session_id,
    coalesce(v.reason, {{ kept_by_a_trigger() }}) as reason
from verdicts as v
where v.reason is not null
    or v.session_id not in (select c.session_id from changed as c)
