"""The stream of the job facts."""

from typing import Final

from schemas.streams import Stream

JOBS: Final = Stream(name="JOBS", days=90, mirrored=True)
