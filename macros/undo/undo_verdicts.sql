-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{#
    CTEs that judge what a run wrote, as it is now: `images` (what the run recorded) and `verdicts`, one row per session
    that is still there: `reason` says why it is left alone, null that it still holds what we wrote.
    Images are compared after both have been read into the table's own types (image_now).
    run_id, keys: parameters; keys as a list of texts.
#}
{% macro undo_verdicts(run_id, keys) -%}
    {%- set columns = app_columns('agent_sessions') -%}
    {%- set session_id = app_column(columns, 'sessions_id_column') -%}
    {%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
images as (
    select
        c.session_id::{{ session_id_type }} as session_id,
        c.agent_id,
        c.before_image,
        c.after_image,
        c.is_as_recorded
    from unnest({{ keys }}::text[]) as k (session_id)
    -- one look-up for each: where most runs are small, PostgreSQL expects this one to be, and would read all of it
    cross join lateral (
        select
            x.session_id,
            x.agent_id,
            x.before_image,
            x.after_image,
            not (
                select r.digests_images
                from {{ ref('runs') }} as r
                where r.run_id = {{ run_id }}
            )
            or exists (
                select 1
                from {{ ref('change_digests') }} as d
                where d.run_id = x.run_id
                    and d.session_id = x.session_id
                    and d.digest = {{ change_digest('x') }}
            ) as is_as_recorded
        from {{ ref('changes') }} as x
        where x.run_id = {{ run_id }}
            and x.session_id = k.session_id
        offset 0
    ) as c
),

compared as (
    select
        i.session_id,
        i.agent_id,
        i.is_as_recorded,
        before_now.current as image,
        before_now.stored as image_before,
        after_now.stored as image_after,
        -- changed by the run, and renamed or dropped since: there is no value to compare, and none to restore
        (
            select string_agg(was.key, ', ' order by was.key)
            from jsonb_each(i.before_image) as was (key, value)
            where i.after_image -> was.key is distinct from was.value
                and not before_now.current ? was.key
        ) as columns_gone,
        {% for name in written_columns() %}
        (jsonb_populate_record(s.*, before_now.read_back)).{{ stored_value(columns, name) }} as before_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from images as i
    join {{ source('application', 'agent_sessions') }} as s on s.{{ session_id }} = i.session_id
    cross join {{ image_now('s', 'i.before_image') }} as before_now
    cross join {{ image_now('s', 'i.after_image') }} as after_now
),

verdicts as (
    select
        c.session_id,
        c.agent_id,
        c.image,
        c.image_before,
        {% for name in written_columns() %}
        c.before_{{ loop.index }},
        {% endfor %}
        case
            {% if 'sessions' in var('unindexed_keys') %}
                when count(*) over (partition by c.session_id) > 1 then 'its key names several rows'
            {% endif %}
            when not c.is_as_recorded then 'its recorded images do not fit their digest: they were altered'
            when c.columns_gone is not null then 'changed since: the table no longer has ' || c.columns_gone
            when c.image = c.image_after then null
            when c.image = c.image_before then 'already as it was before the run'
            else 'changed since: ' || (
                select string_agg(wrote.key, ', ' order by wrote.key)
                from jsonb_each(c.image_after) as wrote (key, value)
                where c.image -> wrote.key is distinct from wrote.value
            )
        end as reason
    from compared as c
)
{%- endmacro %}
