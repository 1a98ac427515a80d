from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"

# One set of examples for everybody: a red test on one machine is red on all of them.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def oai_folder() -> Path:
    """The folder that holds OAI_a.nii.gz and OAI_b.nii.gz; a folder without them is an error, not a skip."""
    folder = SHARED / "data" / "oai"
    if not folder.is_dir():
        pytest.skip(f"the OAI pair is not here: {folder} does not exist")
    for name in ("OAI_a.nii.gz", "OAI_b.nii.gz"):
        if not (folder / name).is_file():
            pytest.fail(f"{folder} has no {name}: fetch the pair again")
    return folder


@pytest.fixture(scope="session")
def judge() -> Path:
    """The program that measures a registration independently of this package."""
    program = SHARED / "tools" / "evaluate_registration.py"
    if not program.parent.is_dir():
        pytest.skip(f"the independent judge is not here: {program.parent} does not exist")
    if not program.is_file():
        pytest.fail(f"{program.parent} has no {program.name}")
    return program
