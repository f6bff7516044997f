"""Giving memory back: pictures and segments are large, short-lived blocks, which glibc would rather keep."""

from __future__ import annotations

import ctypes
import gc

# malloc.h
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE = 128 << 10
ARENAS = 1


def settle() -> None:
    """Let blocks over 128 kB be mapped apart, so that freeing them returns them, and let threads share two heaps.
    Without it a media worker with one 1080p camera grows by 35 MiB with its first stills. Elsewhere than on glibc this
    does nothing."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(M_MMAP_THRESHOLD, LARGE)
        tune(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give back what start-up needed and nobody needs any more; some milliseconds, so not in an alarm's way."""
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)
