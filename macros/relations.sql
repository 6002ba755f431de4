{#
    Relations are named without their database: a connection has one, and what is compiled is then the same for
    every database whose application has the same columns.
#}
{% macro source() -%}
    {{ return(builtins.source(*varargs, **kwargs).include(database=false)) }}
{%- endmacro %}


{% macro ref() -%}
    {{ return(builtins.ref(*varargs, **kwargs).include(database=false)) }}
{%- endmacro %}
