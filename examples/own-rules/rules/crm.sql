select
    'call_without_customer' as rule,
    c.id::text as key
from public.call_sessions as c
left join public.customers as k on c.customer_id = k.id
where c.customer_id is not null and k.id is null

union all

select
    'customer_without_time_zone' as rule,
    k.id::text as key
from public.customers as k
where k.time_zone is null
