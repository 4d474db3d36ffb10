"""Events of jobs and their subjobs, as the jobs reference documents them. Absent values are left out."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from foldline_client.bodies import mapping, required
from foldline_client.items import Item
from foldline_client.jsontext import MAX_INDEXED, encode, finite_number, indexed, safe_str
from foldline_client.options import TOKEN

EntityType = Literal["job", "subjob"]
Kind = Literal["started", "progress", "finished", "canceled"]
Status = Literal["running", "succeeded", "failed", "canceled"]

# As the line has it, and not `str.isprintable`, which changes from one Python to the next.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEYS: Final = uuid.UUID("6f2f7a0e-5a39-4d0b-9c0e-3f5f0c1f6f55")


@dataclass(frozen=True, slots=True)
class AppRef:
    """The program that runs: `app_id` identifies it, `name` is for people.

    Raises TypeError or ValueError for an id or name that is not a string, or empty.
    """

    app_id: str
    name: str
    version: str | None = None

    def __post_init__(self) -> None:
        required("app_id", self.app_id)
        required("name", self.name)


@dataclass(frozen=True, slots=True)
class EntityRef:
    """The job or subjob that an event is about; a subjob has the id of its job as `parent_id`."""

    type: EntityType
    id: str
    parent_id: str | None = None
    business_key: str | None = None
    sub_key: str | None = None

    @property
    def job_id(self) -> str:
        """The id of the job, for a subjob that of the job it belongs to."""
        return self.id if self.type == "job" or self.parent_id is None else self.parent_id


def entity_id(name: str, value: str) -> str:
    """Return an id of 1 to 512 bytes without control characters. Raises TypeError or ValueError."""
    required(name, value)
    if _CONTROL.search(value) is not None or len(value.encode()) > MAX_INDEXED:
        raise ValueError(
            f"{name} {value[:50]!r} is not text of at most {MAX_INDEXED} bytes without control characters"
        )
    return value


def token_of(job_id: str) -> str:
    """Return the token for a job's id in subjects: the id itself, or `h_` and half of its SHA-256."""
    if TOKEN.fullmatch(job_id):
        return job_id
    return f"h_{hashlib.sha256(job_id.encode()).hexdigest()[:32]}"


def job_body(
    site: str,
    app: AppRef,
    entity: EntityRef,
    kind: Kind,
    *,
    at: str,
    status: Status,
    metrics: Mapping[str, float],
    metadata: Mapping[str, Any],
) -> bytes:
    """Encode an event without its key, which `keyed_body` adds. `at` is RFC 3339.

    Raises TypeError for metadata that is not a mapping.
    """
    return encode(
        {
            "site_id": site,
            "app": _present(asdict(app)),
            "entity": _present(asdict(entity)),
            "event": {
                "kind": kind,
                "at": at,
                "status": status,
                "metrics": metrics,
                "metadata": mapping("metadata", metadata),
            },
        }
    )


def event_key(item: Item) -> str:
    """Return the `idempotency_key` of an event: a UUID, the same for every try to send it."""
    return str(uuid.uuid5(_KEYS, item.key))


def keyed_body(item: Item) -> bytes:
    """Return the whole event as it is sent."""
    return b'{"idempotency_key":"%b",%b' % (event_key(item).encode(), item.body[1:])


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that the line takes: finite numbers, NumPy's and Decimal's included."""
    found = {name: _number(value) for name, value in metrics.items()}
    return {name: number for name, number in found.items() if number is not None}


def _number(value: Any) -> float | None:
    try:
        return finite_number(value)
    except Exception:  # float() of a stranger's object may raise anything
        return None


def _present(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: indexed(safe_str(value)) for name, value in fields.items() if value is not None}
