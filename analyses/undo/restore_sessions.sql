-- Statement 2 of a batch of an undo: judge the locked sessions, restore the planned columns of those that still hold
-- what the run wrote, keep both images, and hold the sessions back from unattended runs.
-- $1: run_id of the undo. $2: run_id of the run to undo. $3: keys of the locked sessions, as text. $4: whether that run
-- was an undo itself, so that what it held back is released.
-- One row per session: restored (no reason, and the columns that could not be restored), or why it was left alone.
{%- set columns = app_columns('agent_sessions') -%}
{%- set sessions = source('application', 'agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') -%}
{%- set written = written_columns() %}
with {{ undo_verdicts('$2', '$3') }},

restored as (
    update {{ sessions }} as s
    set
    {% for name in written %}
            {{ quoted(name) }} = v.before_{{ loop.index }}{{ ',' if not loop.last }}
    {% endfor %}
    from verdicts as v
    where v.session_id = s.{{ session_id }}
        and v.reason is null
    returning
        s.{{ session_id }}::text as session_id,
        v.agent_id,
        v.image as before_image,
        v.image_before,
        to_jsonb(s.*) as after_image,
        {{ is_as_before(columns, 's', 'v') }} as as_planned
),

recorded as (
    insert into {{ ref('changes') }} (
        run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned
    )
    select
        $1 as run_id,
        session_id,
        agent_id,
        array['undo'] as rules,
        'undo' as remedy,
        jsonb_build_object('undoes', $2::text) as evidence,
        before_image,
        after_image,
        as_planned
    from restored
    {{ returning_change() }}
),

{{ recorded_digests() }},

held as (
    insert into {{ ref('held_sessions') }} as h (session_id, run_id)
    select
        session_id,
        $1 as run_id
    from restored
    where not $4::boolean
    on conflict (session_id) do update
        set
            run_id = excluded.run_id,
            held_at = excluded.held_at,
            released_at = null
),

released as (
    update {{ ref('held_sessions') }} as h
    set released_at = clock_timestamp()
    from restored as r
    where $4::boolean
        and h.session_id = r.session_id
)

select
    r.session_id,
    null as reason,
    array(
        select was.key
        from jsonb_each(r.image_before) as was (key, value)
        where r.after_image -> was.key is distinct from was.value
        order by was.key
    ) as not_restored
from restored as r
union all
select
    v.session_id::text as session_id,
    case
        when exists (
                select 1
                from {{ ref('changes') }} as c
                where c.run_id = $1
                    and c.session_id = v.session_id::text
            )
            then 'already repaired by run ' || $1 -- our own commit, which was not heard of
        else v.reason
    end as reason,
    '{}'::text[] as not_restored
from verdicts as v
where v.reason is not null
union all
select
    v.session_id::text as session_id,
    {{ kept_by_a_trigger() }} as reason,
    '{}'::text[] as not_restored
from verdicts as v
where v.reason is null
    and v.session_id::text not in (select r.session_id from restored as r)
