"""How much memory can still be used, asked before a large allocation."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from napari_shapereg.errors import ResourceError

_GIBIBYTE = 1 << 30
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Return the bytes that this process can still allocate without swapping, or None where nobody can say.

    Linux: ``MemAvailable``, or what the control group still allows where that is less. Elsewhere: the
    physical memory of the machine, an upper bound.
    """
    if platform.system() == "Linux":
        amounts = [amount for amount in (_from_meminfo(), _from_control_group()) if amount is not None]
        return min(amounts, default=None)
    return _physical_memory()


def require_memory(needed: int, purpose: str) -> None:
    """Refuse work that needs more memory than is available.

    Parameters
    ----------
    needed : int
        Bytes.
    purpose : str
        What needs them; the message starts with it.

    Raises
    ------
    ResourceError
        More is needed than is available.
    """
    available = available_memory()
    if available is None or needed <= available:
        return
    msg = (
        f"{purpose} needs {needed / _GIBIBYTE:.1f} GiB of memory, {available / _GIBIBYTE:.1f} GiB are "
        "available: crop or downsample the volume, or use a machine with more memory"
    )
    raise ResourceError(msg)


def _from_meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    kibibytes = next(found, None)
    return None if kibibytes is None else int(kibibytes) * 1024


def _from_control_group() -> int | None:
    try:
        limit = (_CONTROL_GROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CONTROL_GROUP / "memory.current").read_text(encoding="ascii"))
        lines = (_CONTROL_GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    if limit == "max":
        return None
    # Files that the kernel keeps in memory count as used, but make room when it is needed.
    cached = sum(
        int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file "))
    )
    return max(0, int(limit) - used + cached)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
