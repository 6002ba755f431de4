-- Statement 2 of a batch: judge the locked sessions again, as they and their agents' calls are now; change those for
-- which the judgement is still the planned one; keep both images.
-- $1: run_id. $2: planned rows as a JSON array of {session_id, agent_id, rules, remedy, before, after, evidence}, all
-- of them locked. $3: their keys, as text. $4: their agents, as text. $5: when the plan was made. $6: whether no person
-- watches this run. $7: the plan's hash.
-- One row per session that was left alone, and why; the others are changed.
{%- set columns = app_columns('agent_sessions') -%}
{%- set sessions = source('application', 'agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') -%}
{%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
{%- set agent_id_type = app_column_type(columns, 'sessions_agent_id_column') -%}
{%- set status = app_column(columns, 'sessions_status_column') if is_written('sessions_status_column') -%}
{%- set call_id = app_column(columns, 'sessions_call_id_column') if is_written('sessions_call_id_column') -%}
{%- set logout_at = app_column(columns, 'sessions_logout_at_column') if is_written('sessions_logout_at_column') -%}
{%- set others = other_written_columns() -%}
{%- set logout_type = app_column_type(columns, 'sessions_logout_at_column') %}
with planned as (
    select
        locked.session_id,
        p.agent_id,
        p.rules,
        p.remedy,
        p.before,
        p.after,
        p.evidence
    -- each locked row and no other, whatever the lines say
    from unnest({{ keys('$3', session_id_type) }}) as locked (session_id)
    left join
        jsonb_to_recordset($2::jsonb) as p (
            session_id text,
            agent_id text,
            rules text[],
            remedy text,
            before jsonb,
            after jsonb,
            evidence jsonb
        )
        on p.session_id::{{ session_id_type }} = locked.session_id
),

judged as (
    select
        session_id,
        remedy,
        status_after,
        logout_at_after,
        latest_possible_at,
        judged_at,
        status,
        current_call_id{{ ", after -> 'other' as other_after" if others }}
    from {{ ref('cleanup_plan') }}
    where agent_id = any({{ keys('$4', agent_id_type) }})
),

verdicts as (
    select
        planned.session_id,
        planned.agent_id,
        planned.rules,
        planned.remedy,
        planned.evidence,
        -- the plan is judged at its own instant, but presence has to be proven now: without it a break is as safe
        case
            when judged.status_after <> planned.before ->> 'status'
                and judged.status_after = {{ literal(available_statuses()[0]) }}
                and judged.latest_possible_at < judged.judged_at + greatest(now() - $5::timestamptz, interval '0')
                - {{ var('presence_minutes') }} * interval '1 minute'
                then {{ literal(break_statuses()[0]) }}
            else judged.status_after
        end as status_after,
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
                                        where r.plan_hash = $7
                                            and r.undoes is null
                                    )
                                )
                        ),
                        'came back: the session is no longer one to be repaired'
                    )
            {% if 'sessions' in var('unindexed_keys') %}
                when (
                    select count(*)
                    from {{ sessions }} as x
                    where x.{{ session_id }} = planned.session_id
                ) <> 1
                    then 'its key names several rows'
            {% endif %}
            -- as the plan has them; a session that is judged at all is open
            when (judged.status is distinct from planned.before ->> 'status')
                or (judged.current_call_id::text is distinct from planned.before ->> 'current_call_id')
                or planned.before ->> 'logout_at' is not null
                then 'changed since the plan was made'
            when judged.remedy <> planned.remedy
                or (judged.status_after is distinct from planned.after ->> 'status')
                or (judged.logout_at_after is distinct from (planned.after ->> 'logout_at')::{{ logout_type }})
            {% if others %}
                or judged.other_after is distinct from planned.after -> 'other'
                {% endif %}
                then 'needs another repair now than the planned one'
            when $6::boolean and exists (
                    select 1
                    from {{ ref('held_sessions') }} as h
                    where h.session_id = planned.session_id::text
                        and h.released_at is null
                        and h.held_at > greatest(
                            judged.latest_possible_at,
                            (
                                select max(a.latest_possible_at)
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
        to_jsonb(b.*) as before_image
    from verdicts as v
    join {{ sessions }} as b on b.{{ session_id }} = v.session_id
    where v.reason is null
),

changed as (
    update {{ sessions }} as s
    set
        {% if status %}
            {{ status }} = {{ written_status(columns, 'r', 's') }}{{ ',' if logout_at or call_id or others }}
        {% endif %}
        {% if logout_at %}
            {{ logout_at }} = coalesce(r.logout_at_after, s.{{ logout_at }}){{ ',' if call_id or others }}
        {% endif %}
    {% if call_id %}
        {{ call_id }} = {{ no_call() }}{{ ',' if others }}
    {% endif %}
    {% for name in others %}
        {{ quoted(name) }} = {{ declared_write(columns, name, 'r', 's') }}{{ ',' if not loop.last }}
        {% endfor %}
    from repairs as r
    where r.session_id = s.{{ session_id }}
    returning
        s.{{ session_id }} as session_id,
        r.agent_id,
        r.rules,
        r.remedy,
        r.evidence,
        r.before_image,
        to_jsonb(s.*) as after_image,
        {{ is_as_planned(columns, 'r', 's') }} as as_planned
),

-- once all are changed: row by row in turns with the update it takes a sixth longer
recorded as (
    insert into {{ ref('changes') }} (
        run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned
    )
    select
        $1 as run_id,
        session_id::text as session_id,
        agent_id,
        rules,
        remedy,
        evidence,
        before_image,
        after_image,
        as_planned
    from changed
    {{ returning_change() }}
),

{{ recorded_digests() }},

released as (
    update {{ ref('held_sessions') }} as h
    set released_at = clock_timestamp()
    from planned as p
    where not $6::boolean
        and h.released_at is null
        and h.session_id = p.session_id::text
)

select
    v.session_id::text as session_id,
    coalesce(v.reason, {{ kept_by_a_trigger() }}) as reason
from verdicts as v
where v.reason is not null
    or v.session_id not in (select c.session_id from changed as c)
