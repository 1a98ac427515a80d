from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.cli.options import FidelityName
from napari_shapereg.fidelities.named import NAMES, OF_SURFACES
from napari_shapereg.volumes import read_labels

# Sums of some hundred float32 terms; a flipped sign or a dropped factor is off by the whole value.
TOLERANCE = 2e-5


def _points(path, label, bins=(1, 1, 1)):
    """Centres and masses of the bins that hold a label, one by one (x, y, z factors), LPS mm."""
    volume = read_labels(path)
    masses = {}
    for z, y, x in np.argwhere(volume.data == label):
        key = (x // bins[0], y // bins[1], z // bins[2])
        masses[key] = masses.get(key, 0.0) + volume.grid.voxel_volume
    keys = sorted(masses, key=lambda key: key[::-1])
    centres = [(np.array(key) + 0.5) * bins - 0.5 for key in keys]
    return volume.grid.to_points(centres), np.array([masses[key] for key in keys]), keys


def _energy(x, a, y, b):
    """Value and arrows of the energy distance, by its definition, in float64."""

    def apart(p, q):
        return np.linalg.norm(p[:, None] - q[None], axis=2)

    def directions(p, q, weights):
        offsets = p[:, None] - q[None]
        lengths = np.linalg.norm(offsets, axis=2, keepdims=True)
        unit = np.divide(offsets, lengths, out=np.zeros_like(offsets), where=lengths > 0)
        return np.einsum("ijk,j->ik", unit, weights)

    value = a @ apart(x, y) @ b - a @ apart(x, x) @ a / 2 - b @ apart(y, y) @ b / 2
    return value, directions(x, x, a) - directions(x, y, b)


def _unit(weights):
    return weights / weights.sum()


@pytest.mark.parametrize(("mass", "scaled"), [("unit", _unit), ("physical", np.asarray)])
def test_value_and_arrows_are_those_of_the_definition(shapereg, boxes, tmp_path, mass, scaled):
    out = tmp_path / "arrows.csv"
    run = shapereg("gradient", *boxes, "-o", out, "--mass", mass, "--json", "--binning", "2,2,1")
    assert run.code == 0
    assert run.err == ""
    printed = json.loads(run.out)
    rows = np.loadtxt(out, delimiter=",", skiprows=1)
    start, values = 0, []
    for label in (1, 2):
        (x, a, _), (y, b, _) = (_points(path, label, (2, 2, 1)) for path in boxes)
        value, arrows = _energy(x, scaled(a), y, scaled(b))
        part = rows[start : start + len(x)]
        np.testing.assert_allclose(part[:, :3], x, atol=1e-4)
        np.testing.assert_allclose(part[:, 3:], arrows, atol=TOLERANCE * np.abs(arrows).max())
        found = printed["labels"][str(label)]
        assert found["value"] == pytest.approx(value, rel=TOLERANCE)
        assert (found["points_moving"], found["points_fixed"]) == (len(x), len(y))
        assert found["sums"] == "exact"
        assert found["longest_arrow"] == pytest.approx(np.linalg.norm(arrows, axis=1).max(), rel=1e-4)
        start, values = start + len(x), [*values, value]
    assert printed["value"] == pytest.approx(sum(values), rel=TOLERANCE)
    assert start == len(rows)


def test_the_vector_image_holds_the_arrows_in_lps_on_the_binned_moving_grid(shapereg, boxes, tmp_path):
    image, points = tmp_path / "field.nii.gz", tmp_path / "arrows.csv"
    assert shapereg("gradient", *boxes, "-o", image, "-o", points, "--binning", "3,2,2", "-q") == (0, "", "")
    read = nibabel.load(image)
    grid = read_labels(boxes[0]).grid.binned((3, 2, 2))
    assert read.shape == (*grid.size, 1, 3)
    assert read.header["intent_code"] == 1007
    np.testing.assert_allclose(read.affine[:3, :3], np.diag([-1, -1, 1]) @ grid.matrix, atol=1e-5)
    rows = np.loadtxt(points, delimiter=",", skiprows=1)
    expected, masses = np.zeros(read.shape), np.zeros(grid.size)
    weights = np.concatenate([_unit(_points(boxes[0], label, (3, 2, 2))[1]) for label in (1, 2)])
    voxels = np.rint(grid.to_indices(rows[:, :3])).astype(int)
    for voxel, arrow, weight in zip(voxels, rows[:, 3:], weights, strict=True):
        expected[(*voxel, 0)] += weight * arrow
        masses[tuple(voxel)] += weight
    # (Some bins hold both labels, so that means are taken.)
    assert len(np.unique(voxels, axis=0)) < len(voxels)
    expected /= np.where(masses > 0, masses, 1)[..., None, None]
    np.testing.assert_allclose(read.get_fdata(), expected, atol=1e-6)
    assert not read.get_fdata()[masses == 0].any()


def test_the_same_field_in_the_other_formats(shapereg, boxes, tmp_path):
    names = [tmp_path / f"field{ending}" for ending in (".nii", ".nii.gz", ".nrrd", ".mha")]
    words = [word for name in names for word in ("-o", name)]
    assert shapereg("gradient", *boxes, *words, "--labels", "1").code == 0
    images = [sitk.ReadImage(str(name)) for name in names]
    for image in images[1:]:
        np.testing.assert_array_equal(*(sitk.GetArrayFromImage(one) for one in (images[0], image)))
        np.testing.assert_allclose(image.GetDirection(), images[0].GetDirection(), atol=1e-6)


def test_surfaces_and_other_kernels(shapereg, boxes, tmp_path):
    out = tmp_path / "arrows.vtk"
    words = ["--kind", "surface", "--fidelity", "gaussian", "--length", "30", "--labels", "1", "--json"]
    printed = json.loads(shapereg("gradient", *boxes, "-o", out, *words).out)
    assert "GaussianKernel(sigma=30.0)" in printed["fidelity"]
    text = out.read_text()
    count = printed["labels"]["1"]["points_moving"]
    assert f"POINTS {count} double" in text
    assert "VECTORS displacement double" in text
    arrows = np.loadtxt(text.partition("VECTORS displacement double")[2].splitlines())
    # A kernel much wider than the boxes are apart sends every point along the offset of the centres.
    offset = np.subtract(*(_points(path, 1)[0].mean(axis=0) for path in boxes[::-1]))
    assert (arrows @ offset > 0).all()


def test_the_default_length_is_a_quarter_of_the_radius_of_the_fixed_shape(shapereg, boxes, tmp_path):
    words = ["--fidelity", "laplacian", "--labels", "2", "--json"]
    printed = json.loads(shapereg("gradient", *boxes, "-o", tmp_path / "a.vtk", *words).out)
    points, masses, _ = _points(boxes[1], 2)
    centre = masses @ points / masses.sum()
    radius = np.sqrt(masses @ np.square(points - centre).sum(axis=1) / masses.sum())
    assert float(printed["fidelity"].partition("sigma=")[2].rstrip(")")) == pytest.approx(
        radius / 4, rel=1e-5
    )


@pytest.mark.parametrize("engine", ["torch", "numba", "keops"])
def test_engines_agree_and_are_named(shapereg, boxes, tmp_path, engine):
    out = tmp_path / "arrows.csv"
    run = shapereg("gradient", *boxes, "-o", out, "--engine", engine, "--labels", "2", "--json")
    assert f"engine='{engine}'" in json.loads(run.out)["fidelity"]
    (x, a, _), (y, b, _) = (_points(path, 2) for path in boxes)
    _, arrows = _energy(x, _unit(a), y, _unit(b))
    np.testing.assert_allclose(np.loadtxt(out, delimiter=",", skiprows=1)[:, 3:], arrows, atol=1e-4)


def test_the_table(shapereg, boxes, tmp_path):
    run = shapereg("gradient", *boxes, "-o", tmp_path / "arrows.vtk")
    lines = run.out.splitlines()
    assert lines[0].startswith("EnergyDistance(")
    assert lines[1].split()[0] == "label"
    assert [line.split()[0] for line in lines[3:5]] == ["1", "2"]
    assert lines[5].startswith("sum of the values: ")
    assert lines[6] == f"wrote {tmp_path / 'arrows.vtk'}"


def test_the_words_for_fidelities_are_the_names_of_fidelities():
    assert [name.value for name in FidelityName] == list(NAMES)


@pytest.mark.parametrize("name", sorted(OF_SURFACES))
def test_fidelities_of_surfaces_take_surfaces(shapereg, boxes, tmp_path, name):
    words = ["--fidelity", name, "--labels", "1", "--json", "-o", tmp_path / "arrows.vtk"]
    assert json.loads(shapereg("gradient", *boxes, *words, "--kind", "surface").out)["value"] > 0
    refused = shapereg("gradient", *boxes, *words)
    assert refused.code == 2
    assert "measures.kind to 'surface'" in refused.err


def test_transport_that_begins_on_merged_points_says_so(shapereg, boxes, tmp_path):
    words = ["-o", tmp_path / "arrows.csv", "--fidelity", "sinkhorn", "--labels", "1", "--binning", "3,3,3"]
    (label,) = json.loads(shapereg("gradient", *boxes, *words, "--json").out)["labels"].values()
    assert label["sums"] == "transport begun on merged points"
    assert label["sums"] in shapereg("gradient", *boxes, *words[:1], tmp_path / "more.csv", *words[2:]).out
