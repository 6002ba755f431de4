{# The columns of the sessions table that only the vars sessions_on_* declare. #}
{% macro other_written_columns() %}
    {% set names = [] %}
    {% for declaration in ['sessions_on_close', 'sessions_on_available', 'sessions_on_break'] %}
        {% for name in var(declaration) if name not in names %}
            {% do names.append(name) %}
        {% endfor %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
