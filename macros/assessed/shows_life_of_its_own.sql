{#
    Whether the session's own columns show life inside the window, so that it is not abandoned whatever its agent's calls
    prove; null without a sign of life. As a range, for which PostgreSQL expects few sessions: each of them is judged by
    itself, which just-in-time compilation does not make faster. s: an open session; abandoned_before: SQL of the cut-off.
#}
{% macro shows_life_of_its_own(s, abandoned_before) -%}
    (
        {{ s }}.own_sign_of_life_at >= {{ abandoned_before }}
        and {{ s }}.own_sign_of_life_at <= 'infinity'::timestamptz
    )
{%- endmacro %}


{# The opposite, never null. #}
{% macro may_be_abandoned(s, abandoned_before) -%}
    (
        (
            {{ s }}.own_sign_of_life_at < {{ abandoned_before }}
            and {{ s }}.own_sign_of_life_at >= '-infinity'::timestamptz
        )
        or {{ s }}.own_sign_of_life_at is null
    )
{%- endmacro %}
