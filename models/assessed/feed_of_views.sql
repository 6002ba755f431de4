-- silent_feed for the views, which need no more than the answer.
-- The linter would order what has no order:
-- noqa: disable=AM09
{{ calls_against_silence(at_most=var('silent_feed_min_calls'), by_agent=calls_are_looked_up()) }}
