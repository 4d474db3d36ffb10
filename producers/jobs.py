"""The door for events of jobs: a documented event becomes the fact that is published, byte for byte."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from producers.checked import fact_of
from schemas.facts import Fact, parse_fact
from schemas.job_facts import JobFact
from schemas.times import format_time
from schemas.validation import MAX_FACT_BYTES, InvalidFact


def job_fact(
    body: bytes,
    *,
    site: str,
    only_site: bool = False,
    now: datetime,
    max_skew: timedelta,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_FACT_BYTES,
) -> Fact:
    """Validate an event; its subject follows from it. Raises InvalidFact.

    `site` is for an event that names none; with `only_site` no other is taken.
    """
    model = parse_fact("job", "started", body, max_bytes=max_bytes)  # one form for every kind
    if not isinstance(model, JobFact):
        raise TypeError(type(model))
    if only_site and model.site_id not in (None, site):
        raise InvalidFact("wrong_site", f"site_id: this is {site}, events of {model.site_id} go there")
    at = model.timestamp
    if at is not None and at - now > max_skew:
        raise InvalidFact(
            "time_in_future",
            f"Event time skew too large: {format_time(at)} is more than {max_skew.total_seconds():g} s "
            f"after {format_time(now)}",
        )
    return fact_of(model.subject(site), body, model, key=model.key, headers=headers, now=now)
