-- The same for a suite of a user's own, whose query is put in for the relation that is named here. $1: the waivers.
{{ judged_violations('the_users_own_violations', has_sessions_and_calls=false) }}
