{#
    One row: how many rows one of the application's tables has, a digest of them that does not depend on their order,
    and how many were written since a transaction id. The digest is of the columns that the application made: those
    that Rollcall declares are left out, so it is the same before they are added and afterwards.
    A table that the planner holds to be larger than $1 is not counted, one larger than $2 has no digest.
    table: a table of the dbt source; part: what watched_tables calls it; $3: the transaction id, or null. `as_of` is
    the one to ask with later: whatever is written after this reading has it or a later one.
#}
{% macro table_contents(table, part) %}
{%- set declared = [
    var('sessions_last_heartbeat_column'),
    var('sessions_device_connected_column'),
    var('sessions_max_concurrent_calls_column'),
] if part == 'sessions' else [] %}
select
    {{ literal(app_table_sql_name(table)) }} as table_name,
    case when size.estimated_rows <= $1::double precision then contents.row_count end as row_count,
    case when size.estimated_rows <= $2::double precision then contents.digest end as digest,
    case when size.estimated_rows <= $1::double precision and $3 is not null then contents.written end as written,
    pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::xid::text as as_of
from (
    select sum(
        case
            when c.reltuples >= 0 then c.reltuples
            else pg_catalog.pg_relation_size(c.oid) / 100 -- never analysed
        end
    ) as estimated_rows
    from {{ ref('watched_tables') }} as t
    join pg_catalog.pg_class as c on c.oid = t.table_oid
    where t.part = {{ literal(part) }}
        and t.kind = 'r'
) as size
cross join lateral (
    select
        count(*) as row_count,
        coalesce(
            sum(
                case
                    when size.estimated_rows <= $2::double precision
                        then pg_catalog.hashtextextended({{ row_text(table, declared) }}, 0)::numeric
                end
            ), 0
        )::text as digest,
        count(*) filter (where age(a.xmin) <= age($3::xid)) as written
    from {{ source('application', table) }} as a
    where size.estimated_rows <= $1::double precision
) as contents
{% endmacro %}


{# A row of `a` as one text, without the columns that are left out. #}
{% macro row_text(table, left_out) -%}
    row(
    {%- for column in app_columns(table) | sort if column not in left_out -%}
        a.{{ quoted(column) }}{{ ", " if not loop.last }}
    {%- endfor -%}
    )::text
{%- endmacro %}
