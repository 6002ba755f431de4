-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{#
    An index on the application's table, declared: a plain B-tree, never unique. On a partitioned table it is made
    without the partitions, then concurrently on each partition, then attached; so there it is several rows.
    One that exists is compared by what it is, not by its name: the table, the method, the order and the number of its
    keys here, the expressions by the server itself (rollcall/schema/declared.py), whose answer comes through the
    setting rollcall.index_states: no query on the catalog can tell whether two expressions are the same.
    table: a table of the dbt source; keys: a list of SQL texts; predicate: SQL text, or none; former_keys: keys that an
    earlier version declared, whose index is kept, or none; is_wanted: without it nothing is declared.
#}
{% macro declared_index(table, name, keys, predicate, reason, former_keys=none, is_wanted=true) %}
{%- if not is_wanted or var('read_only') -%}
{{ nothing_declared() }}
{%- else -%}
{%- set definition -%}
    ({{ keys | join(', ') }})
    {%- if predicate is not none %} where {{ predicate }}{% endif %}
{%- endset %}
with tables as (
    {{ partitions_of(table, name) }}
),

described as (
    select
        t.level,
        t.relkind,
        t.schema_name,
        t.index_name,
        t.table_sql,
        p.schema_name as parent_schema_name,
        p.index_name as parent_index_name,
        x.index_id,
        x.relispartition as is_attached,
        x.expressions,
        case
            when x.index_id is null then 'missing'
            when coalesce(x.indrelid, 0) <> t.table_id
                or not x.is_plain
                or x.number_of_keys <> {{ keys | length }}
                or x.is_partial <> {{ 'false' if predicate is none else 'true' }} then 'conflicting'
            when t.relkind = 'p' or x.indisvalid then 'present'
            when x.is_building then 'building'
            else 'invalid'
        end as state
    from tables as t
    left join tables as p on p.table_id = t.parent_id
    left join lateral (
        {{ found_index('t', name) }}
    ) as x on true
)

select
    'index' as kind,
    d.schema_name || '.' || d.index_name as object_name,
    coalesce(
        nullif(current_setting('rollcall.index_states', true), '')::jsonb
        ->> (d.schema_name || '.' || d.index_name),
        d.state
    ) as state,
    format(
        case
            when d.relkind = 'p' then 'create index %1$I on only %2$s %3$s'
            when d.state = 'invalid'
                then 'drop index concurrently %4$I.%1$I; create index concurrently %1$I on %2$s %3$s'
            else 'create index concurrently %1$I on %2$s %3$s'
        end,
        d.index_name,
        d.table_sql,
        {{ literal(definition) }},
        d.schema_name
    ) as statement,
    {{ literal(reason) }} as reason,
    case
        when d.relkind = 'p' then 'SHARE on the table without its partitions, for an instant: writes wait'
        else 'SHARE UPDATE EXCLUSIVE: reads and writes go on; waits for older transactions'
    end as lock,
    null::text as warning,
    0 as step,
    d.relkind = 'p' as in_transaction,
    d.table_sql,
    array[{{ literals([predicate or 'true'] + keys) }}] as declared_expressions,
    array[{{ literals([predicate or 'true'] + (former_keys or keys)) }}] as former_expressions,
    case when not d.is_attached then d.expressions end as found_expressions
from described as d

union all

select
    'index' as kind,
    d.schema_name || '.' || d.index_name || ' (attach)' as object_name,
    case when d.is_attached then 'present' else 'missing' end as state,
    format(
        'alter index %I.%I attach partition %I.%I',
        d.parent_schema_name,
        d.parent_index_name,
        d.schema_name,
        d.index_name
    ) as statement,
    'The index of a partitioned table is complete once every partition has its part' as reason,
    'ACCESS EXCLUSIVE on the new index alone, for an instant' as lock,
    null::text as warning,
    1 as step,
    true as in_transaction,
    {{ no_comparison() }}
from described as d
where d.level > 0
{%- endif %}
{% endmacro %}


{#
    The table, and every partition of a partitioned one, with the name that its part of the index has. The name of a
    part is that of the whole and a digest of the partition's name: short enough, and the same at every run.
#}
{% macro partitions_of(table, name) -%}
    select
        c.oid as table_id,
        c.relkind,
        n.nspname::text as schema_name,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname) as table_sql,
        coalesce(tree.level, 0) as level,
        tree.parentrelid::oid as parent_id,
        case
            when coalesce(tree.level, 0) = 0 then {{ literal(name) }}
            else left({{ literal(name) }}, 54) || '_' || left(md5(n.nspname || '.' || c.relname), 8)
        end as index_name
    from pg_catalog.pg_class as root
    join pg_catalog.pg_namespace as s on s.oid = root.relnamespace
    left join lateral pg_catalog.pg_partition_tree(root.oid) as tree on true
    join pg_catalog.pg_class as c on c.oid = coalesce(tree.relid::oid, root.oid)
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where s.nspname = {{ literal(var('app_schema')) }}
        and root.relname = {{ literal(app_table_name(table)) }}
        and c.relkind in ('r', 'p')
{%- endmacro %}


{#
    The relation that has the name of the index on table t; of a partition also the index, whatever its name, that is
    part of the whole already. Whether it is building is hidden from a role that may not see the work of others:
    then any hidden build counts.
#}
{% macro found_index(t, name) -%}
    select
        c.oid as index_id,
        c.relispartition,
        i.indrelid,
        i.indisvalid,
        i.indnkeyatts as number_of_keys,
        i.indpred is not null as is_partial,
        c.relkind in ('i', 'I')
        and a.amname = 'btree'
        and not i.indisunique
        and i.indnatts = i.indnkeyatts
        and 0 = all(i.indoption::smallint[])
        and not exists (
            select 1
            from unnest(i.indclass::oid[]) as used (opclass_id)
            join pg_catalog.pg_opclass as o on o.oid = used.opclass_id
            where not o.opcdefault
        )
        and not exists (
            select 1
            from unnest(i.indkey::smallint[], i.indcollation::oid[]) as used (attnum, collation_id)
            join pg_catalog.pg_attribute as k
                on k.attrelid = i.indrelid
                and k.attnum = used.attnum
            where k.attcollation <> used.collation_id
        ) as is_plain,
        array[coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true')] || array(
            select pg_catalog.pg_get_indexdef(c.oid, position, false)
            from generate_series(1, i.indnkeyatts) as positions (position)
            order by position
        ) as expressions,
        exists (
            select 1
            from pg_catalog.pg_stat_progress_create_index as building
            where building.datname = current_database()
                and coalesce(building.relid = i.indrelid and building.index_relid in (0, c.oid), true)
        ) as is_building
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join pg_catalog.pg_index as i on i.indexrelid = c.oid
    left join pg_catalog.pg_am as a on a.oid = c.relam
    where n.nspname = {{ t }}.schema_name
        and c.relname = {{ t }}.index_name
        or c.relispartition
        and i.indrelid = {{ t }}.table_id
        and exists (
            select 1
            from pg_catalog.pg_partition_ancestors(c.oid) as whole (index_id)
            join pg_catalog.pg_class as w on w.oid = whole.index_id
            join pg_catalog.pg_namespace as ws on ws.oid = w.relnamespace
            where ws.nspname = {{ literal(var('app_schema')) }}
                and w.relname = {{ literal(name) }}
        )
    order by c.relispartition desc
    limit 1
{%- endmacro %}
