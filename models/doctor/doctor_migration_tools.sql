-- One row per tool whose bookkeeping table exists, and one more if the tool also has a command that changes a schema
-- without a migration.
with relations as (
    select
        n.nspname,
        c.relname,
        format('%I.%I', n.nspname, c.relname) as table_name,
        array(
            select a.attname::text
            from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid
                and a.attnum > 0
                and not a.attisdropped
        ) as columns
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p')
        and n.nspname not in ('rollcall', 'rollcall_ops')
),

tools as (
    select
        known.tool,
        known.sync_mode,
        r.table_name
    from relations as r
    join (
        values
        ('prisma', '_prisma_migrations', array['migration_name', 'checksum'], 'prisma db push'),
        ('drizzle', '__drizzle_migrations', array['hash', 'created_at'], 'drizzle-kit push'),
        ('typeorm', 'migrations', array['id', 'timestamp', 'name'], 'synchronize: true of TypeORM'),
        ('typeorm', 'typeorm_metadata', array['type', 'value'], 'synchronize: true of TypeORM'),
        ('django', 'django_migrations', array['app', 'name', 'applied'], null),
        ('rails', 'ar_internal_metadata', array['key', 'value'], null),
        ('alembic', 'alembic_version', array['version_num'], null),
        ('flyway', 'flyway_schema_history', array['installed_rank', 'checksum'], null)
    ) as known (tool, table_name, columns, sync_mode)
        on known.table_name = r.relname
            and known.columns <@ r.columns
)

select
    'migration_tool' as finding,
    format('%s (%s): export with `rollcall plan --export %s`', t.tool, string_agg(
        t.table_name, ', ' order by t.table_name
    ), t.tool) as found,
    null as statement
from tools as t
group by t.tool
union all
select distinct
    'sync_mode' as finding,
    t.sync_mode as found,
    null as statement
from tools as t
where t.sync_mode is not null
order by finding, found
