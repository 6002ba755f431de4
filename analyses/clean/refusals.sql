-- One row per reason why nothing can be cleaned at all, in words, and what to do. Run under the role that cleans.
-- $1: the statuses that will be written.
{%- set columns = app_columns('agent_sessions') %}
with sessions as (
    select c.oid
    from pg_catalog.pg_class as c
    where c.oid = to_regclass({{ literal(source('application', 'agent_sessions').include(database=false)) }})
),

tables as (
    select
        t.table_name,
        to_regclass(t.table_name) as oid
    from (
        values
        {% if is_named_table('agents') %}
            ({{ literal(source('application', 'agents').include(database=false)) }}),
        {% endif %}
        {% if is_named_table('call_sessions') %}
            ({{ literal(source('application', 'call_sessions').include(database=false)) }}),
        {% endif %}
        ({{ literal(source('application', 'agent_sessions').include(database=false)) }})
    ) as t (table_name)
)

select
    'row-level security hides rows of ' || t.table_name || ' from ' || current_user as reason,
    'grant it BYPASSRLS, or a policy that shows every row' as hint
from tables as t
where pg_catalog.row_security_active(t.oid)

{% for name in tables_read_beside() %}
    union all

    select
        'row-level security hides rows of ' || {{ literal(name) }} || ' from ' || current_user as reason,
        'grant it BYPASSRLS, or a policy that shows every row' as hint
    where pg_catalog.row_security_active(to_regclass({{ literal(name) }}))

{% endfor %}
union all

select
    'role ' || current_user || ' may not read ' || t.table_name as reason,
    'grant select on ' || t.table_name || ' to ' || current_user as hint
from tables as t
where not pg_catalog.has_table_privilege(t.oid, 'select')

union all

select
    'role ' || current_user || ' may not update ' || w.column_name || ' of the sessions' as reason,
    format(
        'grant update (%I) on %s to %I', w.column_name, s.oid::regclass, current_user
    ) as hint
from sessions as s
cross join (
    values
    {% for name in written_columns() %}
        ({{ literal(name) }}){{ ',' if not loop.last }}
    {% endfor %}
) as w (column_name)
where not pg_catalog.has_column_privilege(s.oid, w.column_name, 'update')

union all

select
    'the sessions table has no primary key, so a change could not be pinned to its row' as reason,
    'add one' as hint
from sessions as s
where not exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = s.oid
            and i.indisprimary
    ){{ " and false" if 'sessions' in var('unindexed_keys') }}

union all

select
    'sessions_id_column is not the primary key of the sessions table by itself' as reason,
    'set the var to the column that is' as hint
from sessions as s
join pg_catalog.pg_index as i on i.indrelid = s.oid and i.indisprimary
join pg_catalog.pg_attribute as a
    on a.attrelid = s.oid
        and a.attname = {{ literal(var('sessions_id_column')) }}
where not exists (
        select 1
        from pg_catalog.pg_index as u
        where u.indrelid = s.oid
            and u.indisunique
            and u.indpred is null
            and u.indisvalid
            and u.indnkeyatts = 1
            and u.indkey[0] = a.attnum
    )
    and a.attnum <> all(i.indkey)

union all

-- what this plan writes, or this undo restores: not only the statuses that a repair may write
select
    'the type of the status column, ' || status_type.oid::regtype || ', has no value ' || w.status as reason,
    'set the var that names it (closed_status, break_status or available_status) to a value that it has' as hint
from sessions as s
join {{ catalog_columns('agent_sessions') }} as a
    on a.attrelid = s.oid
        and a.attname = {{ literal(stored_name('sessions_status_column')) }}
join pg_catalog.pg_type as status_type on status_type.oid = a.base_type_id
cross join unnest($1::text[]) as w (status)
where status_type.typtype = 'e'
    and not exists (
        select 1
        from pg_catalog.pg_enum as e
        where e.enumtypid = status_type.oid
            and e.enumlabel = w.status
    )

union all

select
    case o.finding
        when 'missing_replica_identity'
            then format(
                    'publication %I publishes updates of %s, which has no replica identity, so every update fails',
                    o.name, o.table_name
                )
        when 'session_update_rule'
            then format('rule %I rewrites every update of %s, which could not be recorded', o.name, o.table_name)
        else o.found || ', so that a key may name several rows'
    end as reason,
    case
        when o.statement is not null then o.statement
        when o.finding = 'session_update_rule' then 'have it dropped by its owner'
        when o.finding = 'child_table' then 'make it a partition, or end the inheritance'
        else 'set the var to the key of the table, or create a unique index on it'
    end as hint
from {{ ref('update_obstacles') }} as o
where o.finding <> 'status_not_in_enum'
{% if var('read_only') %}

    union all

    select
        'the sessions of this application are not written (the var read_only)' as reason,
        'leave the repair to the application; assess, the views and the reports work' as hint
{% endif %}
