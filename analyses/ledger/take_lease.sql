-- Take the next fencing token. $1: run_id. $2: the holder, as text for people.
{{ take_lease('$1', '$2') }}
