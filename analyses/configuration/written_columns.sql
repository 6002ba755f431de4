-- One row per column of the sessions table that a repair writes: whether it takes null, whether it is generated, and
-- the texts that a CHECK constraint of the form `column in (...)` allows. $1: schema. $2: table. $3: columns.
-- Read before dbt is started.
select
    allowed.constraint_name,
    allowed.texts as allowed_texts,
    a.attname::text as column_name,
    a.attnotnull or t.typnotnull as is_not_null,
    a.attgenerated <> '' or a.attidentity = 'a' as is_generated
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_type as t on t.oid = a.atttypid
left join lateral (
    select
        k.conname::text as constraint_name,
        array(
            select found.texts[1]
            from regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''((?:[^'']|'''')*)''', 'g') as found (texts)
        ) as texts
    from pg_catalog.pg_constraint as k
    where k.contype = 'c'
        and k.conrelid = a.attrelid
        and k.conkey = array[a.attnum]
        and pg_catalog.pg_get_constraintdef(k.oid)
        ~ '^CHECK \(\(\(?[^()]+\)?(::text)? = ANY \(+ARRAY\[[^()]*\]\)*(::text\[\])?\)*$'
    order by k.conname
    limit 1
) as allowed on true
where n.nspname = $1
    and c.relname = $2
    and a.attname = any($3::text[])
    and a.attnum > 0
order by a.attnum
