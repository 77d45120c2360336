"""Check how much memory work will take, before it starts."""

import logging

import psutil

from processing.errors import UserError

log = logging.getLogger(__name__)


def check_memory(needed: int, advice: str) -> None:
    """Log how many bytes are needed and how many there are; `UserError` if too few.

    Args:
        needed: bytes on top of what the process holds.
        advice: which options need less.
    """
    available = psutil.virtual_memory().available
    log.info("memory: about %s needed, %s available", size(needed), size(available))
    if needed > available:
        raise UserError(
            f"about {size(needed)} of memory needed, but {size(available)} available: "
            f"{advice}"
        )


def size(count: int) -> str:
    """Return bytes as "1.8 GB" or "120 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"
