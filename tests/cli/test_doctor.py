from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path

from napari_shapereg.cli import doctor
from napari_shapereg.reductions import selection
from napari_shapereg.reductions.selection import EngineHealth


def test_everything_is_said(shapereg):
    run = shapereg("doctor", "--json")
    assert (run.code, run.err) == (0, "")
    found = json.loads(run.out)
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["devices"]["cpu"]
    assert found["threads"]["usable_cores"] >= 1
    works = {(row["engine"], row["device"]): row["works"] for row in found["engines"]}
    assert works["torch", "cpu"]
    assert works["numba", "cpu"]
    assert all(row["works"] or row["reason"] for row in found["engines"])


def test_requirements_are_those_of_the_project():
    project = tomllib.loads(
        (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    needed = doctor._requirements()
    assert set(needed) == {"", *project["optional-dependencies"]} - {"all", "docs", "test"}
    assert len(needed[""]) == len(project["dependencies"])
    assert needed["keops"] == ["pykeops"]


def test_what_is_missing_is_named_with_its_remedy(shapereg, monkeypatch):
    def version(name):
        if name == "pykeops":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    sick = EngineHealth("keops", "cpu", works=False, reason="there is no compiler; install g++")
    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(selection, "engine_health", lambda: [sick])
    run = shapereg("doctor")
    assert run.code == 0
    assert "keops            pykeops missing: pip install 'napari-shapereg[keops]'" in run.out
    assert "keops   cpu      does not work: there is no compiler; install g++" in run.out
