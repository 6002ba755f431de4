-- One row per finding about the server and the settings of our own role.
-- $1: newest version that is tested. $2: tolerable lag in seconds. $3: shortest tolerable time-out in seconds.
-- $4: tolerable age of the oldest transaction id.
-- a standby that has replayed no commit since it started shows a state of before
with replayed as (
    select coalesce(pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_postmaster_start_time()) as until
)

select
    'untested_server_version' as finding,
    format('PostgreSQL %s', current_setting('server_version')) as found,
    null as statement
where current_setting('server_version_num')::integer / 10000 > $1::integer
union all
select
    'standby' as finding,
    'the server is a standby' as found,
    null as statement
where pg_catalog.pg_is_in_recovery()
union all
select
    'standby_lag' as finding,
    format(
        'it shows the primary as of %s UTC',
        to_char(replayed.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    ) as found,
    null as statement
from replayed
where pg_catalog.pg_is_in_recovery()
    and clock_timestamp() - replayed.until > $2 * interval '1 second'
    and (
        pg_catalog.pg_last_wal_receive_lsn() is distinct from pg_catalog.pg_last_wal_replay_lsn()
        or not exists (select 1 from pg_catalog.pg_stat_wal_receiver)
    )
union all
select
    'read_only_by_default' as finding,
    format('default_transaction_read_only is on for %I (set in: %s)', session_user, s.source) as found,
    format('alter role %I set default_transaction_read_only = off', session_user) as statement
from pg_catalog.pg_settings as s
where s.name = 'default_transaction_read_only'
    and s.reset_val = 'on'
union all
select
    'short_timeout' as finding,
    format('%s is %s ms for %I (set in: %s)', s.name, s.reset_val, session_user, s.source) as found,
    format('alter role %I set %I = 0', session_user, s.name) as statement
from pg_catalog.pg_settings as s
where s.name in (
        'statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout'
    )
    and s.reset_val::bigint between 1 and $3 * 1000 - 1
union all
select
    'wraparound_risk' as finding,
    format(
        'the oldest transaction id is %s transactions old, the oldest multixact id %s',
        age(d.datfrozenxid), mxid_age(d.datminmxid)
    ) as found,
    'vacuum (freeze, verbose)' as statement
from pg_catalog.pg_database as d
where d.datname = current_database()
    and greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) > $4
