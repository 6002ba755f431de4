-- One row per trigger on the application's tables that fires, per function of one that finds a name by the search path
-- alone, and per event trigger that our DDL fires.
with fired as (
    select
        t.part,
        t.root_oid,
        t.table_name,
        g.tgname as trigger_name,
        g.tgfoid as function_oid,
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
        f.function_oid,
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
                        and a.attname in ({{ literals(written_columns()) }})
                )
            )
        ) as fires_on_cleaning
    from fired as f
    group by f.table_name, f.trigger_name, f.function_oid, f.description
),

-- functions that clean fires, and that set no search path of their own
relying as (
    select distinct
        p.oid as function_oid,
        p.prosrc as body,
        p.oid::regprocedure::text as described
    from judged as j
    join pg_catalog.pg_proc as p on p.oid = j.function_oid
    join pg_catalog.pg_language as l on l.oid = p.prolang
    where j.fires_on_cleaning
        and l.lanname not in ('c', 'internal')
        and not exists (
            select 1
            from unnest(p.proconfig) as setting (text)
            where setting.text like 'search_path=%'
        )
),

named_objects as (
    select
        c.relnamespace as schema_oid,
        c.relname::text as object_name
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union
    select
        p.pronamespace as schema_oid,
        p.proname::text as object_name
    from pg_catalog.pg_proc as p
    union
    select
        t.typnamespace as schema_oid,
        t.typname::text as object_name
    from pg_catalog.pg_type as t
    where t.typtype in ('e', 'd')
),

-- what their bodies name without a schema, as far as their text shows
unqualified as (
    select
        r.described,
        string_agg(distinct o.object_name, ', ' order by o.object_name) as names,
        string_agg(distinct quote_ident(n.nspname), ', ' order by quote_ident(n.nspname)) as schemas
    from relying as r
    join named_objects as o on position(lower(o.object_name) in lower(r.body)) > 0
    join pg_catalog.pg_namespace as n on n.oid = o.schema_oid
    where n.nspname not in ('pg_catalog', 'information_schema', 'rollcall', 'rollcall_ops')
        and n.nspname not like 'pg\_%'
        and r.body ~* (
            '(^|[^.\w"])"?' || regexp_replace(o.object_name, '(\W)', '\\\1', 'g') || '"?([^.\w"]|$)'
        )
    group by r.described
)

select
    case when j.fires_on_cleaning then 'session_update_trigger' else 'other_trigger' end as finding,
    format('%I on %s: %s', j.trigger_name, j.table_name, j.description) as found,
    null as statement
from judged as j
union all
select
    'trigger_without_search_path' as finding,
    format('%s names %s without a schema, and sets no search_path', u.described, u.names) as found,
    format('alter function %s set search_path = %s', u.described, u.schemas) as statement
from unqualified as u
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
