"""The family of jobs: subjobs are part of them, and each body says which job it is about."""

from operator import attrgetter
from typing import Final

from schemas.family import BodyAddress, Family
from schemas.jobs.facts import FACTS, guess_job_id

JOB: Final = Family(
    entity="job",
    facts=FACTS,
    # Read for every event: a method takes 0.2 us longer.
    body_address=BodyAddress(read=attrgetter("site_id", "job_id", "kind"), guess=guess_job_id),
    body_key=attrgetter("key"),
    id_note="For a subjob it is the id of its job. A job id of another form becomes `h_` and the first 32 hex"
    " digits of its SHA-256.",
)
