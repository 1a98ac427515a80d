"""The precision in which long sums are added up."""

from __future__ import annotations

import torch


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on a device that has nothing wider (MPS)."""
    return torch.float32 if device.type == "mps" else torch.float64
