"""The size of a page: a list ends before its limit where it would become too large."""

from typing import Final

PAGE_BYTES: Final = 8 << 20
"""A page ends early with the item that brings it to this size."""
