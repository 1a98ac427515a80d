"""What this machine can compute with, and why it cannot do the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_shapereg.errors import ShapeRegError
from napari_shapereg.reductions.selection import engine_health, resolve_device

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Machine:
    """Reasons why devices and engines cannot be used here; an empty one, or none, where they can.

    Parameters
    ----------
    devices : mapping of str to str
        By name.
    engines : mapping of (str, str) to str
        By engine and type of device. Pairs that are absent were not examined.
    """

    devices: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def why_not_device(self, device: str) -> str:
        """Return why a device cannot be used, or nothing."""
        return self.devices.get(device, "")

    def why_not_engine(self, engine: str, device: str) -> str:
        """Return why an engine cannot be used on a device, or nothing."""
        if engine == "auto" or self.why_not_device(device):
            return ""
        kind = resolve_device(device).type
        works = [kind_of for name, kind_of in self.engines if name == engine]
        if works and kind not in works:
            return f"The {engine} engine runs on {' and '.join(works)}, not on {kind}."
        return self.engines.get((engine, kind), "")


def devices_of_machine() -> Machine:
    """Ask for the devices, which takes no time."""
    reasons = {}
    for device in DEVICES:
        try:
            resolve_device(device)
        except ShapeRegError as error:
            reasons[device] = str(error)
    return Machine(reasons)


def examine_machine() -> Machine:
    """Try every engine on every device: seconds, where something must be compiled first."""
    rows = {(row.engine, row.device): "" if row.works else row.reason for row in engine_health()}
    return Machine(devices_of_machine().devices, rows)
