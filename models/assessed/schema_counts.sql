-- One row: how often each rule of the schema suite is violated, from the catalog alone; it reads no row of the
-- application's tables, so it works where we may not read them.
{{ schema_counts_of(ref('declared_changes')) }}
