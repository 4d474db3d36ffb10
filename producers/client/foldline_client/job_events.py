"""Events of jobs and their subjobs, as the jobs reference documents them. Absent values are left out."""

import hashlib
import math
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from foldline_client.bodies import mapping, required
from foldline_client.items import Item
from foldline_client.jsontext import MAX_INDEXED, encode, indexed, safe_str
from foldline_client.options import TOKEN

EntityType = Literal["job", "subjob"]
Kind = Literal["started", "progress", "finished", "canceled"]
Status = Literal["running", "succeeded", "failed", "canceled"]

_KEYS: Final = uuid.UUID("6f2f7a0e-5a39-4d0b-9c0e-3f5f0c1f6f55")


@dataclass(frozen=True, slots=True)
class AppRef:
    """The program that runs: `app_id` is what it is known by, `name` what people read.

    Raises TypeError or ValueError for an id or name that is no text, or empty.
    """

    app_id: str
    name: str
    version: str | None = None

    def __post_init__(self) -> None:
        required("app_id", self.app_id)
        required("name", self.name)


@dataclass(frozen=True, slots=True)
class EntityRef:
    """What an event is about: a job, or a subjob with the id of its job as `parent_id`."""

    type: EntityType
    id: str
    parent_id: str | None = None
    business_key: str | None = None
    sub_key: str | None = None

    @property
    def job_id(self) -> str:
        """The job; of a subjob the one it belongs to."""
        return self.id if self.type == "job" or self.parent_id is None else self.parent_id


def entity_id(name: str, value: str) -> str:
    """An id the line takes: printable, 1 to 512 bytes. Raises TypeError or ValueError."""
    required(name, value)
    if not value.isprintable() or len(value.encode()) > MAX_INDEXED:
        raise ValueError(f"{name} must be printable text of at most {MAX_INDEXED} bytes")
    return value


def token_of(job_id: str) -> str:
    """The token that stands for a job's id in subjects: itself, or `h_` and half of its SHA-256."""
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
    """An event, but for its key: that is made with its item, see `keyed_body`. `at` is RFC 3339.

    Raises TypeError for metadata that is no mapping.
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
    """The `idempotency_key` of an event: a UUID, the same for every try to send it."""
    return str(uuid.uuid5(_KEYS, item.key))


def keyed_body(item: Item) -> bytes:
    """The whole event, as it is sent."""
    return b'{"idempotency_key":"%b",%b' % (event_key(item).encode(), item.body[1:])


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Those that are finite numbers, NumPy's and Decimal's included: the line takes no others."""
    found = {name: _number(value) for name, value in metrics.items()}
    return {name: number for name, number in found.items() if number is not None}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except Exception:  # what stands for a number may do as it likes
        return None
    if not math.isfinite(number):
        return None
    return value if type(value) is int else number


def _present(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: indexed(safe_str(value)) for name, value in fields.items() if value is not None}
