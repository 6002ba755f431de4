{#
    The login of a closed session whose logout is not before it, and whose times can be calculated with, so that the
    cleaned view shows both as they are; null for any other. The index rollcall_closed_logins has this expression: it finds
    the sessions of a day, and by `is null` the few others. The arguments are SQL of instants.
#}
{% macro regular_login_at(login_at, logout_at) -%}
    (case
        when {{ logout_at }} >= {{ login_at }}
            and {{ login_at }} >= {{ earliest_ordinary_time() }}
            and {{ logout_at }} < {{ first_extreme_time() }}
            then {{ login_at }}
    end)
{%- endmacro %}
