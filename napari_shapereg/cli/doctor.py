"""`shapereg doctor`: what is installed, what works on this machine, and why something does not."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import typer

from napari_shapereg.cli.options import Json
from napari_shapereg.cli.tables import print_json

NAME = "napari-shapereg"
_FOR_DEVELOPERS = {"all", "docs", "test"}


def doctor(json: Json = False) -> None:
    """Say what works on this machine, and why something does not.

    Lists versions, optional extras, devices, threads and memory, and tries every engine on every device on a
    sum whose value is known. The first run compiles for some seconds.
    """
    needed = _requirements()
    findings = {
        "system": _system(),
        "versions": {NAME: _version(NAME)} | {name: _version(name) for name in needed.pop("")},
        "extras": {extra: {name: _version(name) for name in names} for extra, names in needed.items()},
        "devices": _devices(),
        "threads": _threads(),
        "engines": _engines(),
    }
    if json:
        print_json(findings)
    else:
        _print(findings)


def _requirements() -> dict[str, list[str]]:
    """Return the packages that each optional extra needs, and under "" those that are always needed."""
    needed: dict[str, list[str]] = {"": []}
    for requirement in requires(NAME) or ():
        package = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        marker = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        extra = marker.group(1) if marker else ""
        if extra not in _FOR_DEVELOPERS:
            needed.setdefault(extra, []).append(package)
    return needed


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _system() -> dict[str, Any]:
    from napari_shapereg.volumes.memory import available_memory

    memory = available_memory()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "free_memory_gib": None if memory is None else round(memory / 2**30, 1),
    }


def _devices() -> dict[str, str]:
    import torch

    found = {"cpu": platform.processor() or platform.machine()}
    for index in range(torch.cuda.device_count()):
        found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def _threads() -> dict[str, int]:
    import SimpleITK as sitk
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "usable_cores": usable,
        "torch_and_numba": torch.get_num_threads(),
        "SimpleITK": sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(),
    }


def _engines() -> list[dict[str, Any]]:
    from napari_shapereg.reductions.selection import engine_health

    return [health._asdict() for health in engine_health()]


def _print(findings: dict[str, Any]) -> None:
    system = findings["system"]
    typer.echo(f"Python {system['python']} on {system['platform']}, {system['free_memory_gib']} GiB free")
    threads = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in findings["threads"].items())
    typer.echo(f"threads: {threads}")
    typer.echo("\npackages")
    for name, found in findings["versions"].items():
        typer.echo(f"  {name:<16} {found or 'missing'}")
    typer.echo("\noptional extras")
    for extra, packages in findings["extras"].items():
        typer.echo(f"  {extra:<16} {_there(extra, packages)}")
    typer.echo("\ndevices")
    for device, name in findings["devices"].items():
        typer.echo(f"  {device:<16} {name}")
    typer.echo("\nengines")
    for row in findings["engines"]:
        verdict = "works" if row["works"] else f"does not work: {row['reason']}"
        typer.echo(f"  {row['engine']:<7} {row['device']:<8} {verdict}")


def _there(extra: str, packages: dict[str, str | None]) -> str:
    there = ", ".join(f"{package} {found}" for package, found in packages.items() if found)
    if all(packages.values()):
        return there
    missing = ", ".join(package for package, found in packages.items() if not found)
    remedy = f"{missing} missing: pip install 'napari-shapereg[{extra}]'"
    return f"{there}; {remedy}" if there else remedy
