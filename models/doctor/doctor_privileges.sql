-- One row per privilege that a step needs and its role lacks, with the statement that grants it.
-- $1: ROLLCALL_MIGRATE_ROLE. $2: ROLLCALL_CLEAN_ROLE.
with rollcall_relations as (
    select
        c.oid as relation_oid,
        n.nspname as schema_name,
        c.relname as relation_name,
        c.relowner as owner_oid,
        format('%I.%I', n.nspname, c.relname) as full_name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('rollcall', 'rollcall_ops')
        and c.relkind in ('r', 'v')
),

-- every step reads the application's tables; the views of `migrate` read them with the rights of its role
reading as (
    select
        10 as position,
        a.step,
        a.role_name,
        format('USAGE on schema %I', n.nspname) as lacking,
        format('grant usage on schema %I to %I', n.nspname, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join pg_catalog.pg_namespace as n
    where n.nspname = {{ literal(var('app_schema')) }}
        and not pg_catalog.has_schema_privilege(a.role_oid, n.oid, 'usage')
    union all
    select
        11 as position,
        a.step,
        a.role_name,
        format('SELECT on %s', t.table_name) as lacking,
        format('grant select on %s to %I', t.table_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join {{ ref('watched_tables') }} as t
    where t.is_root
        and not pg_catalog.has_table_privilege(a.role_oid, t.table_oid, 'select')
),

migrating as (
    select
        20 as position,
        a.step,
        a.role_name,
        format('ownership of %s', t.table_name) as lacking,
        case
            when o.rolsuper then format('alter table %s owner to %I', t.table_name, a.role_name)
            else format('grant %I to %I', o.rolname, a.role_name)
        end as statement
    from {{ ref('acting_roles') }} as a
    cross join {{ ref('watched_tables') }} as t
    join pg_catalog.pg_roles as o on o.oid = t.owner_oid
    where a.step = 'migrate'
        and t.part in ('sessions', 'calls')
        and t.kind <> 'v'
        and not pg_catalog.pg_has_role(a.role_oid, t.owner_oid, 'usage')
    union all
    select
        21 as position,
        a.step,
        a.role_name,
        format('CREATE on schema %I', n.nspname) as lacking,
        format('grant create on schema %I to %I', n.nspname, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join pg_catalog.pg_namespace as n
    where a.step = 'migrate'
        and n.nspname in ({{ literal(var('app_schema')) }}, 'rollcall', 'rollcall_ops')
        and not pg_catalog.has_schema_privilege(a.role_oid, n.oid, 'create')
    union all
    select
        22 as position,
        a.step,
        a.role_name,
        format('schema %I, or CREATE on database %I', own.schema_name, current_database()) as lacking,
        format('create schema %I authorization %I', own.schema_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join (values ('rollcall'), ('rollcall_ops')) as own (schema_name)
    where a.step = 'migrate'
        and not exists (
            select 1
            from pg_catalog.pg_namespace as n
            where n.nspname = own.schema_name
        )
        and not pg_catalog.has_database_privilege(a.role_oid, current_database(), 'create')
    union all
    select
        23 as position,
        a.step,
        a.role_name,
        format('ownership of %s', r.full_name) as lacking,
        format('alter table %s owner to %I', r.full_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join rollcall_relations as r
    where a.step = 'migrate'
        and not pg_catalog.pg_has_role(a.role_oid, r.owner_oid, 'usage')
),

-- what clean needs of our ledger, every run grants by itself
cleaning as (
    select
        30 as position,
        a.step,
        a.role_name,
        format('UPDATE of %s (%I)', t.table_name, c.attname) as lacking,
        format('grant update (%I) on %s to %I', c.attname, t.table_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join {{ ref('watched_tables') }} as t
    join pg_catalog.pg_attribute as c
        on c.attrelid = t.table_oid
            and c.attname in ({{ literals(written_columns()) }})
    where a.step = 'clean'{{ ' and false' if var('read_only') }}
        and t.part = 'sessions'
        and t.is_root
        and not pg_catalog.has_column_privilege(a.role_oid, t.table_oid, c.attnum, 'update')
),

-- the login role itself reads our views and keeps the ledger
recording as (
    select
        40 as position,
        'record' as step,
        a.role_name,
        format('USAGE on schema %I', n.nspname) as lacking,
        format('grant usage on schema %I to %I', n.nspname, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join pg_catalog.pg_namespace as n
    where a.step = 'assess'
        and n.nspname in ('rollcall', 'rollcall_ops')
        and not pg_catalog.has_schema_privilege(a.role_oid, n.oid, 'usage')
    union all
    select
        41 as position,
        'record' as step,
        a.role_name,
        format('%s on %s', upper(p.privilege), r.full_name) as lacking,
        format('grant %s on %s to %I', p.privilege, r.full_name, a.role_name) as statement
    from {{ ref('acting_roles') }} as a
    cross join rollcall_relations as r
    cross join (values ('select'), ('insert'), ('update')) as p (privilege)
    where a.step = 'assess'
        and (p.privilege = 'select' or r.schema_name = 'rollcall_ops')
        and not pg_catalog.has_table_privilege(a.role_oid, r.relation_oid, p.privilege)
),

needed as (
    select
        position,
        step,
        role_name,
        lacking,
        statement
    from reading
    union all
    select
        position,
        step,
        role_name,
        lacking,
        statement
    from migrating
    union all
    select
        position,
        step,
        role_name,
        lacking,
        statement
    from cleaning
    union all
    select
        position,
        step,
        role_name,
        lacking,
        statement
    from recording
)

select distinct
    position,
    statement,
    case step
        when 'assess' then 'missing_select_privilege'
        when 'migrate' then 'missing_migrate_privilege'
        when 'clean' then 'missing_clean_privilege'
        else 'missing_record_privilege'
    end as finding,
    format('%I lacks %s', role_name, lacking) as found
from needed
order by position, found
