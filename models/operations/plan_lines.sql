-- One row per line of a stored plan, after its header, as it is.
create table {{ this.include(database=false) }} (
    hash text not null references {{ ref('plans') }},
    position bigint not null,
    line text not null,
    primary key (hash, position)
)
