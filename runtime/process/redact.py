"""Addresses as they may be shown: without passwords."""

import re
from typing import Final

_PASSWORD: Final = re.compile(r"(?<=://)([^/@\s,:]*):[^/@\s,]*@")
_TOKEN: Final = re.compile(r"(?<=nats://)[^/@\s,:]*@")  # alone before the @, NATS takes it for a secret
_KEYWORD: Final = re.compile(r"\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)")
_QUERY: Final = re.compile(r"([?&]password=)[^&]*")


def without_credentials(address: str) -> str:
    """A URL, several comma-separated, or a PostgreSQL DSN, for logs and screens."""
    if "://" not in address:
        return _KEYWORD.sub(r"\1***", address)
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1@", _TOKEN.sub("", address)))
