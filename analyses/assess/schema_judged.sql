-- One row: schema_counts over declared changes that have been read already, because planning the query that reads them
-- takes the server longer than all the rest. $1: their kind and state, as a JSON array.
{{ schema_counts_of('jsonb_to_recordset($1::jsonb) as c (kind text, state text)') }}
