"""Admission of job events: a documented event becomes the fact that is published, byte for byte."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from producers.admission import admit_validated
from runtime.settings.line import IngestSettings
from schemas.facts import CLOCK, OWN_CLOCK, Fact, parse_fact
from schemas.future_limit import refuse_skew
from schemas.jobs.facts import JobFact
from schemas.validation import MAX_FACT_BYTES, InvalidFact


def admit_job_event(
    body: bytes,
    *,
    site: str,
    only_site: bool = False,
    now: datetime,
    max_skew: timedelta,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_FACT_BYTES,
) -> Fact:
    """Validate an event and make a fact of it; its subject follows from the event. Raises InvalidFact.

    `site` is for an event that names none; with `only_site` an event of another site is refused.
    """
    # All kinds have one form.
    model = cast(JobFact, parse_fact("job", "started", body, max_bytes=max_bytes))
    if only_site and model.site_id not in (None, site):
        raise InvalidFact(
            "wrong_site",
            f"site_id: this is site {site}; send events of site {model.site_id} to its own sidecar or API",
        )
    if model.timestamp is not None and (headers or {}).get(CLOCK) != OWN_CLOCK:
        refuse_skew(model.timestamp, now, max_skew)
    return admit_validated(model.subject(site), body, model, key=model.key, headers=headers, now=now)


def job_admission(
    settings: IngestSettings, now: Callable[[], datetime], headers: Mapping[str, str] | None = None
) -> Callable[[bytes], Fact]:
    """Return the admission of job events under a process's settings. It raises InvalidFact."""
    admit = partial(
        admit_job_event,
        site=settings.site,
        only_site=settings.own_site_only,
        max_skew=timedelta(seconds=settings.job_max_skew),
        headers=headers,
        max_bytes=settings.max_body,
    )
    return lambda body: admit(body, now=now())


def admit_batch(
    items: Sequence[bytes], admit: Callable[[bytes], Fact]
) -> tuple[list[Fact], list[dict[str, Any]]]:
    """Return the facts of a batch in order, and an error for each bad item: `{index, error, detail}`."""
    facts, errors = [], []
    for index, item in enumerate(items):
        try:
            facts.append(admit(item))
        except InvalidFact as exc:
            errors.append({"index": index, "error": exc.reason, "detail": exc.details})
    return facts, errors
