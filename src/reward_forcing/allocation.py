"""Memory of processes that compute on a CPU: kept when it is freed, and in huge pages.

A pass frees and asks for the same large tensors again and again. By default the C library gives them back to the
system each time, which then makes every page of 4 kB anew, zeroed, for some microseconds.
"""

import ctypes
import sys
from typing import Final

TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
"""Names of settings of glibc's `mallopt`."""
HUGEPAGE: Final = 14
"""Advice of `madvise`."""
PAGE: Final = 2**21
"""Bytes of a huge page, at most, on common machines."""
NEVER: Final = -1
ALWAYS: Final = 2**31 - 1


def keep_in_huge_pages(size: int) -> bool:
    """Let this process keep freed memory, and have so many bytes more of its heap lie in huge pages when they are used.

    Returns:
        Whether the system will try; not outside Linux with glibc, nor where there are no huge pages or no such room.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.mallopt(MMAP_THRESHOLD, ALWAYS)  # large tensors come from the heap, too
    library.mallopt(TRIM_THRESHOLD, NEVER)
    start = library.malloc(size)
    if start is None:
        return False
    first = -(-start // PAGE) * PAGE
    advised = library.madvise(first, max(0, start + size - first) // PAGE * PAGE, HUGEPAGE) == 0
    library.free(start)
    return bool(advised)
