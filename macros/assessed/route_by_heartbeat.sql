{# Whether the flag route_by_heartbeat is on, as one row with is_on. A flag that was never switched is off. #}
{% macro route_by_heartbeat() -%}
    select coalesce(bool_or(is_on), false) as is_on
    from {{ ref('flags') }}
    where name = 'route_by_heartbeat'
{%- endmacro %}
