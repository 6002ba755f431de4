-- One row: what the ledger and the table prove about a run. $1: run_id.
-- Another column than the planned ones can differ between the images only if the application itself writes it: a
-- trigger of the table, or a generated column. Such columns are named.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') -%}
{%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
{%- set planned_columns = literals(written_columns()) %}
with sessions_tables as (
    select c.oid
    from pg_catalog.pg_class as c
    where c.oid = to_regclass({{ literal(source('application', 'agent_sessions').include(database=false)) }})

    union

    select i.inhrelid
    from pg_catalog.pg_inherits as i
    where i.inhparent = to_regclass(
            {{ literal(source('application', 'agent_sessions').include(database=false)) }}
        )
),

images as (
    select
        c.session_id,
        c.as_planned,
        c.before_image,
        c.after_image,
        s.{{ session_id }} is not null as is_there,
        after_now.stored as after_image_now,
        after_now.current as current_image
    from {{ ref('changes') }} as c
    left join {{ source('application', 'agent_sessions') }} as s
        on s.{{ session_id }} = c.session_id::{{ session_id_type }}
    cross join {{ image_now('s', 'c.after_image') }} as after_now
    where c.run_id = $1
),

written_beside as (
    select
        other.key as column_name,
        count(*) as sessions
    from images as i
    cross join lateral jsonb_each(i.before_image) as other (key, value)
    where other.key not in ({{ planned_columns }})
        and i.after_image -> other.key is distinct from other.value
    group by other.key
),

skipped as (
    select
        count(*) as sessions,
        count(*) filter (
            where not exists (
                select 1
                from {{ source('application', 'agent_sessions') }} as s
                where s.{{ session_id }} = k.session_id::{{ session_id_type }}
            )
        ) as missing
    from {{ ref('skips') }} as k
    where k.run_id = $1
)

select
    r.command,
    r.planned,
    r.finished_at,
    r.failure,
    r.plan_hash,
    r.approved_by,
    r.undone_by,
    count(i.session_id) as changed,
    count(*) filter (where not i.as_planned) as written_otherwise,
    count(*) filter (where not i.is_there) as rows_missing,
    count(*) filter (where i.is_there and i.current_image <> i.after_image_now) as changed_since,
    (array_agg(i.session_id order by i.session_id) filter (
        where i.is_there and i.current_image <> i.after_image_now
    ))[1:20] as changed_since_keys,
    (select k.sessions from skipped as k) as skipped,
    (select k.missing from skipped as k) as skipped_missing,
    (select jsonb_object_agg(w.column_name, w.sessions) from written_beside as w) as other_columns,
    exists(
        select 1
        from pg_catalog.pg_trigger as g
        join sessions_tables as t on t.oid = g.tgrelid
        where not g.tgisinternal
            and g.tgenabled <> 'D'
            -- of a row, before, on update
            and g.tgtype & 19 = 19
    ) as has_triggers,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        join sessions_tables as t on t.oid = a.attrelid
        where a.attgenerated <> ''
    ) as generated_columns
from {{ ref('runs') }} as r
left join images as i on true
where r.run_id = $1
group by r.run_id
