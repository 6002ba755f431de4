-- One row: how many rows of the deployed view violate each expectation of expectations/cleaned_sessions.json, exactly.
-- One pass, where Great Expectations reads the view once for each kind of expectation; a second one only where a key
-- is repeated.
-- $1: the columns that the view promises.
with sessions as (
    select
        count(*) filter (where s.session_id is null) as cleaned_session_id_not_null,
        count(s.session_id) > count(distinct s.session_id) as has_repeated_keys,
        count(*) filter (where s.agent_id is null) as cleaned_session_agent_id_not_null,
        count(*) filter (where s.status is null) as cleaned_session_status_not_null,
        count(*) filter (where s.is_open is null) as cleaned_session_is_open_not_null,
        count(*) filter (where s.login_at is null) as cleaned_session_login_at_not_null,
        count(*) filter (where s.duration_seconds < 0) as cleaned_session_duration_not_negative,
        count(*) filter (where s.logout_at < s.login_at) as cleaned_session_logout_after_login,
        count(*) filter (where s.logout_at is not null and s.is_open) as cleaned_session_closed_after_logout
    from {{ ref('agent_sessions') }} as s
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
        when sessions.has_repeated_keys
            then (
                select sum(repeated.times)::bigint
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
