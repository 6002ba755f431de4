-- One row per trigger on the application's tables that fires, and per event trigger that our DDL fires.
with fired as (
    select
        t.part,
        t.root_oid,
        t.table_name,
        g.tgname as trigger_name,
        g.tgattr::smallint[] as update_columns,
        format(
            '%s %s, for each %s, calls %s',
            case when g.tgtype & 2 > 0 then 'before' else 'after' end,
            concat_ws(
                ' or ',
                case when g.tgtype & 4 > 0 then 'insert' end,
                case when g.tgtype & 8 > 0 then 'delete' end,
                case when g.tgtype & 16 > 0 then 'update' end,
                case when g.tgtype & 32 > 0 then 'truncate' end
            ),
            case when g.tgtype & 1 > 0 then 'row' else 'statement' end,
            g.tgfoid::regproc
        ) as description,
        g.tgtype & 16 > 0 as fires_on_update
    from {{ ref('watched_tables') }} as t
    join pg_catalog.pg_trigger as g on g.tgrelid = t.table_oid
    where not g.tgisinternal
        and g.tgparentid = 0
        and g.tgenabled in ('O', 'A')
),

judged as (
    select
        f.table_name,
        f.trigger_name,
        f.description,
        bool_or(
            f.part = 'sessions'
            and f.fires_on_update
            and (
                cardinality(f.update_columns) = 0
                or exists (
                    select 1
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = f.root_oid
                        and a.attnum = any(f.update_columns)
                        and a.attname in ({{ literals([
                            var('sessions_status_column'),
                            var('sessions_logout_at_column'),
                            var('sessions_call_id_column'),
                        ]) }})
                )
            )
        ) as fires_on_cleaning
    from fired as f
    group by f.table_name, f.trigger_name, f.description
)

select
    case when j.fires_on_cleaning then 'session_update_trigger' else 'other_trigger' end as finding,
    format('%I on %s: %s', j.trigger_name, j.table_name, j.description) as found,
    null as statement
from judged as j
union all
select
    'event_trigger' as finding,
    format('%I: %s, calls %s', e.evtname, e.evtevent, e.evtfoid::regproc) as found,
    null as statement
from pg_catalog.pg_event_trigger as e
where e.evtenabled in ('O', 'A')
    and e.evtevent in ('ddl_command_start', 'ddl_command_end')
    and (
        e.evttags is null
        or e.evttags && array['ALTER TABLE', 'CREATE INDEX', 'CREATE SCHEMA', 'CREATE TABLE', 'CREATE VIEW', 'COMMENT']
    )
order by finding, found
