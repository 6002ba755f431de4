{#
    The type that a type is made of, as a lateral subquery of one row, to be joined: `type_id` and `modifier` (its precision or length).
    A domain, also one over another domain, is resolved; every other type is its own base type.
    type, modifier: SQL expressions over pg_attribute's columns atttypid and atttypmod.
#}
{% macro base_type(type, modifier) -%}
    lateral (
        with recursive resolved as (
            select
                declared.oid as type_id,
                declared.typtype as kind,
                declared.typbasetype as next_id,
                declared.typtypmod as next_modifier,
                {{ modifier }} as modifier
            from pg_catalog.pg_type as declared
            where declared.oid = {{ type }}
            union all
            select
                inner_type.oid as type_id,
                inner_type.typtype as kind,
                inner_type.typbasetype as next_id,
                inner_type.typtypmod as next_modifier,
                resolved.next_modifier as modifier
            from resolved
            join pg_catalog.pg_type as inner_type on inner_type.oid = resolved.next_id
            where resolved.kind = 'd'
        )

        select
            resolved.type_id,
            resolved.modifier
        from resolved
        where resolved.kind <> 'd'
    )
{%- endmacro %}
