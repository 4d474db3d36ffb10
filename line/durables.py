"""Durable consumers: messages that the server hands out one by one until each is acknowledged.

A durable is declared, and compared with the server's as streams are. It is made where it is missing, from
where it had got to, and a difference is applied.
"""

from dataclasses import dataclass
from typing import Any, Final

from nats.aio.client import Client

from line.jetstream import NO_LEADER, ErrorCode, has_code, request_api
from line.problems import StreamGone, StreamUnavailable

_VERSION: Final = "foldline-version"
_NS: Final = 1_000_000_000
_FOR_EVER: Final = "2200-01-01T00:00:00Z"  # the server counts the time until then in 63 bits of nanoseconds
_FILTERS: Final = frozenset({"filter_subject", "filter_subjects"})
_STARTS: Final = frozenset({"all", "by_start_sequence"})
"""Where a durable may begin: at the start, or where it had got to."""


@dataclass(frozen=True, slots=True)
class Durable:
    """The declaration. `filters` are stored subjects; the higher of two `version`s is the one that holds."""

    stream: str
    name: str
    filters: tuple[str, ...]
    ack_wait_s: float
    version: int

    def config(self) -> dict[str, Any]:
        """Return its configuration as the JetStream API takes it."""
        one = len(self.filters) == 1
        return {
            "name": self.name,
            "durable_name": self.name,
            "ack_policy": "explicit",
            "ack_wait": int(self.ack_wait_s * _NS),
            "max_deliver": -1,
            "metadata": {_VERSION: str(self.version)},
            **({"filter_subject": self.filters[0]} if one else {"filter_subjects": list(self.filters)}),
        }

    def drift(self, actual: dict[str, Any]) -> list[str]:
        """Return how the server's configuration differs, one line for each field.

        That of a newer program does not count as different.
        """
        version = int(actual.get("metadata", {}).get(_VERSION, 0))
        if version > self.version:
            return []
        policy = actual.get("deliver_policy", "all")
        have = {
            "deliver_subject": actual.get("deliver_subject") or None,
            "deliver_policy": "all" if policy in _STARTS else policy,
            "ack_policy": actual.get("ack_policy"),
            "ack_wait": actual.get("ack_wait"),
            "max_deliver": actual.get("max_deliver"),
            "filters": _filters(actual),
            "version": version,
        }
        declared = self.config()
        want = {
            "deliver_subject": None,
            "deliver_policy": "all",
            "ack_policy": declared["ack_policy"],
            "ack_wait": declared["ack_wait"],
            "max_deliver": declared["max_deliver"],
            "filters": set(self.filters),
            "version": self.version,
        }
        return [
            f"consumer {self.name}: {field} is {have[field]!r}, declared {value!r}"
            for field, value in want.items()
            if have[field] != value
        ]


@dataclass(frozen=True, slots=True)
class DurableState:
    """A durable as the server has it. Every message up to `ack_floor`, a sequence, is acknowledged.

    `pending` counts the messages that are not acknowledged, delivered or not.
    """

    config: dict[str, Any]
    ack_floor: int
    pending: int
    paused: bool


async def find_durable(nc: Client, durable: Durable) -> DurableState | None:
    """Return the server's state of a durable; None if it has none. Raises StreamUnavailable, StreamGone."""
    info = await request_api(nc, f"CONSUMER.INFO.{durable.stream}.{durable.name}")
    if has_code(info, ErrorCode.CONSUMER_NOT_FOUND):
        return None
    _check(durable, info)
    return DurableState(
        info["config"],
        int(info["ack_floor"]["stream_seq"]),
        int(info["num_pending"]) + int(info["num_ack_pending"]),
        bool(info.get("paused")),
    )


async def make_durable(nc: Client, durable: Durable, *, after: int, paused: bool) -> None:
    """Make a durable that begins after a sequence; one that is there already stays as it is.

    Raises StreamUnavailable.
    """
    start = {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
    config = durable.config() | (start if after else {"deliver_policy": "all"})
    if paused:
        config["pause_until"] = _FOR_EVER
    answer = await _create(nc, durable, config, "create")
    if not has_code(answer, ErrorCode.CONSUMER_EXISTS):  # another replica was quicker
        _check(durable, answer)


async def change_durable(
    nc: Client, durable: Durable, found: DurableState, *, after: int, paused: bool
) -> None:
    """Give a durable its declared configuration.

    If the server refuses to change it, it is made anew and begins after a sequence: what was acknowledged
    beyond is delivered once more. Raises StreamUnavailable.
    """
    foreign = _FILTERS | {"deliver_subject", "deliver_group"}
    if found.config.get("deliver_policy") not in _STARTS:
        foreign |= {"deliver_policy", "opt_start_seq", "opt_start_time"}
    kept = {field: value for field, value in found.config.items() if field not in foreign}
    answer = await _create(nc, durable, kept | durable.config(), "update")
    if error := answer.get("error"):
        if error.get("code") == NO_LEADER:
            _check(durable, answer)
        await request_api(nc, f"CONSUMER.DELETE.{durable.stream}.{durable.name}")
        await make_durable(nc, durable, after=after, paused=paused)


async def pause_durable(nc: Client, durable: Durable, *, paused: bool) -> None:
    """Have the server hand out nothing of a durable, or hand out again. Raises StreamUnavailable."""
    request = {"pause_until": _FOR_EVER} if paused else {}
    _check(durable, await request_api(nc, f"CONSUMER.PAUSE.{durable.stream}.{durable.name}", request))


async def _create(nc: Client, durable: Durable, config: dict[str, Any], action: str) -> dict[str, Any]:
    request = {"stream_name": durable.stream, "config": config, "action": action}
    return await request_api(nc, f"CONSUMER.CREATE.{durable.stream}.{durable.name}", request)


def _check(durable: Durable, answer: dict[str, Any]) -> None:
    if has_code(answer, ErrorCode.STREAM_NOT_FOUND):
        raise StreamGone(durable.stream)
    if error := answer.get("error"):
        said = error.get("description", error)
        raise StreamUnavailable(durable.stream, f"consumer {durable.name}: {said}")


def _filters(config: dict[str, Any]) -> set[str]:
    one = config.get("filter_subject")
    return set(config.get("filter_subjects") or ([one] if one else []))
