"""Whatever is wrong with the input: exit code 2, the file and the remedy named, nothing written."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
import SimpleITK as sitk

DATA = np.zeros((10, 11, 12), np.uint8)
DATA[2:6, 3:7, 3:8] = 1
DATA[6:8, 3:7, 3:8] = 2


def _save(array, path, **keywords):
    sitk.WriteImage(sitk.GetImageFromArray(array, **keywords), str(path))
    return path


@pytest.fixture
def good(tmp_path):
    return _save(DATA, tmp_path / "good.nii.gz")


def _missing(folder):
    return folder / "nothing.nii.gz"


def _truncated(folder):
    path = _save(DATA, folder / "cut.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    return path


def _corrupt(folder):
    path = folder / "text.nrrd"
    path.write_text("this is no image\n")
    return path


def _directory(folder):
    (folder / "series").mkdir()
    return folder / "series"


def _intensities(folder):
    noise = np.random.default_rng(0).normal(100, 20, DATA.shape).astype(np.float32)
    return _save(noise, folder / "mri.nii.gz")


def _flat(folder):
    return _save(DATA[4], folder / "flat.mha")


def _series(folder):
    path = folder / "series.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(DATA)] * 2), str(path))
    return path


def _vectors(folder):
    return _save(np.stack([DATA] * 3, axis=-1), folder / "vectors.nrrd", isVector=True)


def _empty(folder):
    return _save(DATA * 0, folder / "empty.nii.gz")


def _edited(folder, old, new):
    path = _save(DATA, folder / "edited.mha")
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new))
    return path


def _singular(folder):
    return _edited(folder, b"1 0 0 0 1 0 0 0 1", b"1 0 0 0 1 0 0 1 0")


def _nan_direction(folder):
    return _edited(folder, b"1 0 0 0 1 0 0 0 1", b"1 0 0 0 1 0 0 0 nan")


def _zero_spacing(folder):
    return _edited(folder, b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 0 1")


def _negative_spacing(folder):
    return _edited(folder, b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 -1 1")


def _huge(folder):
    raw = bytearray(gzip.decompress(_save(DATA, folder / "small.nii.gz").read_bytes()))
    raw[42:48] = np.array([30_000, 30_000, 30_000], "<i2").tobytes()
    (folder / "huge.nii").write_bytes(raw)
    return folder / "huge.nii"


BAD_FILES = {
    _missing: "no such file; check the path",
    _truncated: "truncated or corrupt|truncated, corrupt",
    _corrupt: "corrupt.*export it again",
    _directory: "this is a directory; give the file",
    _intensities: "not whole numbers.*intensity.*segment or threshold",
    _flat: "3-D volume is needed",
    _series: "3-D volume is needed.*4-D.*save one 3-D volume",
    _vectors: "one number per voxel is needed, got 3",
    _empty: "no foreground.*check that this is the segmentation",
    _singular: "direction is singular.*correct the header",
    _nan_direction: "direction is singular.*correct the header|finite.*correct the header",
    _zero_spacing: "spacing must be positive.*correct the spacing",
    _negative_spacing: "spacing must be positive.*correct the spacing",
    _huge: "GiB of memory.*available: crop or downsample",
}


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _refuses(run, message, *names):
    assert run.code == 2
    assert run.out == ""
    line = run.err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(message, line)
    for name in names:
        assert str(name) in line
    assert "Traceback" not in run.err


@pytest.mark.parametrize("make", BAD_FILES, ids=lambda make: make.__name__.strip("_"))
@pytest.mark.parametrize("place", ["moving", "fixed"])
def test_register_refuses(shapereg, tmp_path, good, make, place):
    bad = make(tmp_path)
    pair = (bad, good) if place == "moving" else (good, bad)
    before = _names(tmp_path)
    _refuses(shapereg("register", *pair, "-o", tmp_path / "out"), BAD_FILES[make], bad)
    assert _names(tmp_path) == before


@pytest.mark.parametrize("make", [_missing, _truncated, _intensities, _flat, _huge])
def test_the_other_commands_refuse(shapereg, tmp_path, good, make):
    bad = make(tmp_path)
    before = _names(tmp_path)
    _refuses(shapereg("gradient", bad, good, "-o", tmp_path / "a.vtk"), BAD_FILES[make], bad)
    _refuses(shapereg("evaluate", good, bad), BAD_FILES[make], bad)
    assert _names(tmp_path) == before


def test_labels_that_are_absent(shapereg, tmp_path, good):
    out = tmp_path / "out"
    run = shapereg("register", good, good, "-o", out, "--labels", "1,7")
    _refuses(run, "label 7 is not in the moving volume.*which has 1, 2", good)
    run = shapereg("evaluate", good, good, "--labels", "7")
    _refuses(run, "label 7 is neither", good)
    assert not out.exists()


def test_labels_that_only_one_volume_has(shapereg, tmp_path, good):
    more = DATA.copy()
    more[8, 3:7, 3:8] = 5
    other = _save(more, tmp_path / "more.nii.gz")
    for command, output in (("register", tmp_path / "out"), ("gradient", tmp_path / "out.vtk")):
        run = shapereg(command, other, good, "-o", output)
        _refuses(run, r"only moving has 5, only fixed has none.*--shared-labels", other, good)
        assert not output.exists()
    run = shapereg("gradient", other, good, "-o", tmp_path / "out.vtk", "--shared-labels")
    assert run.code == 0
    assert "\n1 " in run.out
    assert "\n5 " not in run.out


@pytest.mark.parametrize("text", ["", "a", "1,,2", "0", "-1", "1.5"])
def test_labels_that_are_none(shapereg, tmp_path, good, text):
    run = shapereg("register", good, good, "-o", tmp_path / "out", f"--labels={text}")
    _refuses(run, "--labels takes whole numbers above 0 such as 1,2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        ("{", "Invalid JSON"),
        ('{"max_stepps": 3}', "max_stepps: Extra inputs are not permitted"),
        ('{"max_steps": -3}', "max_steps.*greater than 0, got -3"),
    ],
)
def test_settings_files(shapereg, tmp_path, good, content, message):
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content)
    run = shapereg("register", good, good, "-o", tmp_path / "out", "--settings", file)
    _refuses(run, message, file)
    assert not (tmp_path / "out").exists()


def test_option_values(shapereg, tmp_path, good):
    run = shapereg("register", good, good, "-o", tmp_path / "out", "--pitch", "-1")
    _refuses(run, "pitch.*greater than 0, got -1")
    run = shapereg("gradient", good, good, "-o", tmp_path / "out.vtk", "--binning", "2,2")
    _refuses(run, "--binning takes three whole numbers")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(shapereg, tmp_path, good, device):
    import torch

    if getattr(torch, device).is_available():
        pytest.skip(f"{device} is here")
    run = shapereg("register", good, good, "-o", tmp_path / "out", "--device", device)
    _refuses(run, f"'{device}' cannot be used.*choose")
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written_are_refused_before_the_work(shapereg, tmp_path, good, monkeypatch):
    for name in ("napari_shapereg.registration.Registration", "napari_shapereg.fidelities.descent_field"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("the work began"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    _refuses(shapereg("register", good, good, "-o", tmp_path / "full"), "not empty.*--overwrite", "full")
    _refuses(shapereg("register", good, good, "-o", good), "this is a file", good)
    _refuses(shapereg("register", good, good, "-o", tmp_path / "a" / "b"), "does not exist; create", "a")
    _refuses(shapereg("gradient", good, good, "-o", tmp_path / "a" / "b.vtk"), "does not exist; create", "a")
    _refuses(shapereg("gradient", good, good, "-o", tmp_path / "b.png"), "ending '.png' is unknown", "b.png")
    _refuses(shapereg("gradient", good, good, "-o", tmp_path / "full"), "ending|directory", "full")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
