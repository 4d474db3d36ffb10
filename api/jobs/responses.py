"""The bodies that jobs surfaces answer with beside jobs, for OpenAPI: health, and the sites of a centre."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from schemas.jobs.responses import JobPage, SubjobPage

_State = Literal["ok", "degraded"]


class SiteState(TypedDict):
    """A site of a centre, as it was last seen."""

    status: _State
    endpoint: Annotated[str, Field(description="Its jobs API.")]
    lag_events: Annotated[
        int | None, Field(description="Events that have not arrived; null while the site does not answer.")
    ]
    lag_s: Annotated[
        float | None, Field(description="Seconds since nothing was missing; null: it always was.")
    ]
    last_contact: datetime | None
    error: Annotated[NotRequired[str], Field(description="Why it is degraded.")]


class Site(SiteState):
    """A site of a centre, with its name."""

    id: str


class SiteList(TypedDict):
    """All sites of a centre."""

    sites: list[Site]
    count: int


class SiteJobPage(JobPage):
    """A page of the jobs of one site, and how the site stands."""

    site: Site


class SiteSubjobPage(SubjobPage):
    """A page of the subjobs of one site, and how the site stands."""

    site: Site


class _Health(TypedDict):
    status: _State
    service: str
    version: str
    checks: Annotated[dict[str, str], Field(description="`ok`, or what is wrong, by what was asked for.")]
    since: Annotated[
        NotRequired[dict[str, str]], Field(description="When it was first seen to be wrong, RFC 3339.")
    ]


class SiteHealth(_Health):
    """The health of a site's jobs API."""

    database_pool: Literal["connected", "disconnected"]


class CentralHealth(_Health):
    """The health of a centre, and of all its sites by their names."""

    sites: dict[str, SiteState]
