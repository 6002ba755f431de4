-- One row per statement that takes back what default privileges gave away on new objects of ours. $1: their names.
{{ default_grants('$1') }}
