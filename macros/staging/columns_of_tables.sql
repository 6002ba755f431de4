{#
    One row per column of these tables of the application, as the catalog has it: its table, name and type, and the
    labels of an enum as a JSON array. Of a domain it is the base type, which decides how values are read and compared; `is_domain` says that there is one.
    `has_foreign_equality`: its values are equal by an operator outside pg_catalog, as those of citext.
    A view may hold agents or calls; sessions are in a table.
    tables: names as the application has them.
#}
{% macro columns_of_tables(tables) -%}
    select
        c.relname::text as table_name,
        a.attname::text as column_name,
        pg_catalog.format_type(base.type_id, base.modifier) as column_type,
        (
            select json_agg(e.enumlabel order by e.enumsortorder)
            from pg_catalog.pg_enum as e
            where e.enumtypid = base.type_id
        )::text as enum_labels,
        base.type_id <> a.atttypid as is_domain,
        c.relkind = 'v' as is_of_view,
        exists (
            select 1
            from pg_catalog.pg_opclass as o
            join pg_catalog.pg_am as m on m.oid = o.opcmethod
            join pg_catalog.pg_amop as p
                on p.amopfamily = o.opcfamily
                    and p.amoplefttype = o.opcintype
                    and p.amoprighttype = o.opcintype
            join pg_catalog.pg_operator as e on e.oid = p.amopopr
            where o.opcintype = base.type_id
                and o.opcdefault
                and m.amname = 'btree'
                and p.amopstrategy = 3
                and e.oprnamespace <> 'pg_catalog'::regnamespace
        ) as has_foreign_equality
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join {{ base_type('a.atttypid', 'a.atttypmod') }} as base
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname in ({{ literals(tables) }})
        and (c.relkind in ('r', 'p') or (c.relkind = 'v' and c.relname <> {{ literal(var('sessions_table')) }}))
        and a.attnum > 0
        and not a.attisdropped
{%- endmacro %}
