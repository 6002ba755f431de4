-- Our own two schemas: the views that people query, and the ledger.
{{ declared_schema('rollcall', reason='The cleaned views live here, apart from the application') }}
union all
{{ declared_schema('rollcall_ops', reason='The ledger of runs and changes lives here, apart from the application') }}
