"""OME-Zarr label images that ngff-zarr wrote, and damaged and hostile ones."""

from __future__ import annotations

import asyncio
import json
import sys
import warnings

import nibabel as nib
import numpy as np
import pytest
import zarr

from napari_shapereg.errors import InputError, MissingExtraError, ResourceError
from napari_shapereg.volumes import read_labels

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ngff_zarr as ngff

MILLIMETRES = dict.fromkeys("xyz", "millimeter")


def voxels(shape=(5, 6, 7)):
    data = np.zeros(shape, np.uint8)
    data[1:3, 2:5, 3:6] = 2
    data[4, 0, 1] = 7
    return data


def write(folder, version="0.4", data=None, orientation="LPS", **changes):
    """Write a label image by ngff-zarr."""
    given = {
        "dims": ["z", "y", "x"],
        "scale": {"x": 0.4, "y": 0.5, "z": 2.0},
        "translation": {"x": -10.0, "y": 20.0, "z": 5.0},
        "axes_units": MILLIMETRES,
    } | changes
    image = ngff.to_ngff_image(voxels() if data is None else data, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scales = ngff.to_multiscales(image, scale_factors=[], orientation=orientation)
        ngff.to_ngff_zarr(str(folder), scales, version=version)
    return folder


def edit(folder, change):
    """Change the attributes of an image of version 0.4."""
    file = folder / ".zattrs"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


def array_header(folder):
    return next(folder.glob("**/.zarray"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_voxels_lie_where_the_file_says(tmp_path, version):
    volume = read_labels(write(tmp_path / "a.ome.zarr", version))
    assert (volume.data == voxels()).all()
    assert volume.labels == (2, 7)
    assert volume.grid.spacing == (0.4, 0.5, 2.0)
    assert volume.grid.origin == (-10.0, 20.0, 5.0)
    np.testing.assert_array_equal(volume.grid.matrix, np.diag([0.4, 0.5, 2.0]))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_ras_image_lies_where_nibabel_has_it(tmp_path, version):
    affine = np.array([[0.4, 0, 0, -10], [0, 0.5, 0, 20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
    image = nib.Nifti1Image(voxels().transpose(), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "a.nii.gz")
    wanted = read_labels(tmp_path / "a.nii.gz")
    found = read_labels(write(tmp_path / "a.ome.zarr", version, orientation="RAS"))
    # nibabel's coordinates are RAS, and so are the file's: along its axes, x grows towards the right.
    np.testing.assert_allclose(found.grid.corners(), wanted.grid.corners(), atol=1e-6)
    assert (found.data == wanted.data).all()


def test_units_and_the_order_of_axes_are_honoured(tmp_path):
    data = voxels()[None, None]
    micrometres = dict.fromkeys("xyz", "micrometer")
    sizes = {"t": 1.0, "c": 1.0, "z": 2000.0, "y": 500.0, "x": 400.0}
    start = {"t": 0.0, "c": 0.0, "z": 5000.0, "y": 20000.0, "x": -10000.0}
    names = {
        "dims": ["t", "c", "z", "y", "x"],
        "scale": sizes,
        "translation": start,
        "axes_units": micrometres,
    }
    volume = read_labels(write(tmp_path / "a.zarr", data=data, **names))
    np.testing.assert_allclose(volume.grid.spacing, (0.4, 0.5, 2.0))
    np.testing.assert_allclose(volume.grid.origin, (-10, 20, 5))
    assert (volume.data == voxels()).all()
    other = write(tmp_path / "b.zarr")
    edit(other, lambda values: values["multiscales"][0]["axes"].reverse())
    swapped = read_labels(other)
    assert (swapped.data == voxels().transpose(2, 1, 0)).all()
    assert swapped.grid.spacing == (2.0, 0.5, 0.4)


def test_transformations_apply_one_after_the_other(tmp_path):
    folder = write(tmp_path / "a.zarr")
    steps = [{"type": "scale", "scale": [2.0, 2.0, 3.0]}, {"type": "translation", "translation": [1, 0, 0]}]
    edit(folder, lambda values: values["multiscales"][0].update(coordinateTransformations=steps))
    grid = read_labels(folder).grid
    np.testing.assert_allclose(grid.spacing, (1.2, 1.0, 4.0))
    np.testing.assert_allclose(grid.origin, (-30.0, 40.0, 11.0))


def test_what_is_assumed_is_said(tmp_path):
    with pytest.warns(UserWarning, match="taken as left, posterior and superior"):
        volume = read_labels(write(tmp_path / "a.zarr", orientation=None))
    assert volume.grid.origin == (-10.0, 20.0, 5.0)
    with pytest.warns(UserWarning, match="has no unit; millimetres are assumed"):
        read_labels(write(tmp_path / "b.zarr", axes_units=None))


def test_names_and_colours_of_the_one_label_image(tmp_path):
    write(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "labels").mkdir()
    (tmp_path / "a.zarr" / "labels" / ".zattrs").write_text('{"labels": ["knee"]}')
    folder = write(tmp_path / "a.zarr" / "labels" / "knee", data=voxels() * 3)
    details = {
        "colors": [{"label-value": 6, "rgba": [255, 0, 51, 255]}, {"label-value": "x"}],
        "properties": [{"label-value": 6, "name": "femur"}, 3],
    }
    edit(folder, lambda values: values.update({"image-label": details}))
    for path in (tmp_path / "a.zarr", folder):
        volume = read_labels(path)
        assert volume.labels == (6, 21)
        assert volume.names == {6: "femur"}
        assert volume.colors == {6: (1.0, 0.0, 0.2)}
    (tmp_path / "a.zarr" / "labels" / ".zattrs").write_text('{"labels": ["knee", "hip"]}')
    with pytest.raises(InputError, match=r"label images \['knee', 'hip'\]; give the folder of one"):
        read_labels(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["datasets"][0].update(path="../../secret"), "outside its own folder"),
        (lambda v: v["datasets"][0].update(path="/etc"), "outside its own folder"),
        (lambda v: v["datasets"][0].update(path="s3://bucket/a"), "outside its own folder"),
        (lambda v: v["datasets"][0].update(path="none"), "there is no array"),
        (lambda v: v["axes"][0].update(unit="furlong"), "unit 'furlong' of axis z is unknown"),
        (lambda v: v["axes"][0].update(name="q"), "a 3-D image with axes x, y, z is needed"),
        (lambda v: v["axes"][0]["orientation"].update(value="here-to-there"), "orientation .* unknown"),
        (lambda v: v["axes"][0].update(orientation=v["axes"][1]["orientation"]), "do not span space"),
        (lambda v: v.update(coordinateTransformations=[{"type": "affine"}]), "not one scale or translation"),
        (
            lambda v: v["datasets"][0].update(
                coordinateTransformations=[{"type": "scale", "scale": [0] * 3}]
            ),
            "spacing",
        ),
        (lambda v: v.update(datasets=[]), "damaged or no OME-Zarr"),
        (lambda v: v.update(axes="xyz"), "damaged or no OME-Zarr"),
    ],
)
def test_odd_metadata_is_refused(tmp_path, change, message):
    folder = write(tmp_path / "a.zarr")
    edit(folder, lambda values: change(values["multiscales"][0]))
    with pytest.raises(InputError, match=rf"a\.zarr: .*{message}"):
        read_labels(folder)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"filters": [{"id": "pickle"}]}, InputError, "stored with pickle"),
        ({"dtype": "|O"}, InputError, "labels are integers"),
        ({"dtype": "<f4"}, InputError, "labels are integers"),
        ({"shape": [60000, 50000, 40000]}, ResourceError, "GiB of memory"),
        ({"chunks": [60000, 50000, 40000]}, ResourceError, "GiB of memory"),
        ({"shape": [300, 300, 300], "chunks": [1, 1, 1]}, InputError, "has 27000000 chunks"),
        ({"shape": [0, 6, 7]}, InputError, "no voxels"),
        ({"shape": "much"}, InputError, "damaged"),
    ],
)
def test_odd_arrays_are_refused_from_the_header(tmp_path, changes, error, message):
    folder = write(tmp_path / "a.zarr")
    header = array_header(folder)
    header.write_text(json.dumps(json.loads(header.read_text()) | changes))
    with pytest.raises(error, match=message):
        read_labels(folder)


def test_damaged_chunks_are_refused_or_read(tmp_path):
    folder = write(tmp_path / "a.zarr")
    chunk = next(
        file for file in array_header(folder).parent.rglob("*") if file.name[0] != "." and file.is_file()
    )
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(InputError, match="damaged"):
        read_labels(folder)


def test_one_damaged_chunk_of_many_is_told_once(tmp_path):
    folder = write(tmp_path / "a.zarr")
    header = array_header(folder)
    header.write_text(json.dumps(json.loads(header.read_text()) | {"chunks": [1, 1, 1]}))
    with pytest.raises(InputError, match="damaged"):
        read_labels(folder)
    # The 209 others would wait in zarr's event loop for ever, and be told one by one when Python ends.
    assert not asyncio.all_tasks(zarr.core.sync._get_loop())


@pytest.mark.parametrize("attributes", [None, [], {"ome": None}, {"ome": "x"}])
def test_attributes_of_any_kind_are_refused(tmp_path, attributes):
    folder = write(tmp_path / "a.zarr", "0.5")
    header = json.loads((folder / "zarr.json").read_text()) | {"attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(InputError, match="no OME-Zarr image"):
        read_labels(folder)


def test_only_local_folders_are_read(tmp_path):
    for address in ("https://example.org/a.zarr", "s3://bucket/a.zarr"):
        with pytest.raises(InputError, match="only local files are read"):
            read_labels(address)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="no OME-Zarr image"):
        read_labels(tmp_path / "empty.zarr")


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    folder = write(tmp_path / "a.zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"napari-shapereg\[zarr\]"):
        read_labels(folder)
