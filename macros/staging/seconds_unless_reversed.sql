{# The whole seconds from one instant to a later one; null where either is unknown or they are reversed. #}
{% macro seconds_unless_reversed(earlier, later) -%}
    case when {{ later }} >= {{ earlier }} then {{ seconds_between(earlier, later) }}::bigint end
{%- endmacro %}
