-- name: is-read-only
-- A server that copies another one is read-only, too.
select current_setting('transaction_read_only')::boolean

-- name: little-memory
-- For the next query of this transaction: what it sorts does not fit into memory and goes to a file.
set local work_mem = '64kB'

-- name: spill
-- Writes two megabytes to a temporary file: on a full disk it fails as the next row would.
select count(*) from (
    select repeat(md5(n::text), 32) as filler from generate_series(1, 2000) as n order by filler
) as sorted

-- name: commit-nothing
-- Writes a record to the log that no table holds; the commit that follows is synced like any other.
select pg_logical_emit_message(true, 'foldline', 'readiness')
