"""FastStream's application: whether it was asked to stop, and what it logs needlessly."""

import logging

from faststream import FastStream


def is_asked_to_stop(app: FastStream) -> bool:
    """Whether SIGTERM or SIGINT arrived. FastStream's handler only notes it, even while the app starts."""
    return app._should_exit


def is_no_empty_fetch(record: logging.LogRecord) -> bool:
    """Whether a record is worth logging: a filter that drops the tracebacks of fetches that found nothing.

    On a busy machine such a fetch ends in Python's TimeoutError, while FastStream looks for that of nats-py
    alone. Its supervisor logs the error and fetches again.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], TimeoutError))
