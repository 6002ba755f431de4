-- One row: the first and the last day to build; none where there is neither a call nor a look. $1: build all days.
{{ days_to_build('$1::boolean') }}
