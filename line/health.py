"""Health of the line: whether NATS is well, and whether what is written would be acknowledged."""

import asyncio
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from nats.aio.client import Client
from nats.errors import Error

from line.jetstream import ErrorCode, has_code, request_api
from line.sync import monitor_urls
from runtime.readiness import Check
from runtime.settings.line import LineSettings
from schemas.registry import DECLARED
from schemas.streams import Stream
from schemas.subjects import overlaps

_BOUND_S: Final = 1.5  # below the bound of a check, so that it can say what did not answer
_NEVER: Final = str(2**64 - 1)  # no stream ends at this sequence
_PROBE: Final = "readiness"
_BUSY: Final = (ErrorCode.BATCH_INCOMPLETE, ErrorCode.TOO_MANY_BATCHES)
_BUSY_PAUSES_S: Final = (0.02, 0.05, 0.1)  # between the tries of a probe
_TOLD: Final = 200  # characters of a server's own words


def nats_check(nc: Client, settings: LineSettings) -> Check:
    """Check NATS's own health: that of more than half of its servers, as their monitoring ports tell it.

    Where none of them can be asked, JetStream has to answer for the account.
    """
    urls = monitor_urls(settings)
    by_tls = any(url.startswith("https:") for url in urls)

    async def check() -> str | None:
        if not nc.is_connected:
            return "not connected to NATS"
        async with httpx.AsyncClient(timeout=_BOUND_S, verify=by_tls) as client:
            told = await asyncio.gather(*(_health(client, url) for url in urls))
        if any(answered for answered, _ in told):
            problems = [problem for _, problem in told if problem]
            return "; ".join(problems) if 2 * len(problems) >= len(urls) else None
        answer = await request_api(nc, "INFO", timeout=_BOUND_S)
        return str(error.get("description", error)) if (error := answer.get("error")) else None

    return check


async def _health(client: httpx.AsyncClient, url: str) -> tuple[bool, str | None]:
    """Return whether a server answered, and what is wrong with it."""
    host = urlsplit(url).netloc
    try:
        answer = await client.get(f"{url}/healthz")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return False, f"NATS at {host} does not answer: {str(exc) or type(exc).__name__}"
    if answer.is_success:
        return True, None
    try:
        reason = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        reason = f"its /healthz answers {answer.status_code}"
    return True, f"NATS at {host}: {reason[:_TOLD]}"


def write_check(nc: Client, streams: Iterable[Stream], site: str) -> Check:
    """Check that each stream would take a fact of `site` and acknowledge it.

    A batch of one message goes the way of every fact and is refused at its very end, since it expects a last
    sequence that no stream has. Before that it was staged on the server's disk. So nothing is stored, and a
    stream that is sealed or gone, has no leader, is not ours to write or finds no room on its disk says so.
    """
    wanted = [(stream.name, DECLARED.subjects(stream, site)) for stream in streams]
    subjects = [(name, facts[0].replace("*", _PROBE)) for name, facts in wanted]

    async def check() -> str | None:
        if not nc.is_connected:
            return "not connected to NATS"
        found = await asyncio.gather(
            *(_refusal(nc, *one) for one in subjects), *(_lacking(nc, *one) for one in wanted)
        )
        return "; ".join(dict.fromkeys(filter(None, found))) or None

    return check


async def _lacking(nc: Client, stream: str, subjects: Sequence[str]) -> str | None:
    """Return which facts a stream does not take: somebody has edited it."""
    answer = await request_api(nc, f"STREAM.INFO.{stream}", timeout=_BOUND_S)
    if "error" in answer:
        return None  # the probe says it
    taken = answer["config"].get("subjects", [])
    missing = [one for one in subjects if not any(overlaps(one, subject) for subject in taken)]
    if not missing:
        return None
    return (
        f"stream {stream} does not take {', '.join(missing)}: start any consumer or API anew, which adds it"
    )


async def _refusal(nc: Client, stream: str, subject: str) -> str | None:
    """Return why a stream would not take a fact.

    A server that stages as many batches as it may, of busy publishers, takes the next one a moment later.
    """
    answer: dict[str, Any] = {}
    for pause in _BUSY_PAUSES_S:
        try:
            answer = await _probe(nc, subject)
        except (Error, OSError) as exc:
            return f"stream {stream} does not answer: {str(exc) or type(exc).__name__}"
        if not has_code(answer, *_BUSY):
            break
        await asyncio.sleep(pause)
    if has_code(answer, ErrorCode.WRONG_LAST_SEQUENCE, ErrorCode.TOO_MANY_BATCHES):
        return None
    if has_code(answer, ErrorCode.BATCH_INCOMPLETE):
        return f"stream {stream} cannot write: the disk of NATS may be full"
    error = answer.get("error", {})
    return f"stream {stream}: {error.get('description', answer)}"


async def _probe(nc: Client, subject: str) -> dict[str, Any]:
    """Return the server's answer to a batch that cannot be stored. Raises nats' Error, OSError."""
    headers = {
        "Nats-Batch-Id": secrets.token_hex(16),
        "Nats-Batch-Sequence": "1",
        "Nats-Batch-Commit": "1",
        "Nats-Expected-Last-Sequence": _NEVER,
    }
    answer = await nc.request(subject, b"{}", timeout=_BOUND_S, headers=headers)
    found: dict[str, Any] = json.loads(answer.data)
    return found


def streams_check(nc: Client, streams: Iterable[Stream]) -> Check:
    """Check that JetStream has every stream, such as a centre's copies, which nobody writes to."""
    names = [stream.name for stream in streams]

    async def check() -> str | None:
        if not nc.is_connected:
            return "not connected to NATS"
        answers = await asyncio.gather(
            *(request_api(nc, f"STREAM.INFO.{name}", timeout=_BOUND_S) for name in names)
        )
        found = zip(names, (answer.get("error") for answer in answers), strict=True)
        return (
            "; ".join(f"stream {name}: {error.get('description', error)}" for name, error in found if error)
            or None
        )

    return check
