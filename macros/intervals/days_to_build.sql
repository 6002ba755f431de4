-- the linter cannot follow the filter:
-- noqa: disable=LT02
{#
    One row: the first and the last day to build; none where there is neither a call nor a look. is_full: SQL of a boolean,
    whether all days are built.

    Incrementally: the last day built and build_days_again days before it, all days since, and earlier ones that a look
    has corrected since then, or that were built with other settings. No day is older than build_days_back.
#}
{% macro days_to_build(is_full) -%}
with today as (
    select {{ business_time('clock.judged_at') }}::date as day
    from {{ ref('clock') }} as clock
),

built as (
    select
        min(b.business_day) as first_day,
        max(b.business_day) as last_day,
        -- a build goes from its first day to its last, so a part of one leaves the last day with the mark of the build
        -- before, and what that look has not known is found again
        (array_agg(coalesce(b.looked_until, '-infinity') order by b.business_day desc))[1] as looked_until,
        min(b.business_day) filter (
            where b.settings <> {{ build_settings() }}
                and not b.is_final
                and b.business_day >= today.day - {{ whole_days('build_days_back') }}
        ) as first_other_day
    from {{ ref('built_days') }} as b
    cross join today
),

-- an interval that ended since was known until that look
corrected as (
    select
        min(
            case
                when p.recorded_by > built.looked_until or p.superseded_by > built.looked_until then p.valid_from
                else least(p.valid_to, built.looked_until)
            end
        ) as first_at
    from built
    join {{ ref('presence') }} as p
        on p.recorded_by > built.looked_until
            or p.superseded_by > built.looked_until
            or p.ended_by > built.looked_until
),

-- read only where all days are built
first_source as (
    select
        least(
            (
                select min({{ shown_call_dated_at('c') }})
                from {{ ref('calls') }} as c
            ),
            (select min(l.look_at) from {{ ref('presence_looks') }} as l)
        ) as first_at
    from built
    where {{ is_full }}
        or built.last_day is null
        or built.first_other_day is not null
),

firsts as (
    select
        case
            when first_source.first_at is not null
                then least({{ business_time('first_source.first_at') }}::date, built.first_other_day)
            else greatest(
                    least(
                        built.last_day - {{ whole_days('build_days_again') }},
                        {{ business_time('corrected.first_at') }}::date
                    ),
                    built.first_day
                )
        end as day
    from built
    cross join corrected
    left join first_source on true
)

select
    greatest(firsts.day, today.day - {{ whole_days('build_days_back') }}) as first_day,
    today.day as last_day
from firsts
cross join today
where firsts.day is not null
    and firsts.day <= today.day
{%- endmacro %}
