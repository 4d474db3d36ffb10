"""Every metric this project exposes, declared once. Durations are in seconds, sizes in bytes."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from runtime.compat.fast_metrics import FastCounter, FastHistogram

_BATCH: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_LATENCY: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

PUBLISHED: Final = FastCounter(
    "foldline_published", "Facts handed to the publisher, by outcome.", ["stream", "outcome"]
)
PUBLISH_BATCH: Final = Histogram(
    "foldline_publish_batch_events", "Facts committed in one atomic batch.", ["stream"], buckets=_BATCH
)
PUBLISH_SECONDS: Final = FastHistogram(
    "foldline_publish_seconds",
    "Time from handing a fact to the publisher to its acknowledgement.",
    ["stream"],
    buckets=_LATENCY,
)

FOLDED: Final = Counter("foldline_folded_total", "Events that took effect.", ["follower"])
DUPLICATES: Final = Counter(
    "foldline_duplicates_total", "Events whose message id was seen before.", ["follower"]
)
REJECTED: Final = Counter("foldline_rejected_total", "Events set aside, by reason.", ["follower", "reason"])
REJECTED_EVENTS: Final = Gauge(
    "foldline_rejected_events",  # the counter above has taken foldline_rejected
    "Rejected events that nobody has retried or dismissed.",
    ["follower", "reason"],
)
PARKED: Final = Counter("foldline_parked_total", "Entities parked because their fold raised.", ["follower"])
BATCH_EVENTS: Final = Histogram(
    "foldline_batch_events", "Events in one transaction.", ["follower"], buckets=_BATCH
)
BATCH_SECONDS: Final = Histogram(
    "foldline_batch_seconds", "Time from taking a batch to its commit.", ["follower"], buckets=_LATENCY
)
FAILURES: Final = Counter(
    "foldline_batch_failures_total", "Batches that had to be tried again.", ["follower"]
)
FENCED: Final = Counter(
    "foldline_fenced_total", "Batches refused because a lease had moved on.", ["follower"]
)
REACTOR_HANDLED: Final = Counter(
    "foldline_reactor_handled_total", "Events, batches or runs that a reactor has finished.", ["reactor"]
)
REACTOR_FAILURES: Final = Counter(
    "foldline_reactor_failures_total",
    "Events, batches or runs that a reactor has to try again.",
    ["reactor"],
)
REACTOR_SECONDS: Final = Histogram(
    "foldline_reactor_seconds",
    "Duration of an event, a batch or a run of a reactor, seconds.",
    ["reactor"],
    buckets=(*_LATENCY, 10, 30, 60, 300),
)
REACTOR_SUCCEEDED: Final = Gauge(
    "foldline_reactor_last_success_timestamp", "When a reactor last succeeded here, Unix time.", ["reactor"]
)
REACTOR_PENDING: Final = Gauge(
    "foldline_reactor_pending_events", "Events that a task reactor has not acknowledged.", ["reactor"]
)
REACTOR_FAILING: Final = Gauge(
    "foldline_reactor_failing_events", "Events that a task reactor has tried in vain for long.", ["reactor"]
)
REACTOR_PAUSED: Final = Gauge(
    "foldline_reactor_paused", "1 while a reactor is paused by an operator, else 0.", ["reactor"]
)
REACTOR_RUNNING: Final = Gauge(
    "foldline_reactor_running", "1 while any consumer runs the reactor, else 0.", ["reactor"]
)
EXPIRED: Final = Counter("foldline_expired_sessions_total", "Sessions that retention expired.")
SWEPT: Final = Counter(
    "foldline_swept_facts_total", "`expired` facts removed once every generation had folded them."
)
_PER_STREAM: Final = ["follower", "stream"]
FOLLOWER_LAG_EVENTS: Final = Gauge(
    "foldline_follower_lag_events", "Events on the line that the follower has not folded.", _PER_STREAM
)
FOLLOWER_LAG_SECONDS: Final = Gauge(
    "foldline_follower_lag_seconds", "Age of the oldest event not folded; 0 = none.", _PER_STREAM
)
CHECKPOINT_AGE: Final = Gauge(
    "foldline_checkpoint_age_seconds",
    "Longest time that a partition with lag was seen without a commit; 0 = no lag.",
    _PER_STREAM,
)
PARTITIONS_UNHELD: Final = Gauge(
    "foldline_partitions_unheld", "Partitions that nobody holds, or whose lease has run out.", ["follower"]
)
PARTITIONS_PAUSED: Final = Gauge(
    "foldline_partitions_paused", "Partitions that are paused or stopped.", ["follower"]
)
PARKED_ENTITIES: Final = Gauge("foldline_parked_entities", "Entities that are parked now.", ["follower"])
LAG_MEASURED: Final = Gauge(
    "foldline_lag_measured_timestamp", "When the gauges of followers were last measured, Unix time."
)
PARTITIONS_HELD: Final = Gauge(
    "foldline_partitions_held", "Partitions that this process holds.", ["follower"]
)
BUFFERED: Final = Gauge("foldline_buffered_events", "Events received and not yet folded.", ["follower"])
SIDECAR_ACCEPTED: Final = FastCounter(
    "foldline_sidecar_events", "Events accepted, by way: forwarded to the line, or spooled.", ["way"]
)
SPOOL_EVENTS: Final = Gauge("events_in_spool", "Events in the spool that wait for the line.")
SPOOL_OLDEST: Final = Gauge(
    "foldline_spool_oldest_seconds", "Time since the oldest event in the spool was accepted."
)
SPOOL_DISK: Final = Gauge("foldline_spool_disk_bytes", "Size of the spool on disk.")
SPOOL_POISON: Final = Gauge(
    "foldline_spool_poison_events", "Events in the spool that the line refused and that were set aside."
)
LIVE_READERS: Final = Gauge("foldline_live_readers", "Clients connected to a live stream now.")
RELAY_UP: Final = Gauge(
    "foldline_relay_up", "Whether the process that requests are relayed to gave its metrics.", ["upstream"]
)
LAG_SECONDS: Final = Gauge(
    "foldline_lag_seconds", "Age of the newest event of a batch when it was committed.", ["follower"]
)

# Names that the existing dashboards of the jobs reference use.
HTTP_REQUESTS: Final = FastCounter(
    "http_requests", "HTTP requests, by surface and route.", ["surface", "method", "endpoint", "status"]
)
HTTP_SECONDS: Final = FastHistogram(
    "http_request_duration_seconds",
    "Time until the answer to an HTTP request began, seconds.",
    ["surface", "method", "endpoint"],
    buckets=Histogram.DEFAULT_BUCKETS[:-1],
)
DB_OPERATIONS: Final = Counter("db_operations", "Reads of a jobs surface.", ["operation", "table", "status"])
DB_SECONDS: Final = Histogram(
    "db_operation_duration_seconds",
    "Duration of the reads of a jobs surface, seconds.",
    ["operation", "table"],
)
DB_POOL_SIZE: Final = Gauge("db_pool_size", "PostgreSQL connections of this process.")
DB_POOL_AVAILABLE: Final = Gauge("db_pool_available", "Idle PostgreSQL connections of this process.")
EVENTS_PROCESSED: Final = Counter(
    "events_processed",
    "Job events received: stored, duplicate, or the reason of their refusal.",
    ["event_type", "status"],
)
JOBS_BY_STATUS: Final = Gauge("jobs_total", "Jobs by application and status.", ["app_name", "status"])
SYSTEM_CPU: Final = Gauge("system_cpu_usage", "Use of all processors of this machine, percent.")
SYSTEM_MEMORY: Final = Gauge("system_memory_usage_bytes", "Memory in use on this machine.")
