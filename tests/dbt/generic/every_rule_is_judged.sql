{#
    A rule says true or false of every row, and its count is a number.
    of: models of rules_of; others: further columns that are never null.
#}
{% test every_rule_is_judged(model, of, others=[]) %}
select *
from {{ model }}
where num_nulls({% for name in of %}{{ rules_of(name) | join(', ') }}{{ ", " if not loop.last }}{% endfor %}) > 0
    {% for name in others %}
        or {{ name }} is null
    {% endfor %}
{% endtest %}
