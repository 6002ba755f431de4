{#
    An image of a session, compared with its row as it is now: a lateral subquery of one row with `current` (the row as
    JSON), `stored` (the image, read into the types of the table, because an instant has many spellings) and
    `read_back` (the values of the image that differ and can be read).
    A value is read only where it differs. JSON cannot be read into every type that PostgreSQL writes as an object, such
    as hstore, so objects and arrays are compared as they are; those that a repair writes are read.
    s: the alias of the session, image: SQL of the image.
#}
{% macro image_now(s, image) -%}
    lateral (
        with this_row as materialized (
            select to_jsonb({{ s }}.*) as current
        ),

        differing as (
            select
                was.key,
                was.value,
                jsonb_typeof(was.value) not in ('object', 'array')
                or was.key in ({{ literals(written_columns()) }}) as is_read
            from this_row
            cross join lateral jsonb_each({{ image }}) as was (key, value)
            where this_row.current -> was.key is distinct from was.value
                and this_row.current ? was.key
        ),

        compared as materialized (
            select
                coalesce(jsonb_object_agg(d.key, d.value) filter (where d.is_read), '{}') as read_back,
                coalesce(jsonb_object_agg(d.key, d.value) filter (where not d.is_read), '{}') as not_read
            from differing as d
        )

        select
            this_row.current,
            compared.read_back,
            to_jsonb(jsonb_populate_record({{ s }}.*, compared.read_back)) || compared.not_read as stored
        from this_row
        cross join compared
    )
{%- endmacro %}
