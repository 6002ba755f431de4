{#
    What a column var says, in one form: `column`, the plain column that is read and written; `sql` and `type`, an expression
    over the alias of its table that is read instead; `values`, the name of each raw value of a status. What is not given is
    none; where neither column nor sql is, the application has nothing of the kind.
#}
{% macro mapping_of(column_var) %}
    {% set given = var(column_var) if var('calls_table') is not none or not column_var.startswith('calls_') else none %}
    {% if given is mapping %}
        {{ return({
            'column': given.get('column'),
            'sql': given.get('sql'),
            'type': given.get('type'),
            'values': given.get('values'),
        }) }}
    {% endif %}
    {{ return({'column': given, 'sql': none, 'type': none, 'values': none}) }}
{% endmacro %}
