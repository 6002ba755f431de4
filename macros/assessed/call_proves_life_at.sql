{# When a call was connected; where the application does not say so, when it proved life. calls: an alias. #}
{% macro call_proves_life_at(calls) -%}
    {{ calls }}.{{ 'connected_at' if is_mapped('calls_connected_at_column') else 'sign_of_life_at' }}
{%- endmacro %}
