-- One row per declared relation or column of ours, with its state: present; missing, also where a view has another
-- definition of ours; conflicting, which Rollcall did not make. $1: what is declared, a JSON array of `object_name`,
-- `schema_name`, `relation_name`, `kind`, `columns` (of a table: names and types), `digest` and `reads_application`
-- (of a view). $2: the one object that is wanted, or null.
select
    d.object_name,
    case
        when r.relation_kind is null then 'missing'
        when r.relation_kind <> all(case d.kind when 'view' then '{v}' else '{r,p}' end::text[]) then 'conflicting'
        when d.kind = 'table'
            then case
                    when exists (
                            select 1
                            from jsonb_each_text(d.columns) as w (column_name, type_name)
                            where r.columns ->> w.column_name <> w.type_name
                        ) then 'conflicting'
                    when r.columns ?& array(select jsonb_object_keys(d.columns)) then 'present'
                    when d.object_name = d.schema_name || '.' || d.relation_name then 'conflicting'
                    else 'missing'
                end
        when r.definition_digest is null
            or (d.reads_application and s.is_enabled and not s.views_can_apply_it) then 'conflicting'
        when r.definition_digest <> d.digest
            or (d.reads_application and s.is_enabled and not r.is_invoker) then 'missing'
        else 'present'
    end as state
from jsonb_to_recordset($1::jsonb) as d (
        object_name text,
        schema_name text,
        relation_name text,
        kind text,
        columns jsonb,
        digest text,
        reads_application boolean
    )
cross join {{ ref('row_security') }} as s
left join {{ ref('deployed_relations') }} as r
    on r.schema_name = d.schema_name
        and r.relation_name = d.relation_name
where $2::text is null or d.object_name = $2::text
