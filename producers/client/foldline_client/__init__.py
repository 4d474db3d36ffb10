"""Record what happens in your application for Foldline, without ever waiting for it."""

from foldline_client.async_client import AsyncClient, create_async_session
from foldline_client.async_session import AsyncSession
from foldline_client.client import Client, create_session
from foldline_client.errors import DetailsUnavailable, FoldlineError
from foldline_client.handler import FoldlineHandler
from foldline_client.job_events import AppRef
from foldline_client.monitored import Monitored
from foldline_client.options import Options
from foldline_client.positions import Positions
from foldline_client.pump import Stats
from foldline_client.session import Session

__all__ = [
    "AppRef",
    "AsyncClient",
    "AsyncSession",
    "Client",
    "DetailsUnavailable",
    "FoldlineError",
    "FoldlineHandler",
    "Monitored",
    "Options",
    "Positions",
    "Session",
    "Stats",
    "create_async_session",
    "create_session",
]
