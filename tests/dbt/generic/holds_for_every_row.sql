{# What relates the columns of a row to each other. expression: SQL that is true for every sound row; null is not. #}
{% test holds_for_every_row(model, expression) %}
select *
from {{ model }}
where ({{ expression }}) is not true
{% endtest %}
