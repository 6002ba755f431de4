{# One row: were days built for another time zone? They cannot stand beside days of this one. #}
{% macro days_of_another_zone() -%}
select count(*) > 0
from {{ ref('built_days') }} as b
where b.starts_at <> b.business_day::timestamp at time zone {{ literal(var('business_time_zone')) }}
{%- endmacro %}
