-- One row per column of the sessions table that a repair writes: whether it takes null, whether it is generated, its
-- type and length, and its CHECK constraints. `expression` is that of a constraint on this column alone, which can be
-- evaluated beforehand; `texts` are those that the form `column in (...)` allows. `judged_type` is the domain of the
-- column, or its base type where the domain cannot be evaluated.
-- $1: schema. $2: table. $3: columns. Read before dbt is started.
with recursive written as (
    select
        a.*,
        t.typnotnull,
        base.type_id,
        base.modifier
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    cross join {{ base_type('a.atttypid', 'a.atttypmod') }} as base
    where n.nspname = $1
        and c.relname = $2
        and a.attname = any($3::text[])
        and a.attnum > 0
),

-- a domain over another one has the constraints of both
domains as (
    select
        w.attnum,
        w.atttypid as type_id
    from written as w
    union all
    select
        d.attnum,
        t.typbasetype as type_id
    from domains as d
    join pg_catalog.pg_type as t on t.oid = d.type_id
    where t.typtype = 'd'
)

select
    w.attname::text as column_name,
    w.attnotnull or w.typnotnull as is_not_null,
    w.attgenerated <> '' or w.attidentity = 'a' as is_generated,
    pg_catalog.format_type(w.type_id, -1) as base_type,
    exists(
        select 1
        from pg_catalog.pg_enum as e
        where e.enumtypid = w.type_id
    ) as is_enum,
    -- the modifier of another type means something else
    case
        when w.type_id in ('pg_catalog.varchar'::regtype, 'pg_catalog.bpchar'::regtype) and w.modifier > 0
            then w.modifier - 4
    end as most_characters,
    pg_catalog.format_type(
        case
            when exists (
                    select 1
                    from pg_catalog.pg_constraint as k
                    join domains on domains.type_id = k.contypid
                    where domains.attnum = w.attnum
                        and {{ runs_other_functions('k') }}
                )
                then w.type_id
            else w.atttypid
        end,
        -1
    ) as judged_type,
    array(
        select
            jsonb_build_object(
                'name', k.conname,
                'definition', pg_catalog.pg_get_constraintdef(k.oid),
                'expression', pg_catalog.pg_get_expr(k.conbin, k.conrelid),
                'texts', case
                    when pg_catalog.pg_get_constraintdef(k.oid)
                        ~ '^CHECK \(\(\(?[^()]+\)?(::text)? = ANY \(+ARRAY\[[^()]*\]\)*(::text\[\])?\)*$'
                        then listed.texts
                end
            )
        from pg_catalog.pg_constraint as k
        left join lateral (
            select array_agg(replace(found.texts[1], '''''', '''')) as texts
            from regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''((?:[^'']|'''')*)''', 'g') as found (texts)
        ) as listed on true
        where k.contype = 'c'
            and k.conrelid = w.attrelid
            and k.conkey = array[w.attnum]
            and not {{ runs_other_functions('k') }}
            -- since PostgreSQL 18 a constraint need not be enforced
            and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
        order by k.conname
    ) as checks
from written as w
order by w.attnum
