-- name: bound-reading
-- Bounds how long a client that stops reading holds a snapshot, which keeps dead rows alive.
set local idle_in_transaction_session_timeout = '60s'
