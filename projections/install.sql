-- name: lock-installation
-- Held to the end of the transaction: one process installs, the others then find it done.
select pg_advisory_xact_lock(1179601988)

-- name: installed-version
-- Which version of a projection the live schema holds.
select version from foldline.projection where name = %(name)s

-- name: record-version
-- Remember what was installed.
insert into foldline.projection (name, version) values (%(name)s, %(version)s)

-- name: add-leases
-- A free lease row for each partition that has none.
insert into foldline.lease (follower, part)
select %(follower)s, p from generate_series(0, %(partitions)s - 1) p
on conflict do nothing
