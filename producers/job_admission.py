"""The door for events of jobs: a documented event becomes the fact that is published, byte for byte."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from producers.admission import fact_of
from runtime.settings import Settings
from schemas.facts import Fact, parse_fact
from schemas.jobs.facts import JobFact
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


def job_facts_by(
    settings: Settings, now: Callable[[], datetime], headers: Mapping[str, str] | None = None
) -> Callable[[bytes], Fact]:
    """What makes facts of events as a process's settings want them. It raises InvalidFact."""
    fact = partial(
        job_fact,
        site=settings.site,
        only_site=settings.own_site_only,
        max_skew=timedelta(seconds=settings.job_max_skew),
        headers=headers,
        max_bytes=settings.max_body,
    )
    return lambda body: fact(body, now=now())


def checked_batch(
    items: Sequence[bytes], check: Callable[[bytes], Fact]
) -> tuple[list[Fact], list[dict[str, Any]]]:
    """The facts of a batch in their order, and what is wrong with the others: `{index, error, detail}`."""
    facts, errors = [], []
    for index, item in enumerate(items):
        try:
            facts.append(check(item))
        except InvalidFact as exc:
            errors.append({"index": index, "error": exc.reason, "detail": exc.details})
    return facts, errors
