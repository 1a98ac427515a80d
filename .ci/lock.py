"""Write the exact version of every package that the project's extras install: ``lock.py FILE``.

The file is a pip constraints file: it names versions and neither hosts nor hashes, and a package that only
another platform needs is simply absent, so that one file serves them all. It is resolved for the oldest
Python that the project supports, whichever runs it: some packages leave the first patch releases of 3.11
behind, and the Python of Debian 12 is one of these.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TORCH = "torch==2.13.0"
OLDEST_PYTHON = "3.11.0"
WITHOUT_WHEELS = ("keopscore", "pykeops")
PROJECT = "napari-shapereg"
EXTRAS = "all,test,docs"
HEADER = "# Written by `make lock`; used by make alone. Ranges for users are in pyproject.toml.\n"


def pip(*arguments: str) -> bytes:
    """Run pip and return what it prints."""
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments], check=True, stdout=subprocess.PIPE
    ).stdout


def resolve(scratch: str) -> list[dict[str, str]]:
    """Return the name and version of each package that pip would install into an empty environment."""
    # For a Python other than its own pip takes wheels alone, and a folder, to which a dry run writes nothing.
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, *WITHOUT_WHEELS)
    elsewhere = ["--python-version", OLDEST_PYTHON, "--only-binary", ":all:", "--target", scratch]
    options = ["--quiet", "--dry-run", "--ignore-installed", "--report", "-", "--find-links", scratch]
    report = pip("install", *options, *elsewhere, TORCH, f".[{EXTRAS}]")
    return [package["metadata"] for package in json.loads(report)["install"]]


def canonical(name: str) -> str:
    """Return a package's name as PyPI spells it in addresses."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(path: Path) -> None:
    """Resolve and write; a build's local suffix, as in 2.13.0+cpu, is not what others can install."""
    with TemporaryDirectory() as scratch:
        packages = resolve(scratch)
    pins = {canonical(package["name"]): package["version"].partition("+")[0] for package in packages}
    del pins[PROJECT]
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    print(f"{path}: {len(lines)} packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
