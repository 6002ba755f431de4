-- What a role with CREATE in public can put in the way of a statement: for each named function of pg_catalog the same
-- name with arguments that fit better than its polymorphic or text ones; and operators for pairs of types that
-- pg_catalog has no exact one for. Where {exact} is true also with the arguments that pg_catalog has, which win where
-- the search path has public first. A call leaves a line in the server's log.
do $do$
declare
    fitting text[] := '{text,name,"char",integer,bigint,smallint,numeric,double precision,boolean,uuid,jsonb,json,'
        'timestamptz,timestamp,interval,oid,varchar,text[],name[],smallint[],public.agent_sessions}';
    operands text[] := '{text,name,"char",integer,bigint,numeric,uuid,jsonb,timestamptz,timestamp,interval,oid,'
        'varchar,text[],boolean}';
    operators text[] := '{=,<>,<,>,<=,>=,||,+,-,*,/,->,->>,~~,!~~,~,~*}';
    found record;
    fit text;
    other text;
    operator_name text;
    arguments text;
begin
    if {exact} then fitting := fitting || array['exact']; end if;
    for found in
        select p.proname, p.proargtypes::oid[] as types
        from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any(array[{names}])
            and p.pronargs <= 4 and p.provariadic = 0
    loop
        foreach fit in array fitting loop
            select coalesce(string_agg(
                case
                    when fit = 'exact' then format_type(a.type, null)
                    when a.type in ('anyarray'::regtype, 'anycompatiblearray'::regtype)
                        then case when fit like '%[]' then fit else fit || '[]' end
                    when a.type in ('anyelement'::regtype, 'anynonarray'::regtype, '"any"'::regtype, 'text'::regtype,
                        'anycompatible'::regtype) then fit
                    else format_type(a.type, null)
                end, ', ' order by a.position), '')
            into arguments
            from unnest(found.types) with ordinality as a (type, position);
            continue when fit <> 'exact'
                and to_regprocedure(format('pg_catalog.%I(%s)', found.proname, arguments)) is not null;
            begin
                execute format(
                    'create function public.%I(%s) returns text language plpgsql as'
                    ' $f$ begin raise warning ''{mark}: %s(%s)''; return null; end $f$',
                    found.proname, arguments, found.proname, arguments
                );
            exception when others then null;
            end;
        end loop;
    end loop;

    foreach fit in array operands loop
        foreach other in array operands loop
            execute format(
                'create function public.planted_operator(l %s, r %s) returns boolean language plpgsql as'
                ' $f$ begin raise warning ''{mark}: operator (%s, %s)''; return null; end $f$',
                fit, other, fit, other
            );
            foreach operator_name in array operators loop
                continue when not {exact}
                    and to_regoperator(format('pg_catalog.%s(%s,%s)', operator_name, fit, other)) is not null;
                begin
                    execute format(
                        'create operator public.%s (leftarg = %s, rightarg = %s, function = public.planted_operator)',
                        operator_name, fit, other
                    );
                exception when others then null;
                end;
            end loop;
        end loop;
    end loop;
end
$do$
