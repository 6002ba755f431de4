-- One row per column of the result of a `{sql}` relation, as the model application_columns has those of a table.
-- $1: names. $2: the types as oids. $3: their modifiers. $4: the name of the relation. Read before dbt is started.
select
    $4::text as table_name,
    c.column_name,
    true as is_of_view,
    false as has_foreign_equality,
    pg_catalog.format_type(base.type_id, base.modifier) as column_type,
    (
        select json_agg(e.enumlabel order by e.enumsortorder)
        from pg_catalog.pg_enum as e
        where e.enumtypid = base.type_id
    )::text as enum_labels,
    base.type_id <> c.type_id as is_domain
from unnest($1::text[], $2::oid[], $3::integer[]) as c (column_name, type_id, modifier)
cross join {{ base_type('c.type_id', 'c.modifier') }} as base
