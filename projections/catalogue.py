"""Every projection there is, in one list."""

from typing import Any, Final

from projections.projection import Projection
from projections.sessions.projection import SessionsProjection

PROJECTIONS: Final[tuple[Projection[Any, Any], ...]] = (SessionsProjection(),)
