-- One row: the server's clock, in seconds since 1970, at this very moment.
select extract(epoch from clock_timestamp())::double precision as server_epoch
