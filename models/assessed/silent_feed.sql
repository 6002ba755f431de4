-- One row: is the activity feed silent? A batch of the clean-up reads this before it locks a row and hands the answer
-- over in the setting rollcall.contradicting_calls: no lock may be held while all open sessions are read.
{{ calls_against_silence() }}
