"""Events of jobs as the jobs reference documents them."""

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2025, 10, 19, 12, tzinfo=UTC)
APP = {"app_id": "11111111-1111-4111-8111-111111111111", "name": "app-name", "version": "1.0.0"}


def job_event(
    job: str,
    kind: str = "started",
    *,
    minute: float = 0,
    key: str | None = None,
    sub: str | None = None,
    app: dict[str, Any] | None = None,
    site: str | None = "fab1",
    business_key: str | None = None,
    sub_key: str | None = None,
    **event: Any,
) -> dict[str, Any]:
    """Return one event; `minute` is counted from START."""
    entity = {"type": "subjob", "id": sub, "parent_id": job} if sub else {"type": "job", "id": job}
    body: dict[str, Any] = {
        "site_id": site,
        "app": app or APP,
        "entity": entity | {"business_key": business_key, "sub_key": sub_key},
        "event": {
            "kind": kind,
            "at": (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z"),
            **event,
        },
    }
    return body if key is None else body | {"idempotency_key": key}
