"""Addresses without their passwords, fit to be shown."""

import re
from typing import Final

_PASSWORD: Final = re.compile(r"(?<=://)([^/@\s,:]*):[^/@\s,]*@")
_TOKEN: Final = re.compile(
    r"(?<=nats://)[^/@\s,:]*@"
)  # a name without a password is a token, which is secret
_KEYWORD: Final = re.compile(r"\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)")
_QUERY: Final = re.compile(r"([?&]password=)[^&]*")


def without_credentials(address: str) -> str:
    """Return an address without passwords and tokens: a URL, several comma-separated, or a PostgreSQL DSN."""
    if "://" not in address:
        return _KEYWORD.sub(r"\1***", address)
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1@", _TOKEN.sub("", address)))
