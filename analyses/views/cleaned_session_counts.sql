-- One row: how many rows of the deployed view violate each expectation of expectations/cleaned_sessions.json, exactly.
-- One pass, where Great Expectations reads the view once for each kind of expectation; a second one only where a key
-- is repeated.
-- The keys are counted by their hashes, which are sorted in half the time: of different hashes no two keys are equal.
-- $1: the columns that the view promises.
-- The linter would order what has no order:
-- noqa: disable=AM09
{%- set key_type = app_column_type(app_columns('agent_sessions'), 'sessions_id_column') %}
with sessions as (
    select
        count(*) filter (where c.session_id is null) as cleaned_session_id_not_null,
        count(c.session_id) > count(distinct {{ hash_of_key('c.session_id', key_type) }}) filter (
            where c.session_id is not null
        ) as may_have_repeated_keys,
        count(*) filter (where c.agent_id is null) as cleaned_session_agent_id_not_null,
        count(*) filter (where c.status is null) as cleaned_session_status_not_null,
        count(*) filter (where c.is_open is null) as cleaned_session_is_open_not_null,
        count(*) filter (where c.login_at is null) as cleaned_session_login_at_not_null,
        count(*) filter (where c.duration_seconds < 0) as cleaned_session_duration_not_negative,
        count(*) filter (where c.logout_at < c.login_at) as cleaned_session_logout_after_login,
        count(*) filter (where c.logout_at is not null and c.is_open) as cleaned_session_closed_after_logout
    from (
        select
            s.session_id,
            s.agent_id,
            s.status,
            s.is_open,
            s.login_at,
            s.logout_at,
            s.duration_seconds
        from {{ ref('agent_sessions') }} as s
        -- each column is calculated once, and not again for each count
        offset 0
    ) as c
),

promised as (
    select count(*) as missing
    from unnest($1::text[]) as p (column_name)
    where not exists (
            select 1
            from pg_catalog.pg_attribute as a
            where a.attrelid = {{ literal(ref('agent_sessions') | string) }}::regclass
                and a.attname = p.column_name
                and not a.attisdropped
        )
)

select
    promised.missing as cleaned_session_columns,
    sessions.cleaned_session_id_not_null,
    case
        when sessions.may_have_repeated_keys
            then (
                select coalesce(sum(repeated.times), 0)::bigint
                from (
                    select count(*) as times
                    from {{ ref('agent_sessions') }} as s
                    where s.session_id is not null
                    group by s.session_id
                ) as repeated
                where repeated.times > 1
            )
        else 0
    end as cleaned_session_id_unique,
    sessions.cleaned_session_agent_id_not_null,
    sessions.cleaned_session_status_not_null,
    sessions.cleaned_session_is_open_not_null,
    sessions.cleaned_session_login_at_not_null,
    sessions.cleaned_session_duration_not_negative,
    sessions.cleaned_session_logout_after_login,
    sessions.cleaned_session_closed_after_logout
from sessions
cross join promised
