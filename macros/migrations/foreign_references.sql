{#
    One row per function, operator, type, operator class or collation that an object of ours refers to and that belongs
    neither to PostgreSQL nor to the application's own columns: `class_oid`, `object_oid`, `sub_id` (the referring
    object), `described` (what it refers to). PostgreSQL records no reference to what it brings itself.
    An extension's object counts as safe while it belongs to a role that is trusted (see trusted_roles).
    acting: see trusted_roles.
#}
{% macro foreign_references(acting) -%}
    select
        d.classid as class_oid,
        d.objid as object_oid,
        d.objsubid as sub_id,
        pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) as described
    from pg_catalog.pg_depend as d
    join (
        select
            'pg_catalog.pg_proc'::regclass as class_oid,
            f.oid as object_oid,
            f.pronamespace as schema_oid,
            f.proowner as owner_oid
        from pg_catalog.pg_proc as f
        union all
        select
            'pg_catalog.pg_operator'::regclass as class_oid,
            o.oid as object_oid,
            o.oprnamespace as schema_oid,
            o.oprowner as owner_oid
        from pg_catalog.pg_operator as o
        union all
        select
            'pg_catalog.pg_type'::regclass as class_oid,
            t.oid as object_oid,
            t.typnamespace as schema_oid,
            t.typowner as owner_oid
        from pg_catalog.pg_type as t
        union all
        select
            'pg_catalog.pg_opclass'::regclass as class_oid,
            o.oid as object_oid,
            o.opcnamespace as schema_oid,
            o.opcowner as owner_oid
        from pg_catalog.pg_opclass as o
        union all
        select
            'pg_catalog.pg_collation'::regclass as class_oid,
            c.oid as object_oid,
            c.collnamespace as schema_oid,
            c.collowner as owner_oid
        from pg_catalog.pg_collation as c
    ) as used
        on used.class_oid = d.refclassid
            and used.object_oid = d.refobjid
    join pg_catalog.pg_namespace as n on n.oid = used.schema_oid
    where n.nspname <> 'pg_catalog'
        -- a type that a column of the application has, an array of one, the domains' base types, and the tables' row types
        and not (
            d.refclassid = 'pg_catalog.pg_type'::regclass
            and d.refobjid in (
                select allowed.type_oid
                from pg_catalog.pg_class as c
                join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
                join pg_catalog.pg_attribute as a on a.attrelid = c.oid
                join pg_catalog.pg_type as t on t.oid = a.atttypid
                join {{ base_type('a.atttypid', 'a.atttypmod') }} as base on true
                cross join lateral unnest(
                    array[t.oid, t.typarray, base.type_id, t.typelem, c.reltype]
                ) as allowed (type_oid)
                where (
                    (
                        s.nspname = {{ literal(var('app_schema')) }}
                        and c.relname in ({{ literals(app_table_names()) }})
                    ){{ or_is_read_beside('c.oid') }}
                )
                    and a.attname not in ({{ literals([
                        var('sessions_last_heartbeat_column'),
                        var('sessions_device_connected_column'),
                        var('sessions_max_concurrent_calls_column'),
                    ]) }})
            )
        )
        -- a collation that a column of the application has: its index and comparisons have it too
        and not (
            d.refclassid = 'pg_catalog.pg_collation'::regclass
            and d.refobjid in (
                select a.attcollation
                from pg_catalog.pg_class as c
                join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
                join pg_catalog.pg_attribute as a on a.attrelid = c.oid
                where (
                    (
                        s.nspname = {{ literal(var('app_schema')) }}
                        and c.relname in ({{ literals(app_table_names()) }})
                    ){{ or_is_read_beside('c.oid') }}
                )
            )
        )
        and not (
            d.refclassid = 'pg_catalog.pg_type'::regclass
            and d.refobjid in (
                select own.reltype
                from pg_catalog.pg_class as own
                join pg_catalog.pg_namespace as s on s.oid = own.relnamespace
                where s.nspname in ('rollcall', 'rollcall_ops')
            )
        )
        and not (
            exists (
                select 1
                from pg_catalog.pg_depend as e
                where e.classid = d.refclassid
                    and e.objid = d.refobjid
                    and e.deptype = 'e'
            )
            and used.owner_oid in ({{ trusted_roles(acting) }})
        )
{%- endmacro %}
