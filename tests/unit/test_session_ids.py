"""Ids of sessions that the daemon makes."""

from producers.sidecar.daemon.session_ids import SessionIds
from schemas.subjects import is_token


def test_ids_are_tokens_and_differ() -> None:
    one, other = SessionIds(), SessionIds()
    ids = [ids.new(connected=connected) for ids in (one, other) for connected in (True, False, False)]
    assert len(set(ids)) == len(ids)
    assert all(map(is_token, ids))
