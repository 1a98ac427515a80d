"""Write the exact version of every package that the project's extras install: ``lock.py FILE``.

The file is a pip constraints file: it names versions and neither hosts nor hashes, and a package that only
another platform needs is simply absent, so that one file serves them all.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"
PROJECT = "napari-shapereg"
EXTRAS = "all,test,docs"
HEADER = "# Written by `make lock`; used by make alone. Ranges for users are in pyproject.toml.\n"


def resolve() -> list[dict[str, str]]:
    """Return the name and version of each package that pip would install into an empty environment."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--report",
        "-",
    ]
    report = subprocess.run([*command, TORCH, f".[{EXTRAS}]"], check=True, stdout=subprocess.PIPE)
    return [package["metadata"] for package in json.loads(report.stdout)["install"]]


def canonical(name: str) -> str:
    """Return a package's name as PyPI spells it in addresses."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(path: Path) -> None:
    """Resolve and write; a build's local suffix, as in 2.13.0+cpu, is not what others can install."""
    pins = {canonical(package["name"]): package["version"].partition("+")[0] for package in resolve()}
    del pins[PROJECT]
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    print(f"{path}: {len(lines)} packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
