"""The handler of a task reactor: a FastStream subscriber on its durable, which acknowledges what is handled.

The subscriber only fetches by the durable's name. That the durable is there, and configured as declared, is
up to `consumers.reactors.upkeep`.
"""

import logging
from collections.abc import Callable
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.msg import Msg

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import Act, Task
from consumers.reactors.outcomes import Outcomes
from line.delivery import parse_delivery
from line.raw_event import RawEvent
from schemas.headers import header_block
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.reactors")

SHOWN_AFTER: Final = 5  # tries, about half a minute: what fails longer is shown as failing
_LONGEST_S: Final = 300.0
_FETCH: Final = 10
_FETCH_S: Final = 5.0


def subscribe_task(broker: NatsBroker, task: Task, act: Callable[[], Act], outcomes: Outcomes) -> None:
    """Register a task reactor. `act` is called for each message, once the process is wired."""
    durable = task.durable

    @broker.subscriber(
        durable.filters[0],
        stream=JStream(durable.stream, declare=False),
        durable=durable.name,
        pull_sub=PullSub(batch_size=_FETCH, timeout=_FETCH_S),
        ack_policy=AckPolicy.MANUAL,
        title=task.name,
        description=task.about,
    )
    async def handle(message: NatsMessage) -> None:
        await ack_or_redeliver(message, task.name, _event_of(durable.stream, message), act(), outcomes)


async def ack_or_redeliver(
    message: NatsMessage, reactor: str, event: RawEvent, act: Act, outcomes: Outcomes
) -> None:
    """Acknowledge after `act`; when it raises, ask for redelivery after 1, 2, 4 … 300 seconds, for ever.

    NotYet is expected now and then; anything else is logged with its traceback. From the fifth try on the
    event is shown as failing until it is handled.
    """
    tries = message.raw_message.metadata.num_delivered
    try:
        with outcomes.measured(reactor):
            await _handle(act, event)
    except Exception as exc:
        delay = min(2.0 ** min(tries - 1, 9), _LONGEST_S)
        if isinstance(exc, NotYet):
            logger.info("%s: %s: %s; trying again in %.0f s", reactor, event.subject, exc, delay)
        else:
            logger.exception("%s: %s: failed, trying again in %.0f s", reactor, event.subject, delay)
        if tries >= SHOWN_AFTER:
            outcomes.note_failing(reactor, event, tries, exc)
        await message.nack(delay=delay)
    else:
        if tries > SHOWN_AFTER:
            outcomes.note_handled(reactor, event)
        await message.ack()


async def _handle(act: Act, event: RawEvent) -> None:
    try:
        await act(event)
    except InvalidFact as exc:  # the projector records it
        logger.debug("%s: %s", event.place(), exc)


def _event_of(stream: str, message: NatsMessage) -> RawEvent:
    raw: Msg = message.raw_message
    delivery = parse_delivery(raw.reply)
    return RawEvent(
        stream,
        int(raw.subject.split(".", 2)[1]),
        delivery.sequence,
        delivery.stored_at,
        raw.subject,
        header_block(raw.headers or {}),
        raw.data,
    )
