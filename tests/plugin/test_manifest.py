from __future__ import annotations

import importlib.resources
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from npe2 import PluginManifest

MANIFEST = importlib.resources.files("napari_shapereg") / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(str(MANIFEST))


def test_npe2_finds_the_installed_plugin_and_validates_it():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "napari-shapereg", "--imports"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_every_command_is_used_and_every_command_used_exists(manifest):
    made = {command.id for command in manifest.contributions.commands}
    used = set(re.findall(r"command: (\S+)", Path(str(MANIFEST)).read_text()))

    assert used == made


def test_a_widget_opens_from_the_layers_menu_as_well(manifest):
    menus = manifest.contributions.menus

    assert {item.command for item in menus["napari/layers/register"]} >= {
        "napari-shapereg.register",
        "napari-shapereg.inspect",
    }
    assert "napari-shapereg.apply" in {item.command for item in menus["napari/layers/transform"]}


def test_the_package_says_where_its_manifest_is():
    (entry,) = metadata.entry_points(group="napari.manifest", name="napari-shapereg")

    assert entry.value == "napari_shapereg:napari.yaml"
