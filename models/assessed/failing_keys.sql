-- One row per rule and key of what violates it, the first failing_keys_per_rule of each rule in the order of the keys.
with numbered as (
    select
        rule,
        key,
        row_number() over (partition by rule order by key) as position
    from {{ ref('violations') }}
)

select
    rule,
    key
from numbered
where position <= {{ var('failing_keys_per_rule') }}
order by rule, key
