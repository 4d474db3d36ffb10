"""The digest of a fact: what it says apart from when, to tell a repetition from another request."""

from hashlib import blake2b
from typing import Final

import msgspec

from schemas.registry import DECLARED

_DIGEST_BYTES: Final = 8  # a bigint; two facts are compared only if they have the same key
_EXACT: Final = 2**53

_DROP_TIMES: Final = {name: fact.drop_times for name, fact in DECLARED.fact_types.items()}
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def fact_digest(entity: str, fact: str, body: bytes) -> int:
    """Return 64 bits, signed, of a fact's name and its body without times.

    Equal JSON has equal digests: order of names, blanks, escapes and `1.0` for `1` do not matter (numbers
    above 2^53 have to be written alike). A body that is no JSON object is taken byte for byte.
    """
    said = b"%b %b" % (fact.encode(), _canonical(entity, fact, body))
    return int.from_bytes(blake2b(said, digest_size=_DIGEST_BYTES).digest(), "big", signed=True)


def _canonical(entity: str, fact: str, body: bytes) -> bytes:
    try:
        document = _decode(body or b"{}")
        _DROP_TIMES[entity, fact](document)
    except (msgspec.DecodeError, RecursionError, LookupError, AttributeError, TypeError):
        return body
    return _encode(document)


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


_decode: Final = msgspec.json.Decoder(float_hook=_number).decode
