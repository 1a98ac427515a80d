"""ITK's HDF5 files: read as ITK reads them, and refused where ITK would hang, crash or fill the memory."""

from __future__ import annotations

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import read_transform, transform_points, write_transform

POINTS = np.random.default_rng(0).uniform(-30, 60, size=(300, 3))


def spline(order):
    transform = sitk.BSplineTransform(3, order)
    transform.SetTransformDomainOrigin((-30.0, -30.0, -30.0))
    transform.SetTransformDomainPhysicalDimensions((90.0, 90.0, 90.0))
    transform.SetTransformDomainMeshSize((3, 4, 5))
    random = np.random.default_rng(order)
    transform.SetParameters(random.normal(size=transform.GetNumberOfParameters()).tolist())
    return transform


@pytest.mark.parametrize(
    "transform",
    [
        sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (3.0, 4.0, 5.0)),
        sitk.Similarity3DTransform(1.3, (0.0, 0.0, 1.0), 0.4, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        sitk.VersorRigid3DTransform((0.0, 1.0, 0.0), 0.4, (1.0, 2.0, 3.0)),
        sitk.ScaleTransform(3, (1.0, 2.0, 3.0)),
        sitk.TranslationTransform(3, (1.0, 2.0, 3.0)),
        sitk.Transform(3, sitk.sitkIdentity),
        spline(1),
        spline(2),
        spline(3),
        sitk.CompositeTransform([sitk.ScaleTransform(3, (1.0, 2.0, 3.0)), spline(3)]),
    ],
    ids=lambda transform: transform.GetName(),
)
def test_each_kind_is_what_itk_reads(tmp_path, transform):
    sitk.WriteTransform(transform, tmp_path / "map.h5")
    ours, itks = read_transform(tmp_path / "map.h5"), sitk.ReadTransform(tmp_path / "map.h5")
    assert ours.GetName() == itks.GetName()
    np.testing.assert_array_equal(transform_points(ours, POINTS), transform_points(itks, POINTS))


def rewritten(path, change):
    """Let a function make each dataset of parameters anew."""
    with h5py.File(path, "a") as file:
        for group in file["TransformGroup"].values():
            for name in ("TransformParameters", "TransformFixedParameters"):
                if name in group:
                    values = group[name][()]
                    del group[name]
                    change(group, name, values)
    return path


def test_compressed_single_precision_and_misspelt_as_by_itk_4(tmp_path, smooth_map):
    path = write_transform(smooth_map, tmp_path / "map.h5")
    rewritten(
        path,
        lambda group, name, values: group.create_dataset(
            name.replace("Transform", "Tranform"), data=values, dtype="f4", chunks=(3,), compression="gzip"
        ),
    )
    points = POINTS / 9 + [10, -20, 30]
    # Matrices and offsets of 50 mm in float32.
    np.testing.assert_allclose(
        transform_points(read_transform(path), points), transform_points(smooth_map, points), atol=2e-5
    )


def test_uncompressed_pieces_and_numbers_kept_in_the_header(tmp_path, affine):
    path = write_transform(affine, tmp_path / "pieces.h5")
    rewritten(path, lambda group, name, values: group.create_dataset(name, data=values, chunks=(2,)))
    assert read_transform(path).GetParameters() == affine.GetParameters()

    def compact(group, name, values):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(values.shape)
        h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_DOUBLE, space, properties)
        group[name][...] = values

    path = rewritten(write_transform(affine, tmp_path / "compact.h5"), compact)
    assert read_transform(path).GetParameters() == affine.GetParameters()


def test_no_room_is_made_for_what_is_only_promised(tmp_path, affine):
    promised = {
        "huge.h5": (10**13, "are named"),
        "large.h5": (3 * 10**6, "are named"),
        "gaps.h5": (12, "NaN"),
    }
    for name, (count, message) in promised.items():
        path = write_transform(affine, tmp_path / name)
        rewritten(path, lambda group, what, _, n=count: group.create_dataset(what, (n,), "f8", chunks=(9,)))
        tracemalloc.start()
        with pytest.raises(InputError, match=rf"{name}: .*{message}"):
            read_transform(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # Three million numbers take 24 MB.
        assert peak < 4e6


def test_a_stream_that_goes_on_is_left_early(tmp_path, affine):
    def trap(group, name, values):
        made = group.create_dataset(name, data=values, chunks=values.shape, compression="gzip")
        made.id.write_direct_chunk((0,), zlib.compress(values.tobytes() + bytes(100_000_000), 9))

    path = rewritten(write_transform(affine, tmp_path / "bomb.h5"), trap)
    tracemalloc.start()
    assert read_transform(path).GetParameters() == affine.GetParameters()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_links_lead_nowhere_else(tmp_path, affine):
    write_transform(affine, tmp_path / "secret.h5")
    links = {
        "outside.h5": h5py.ExternalLink("secret.h5", "TransformGroup"),
        "circle.h5": h5py.SoftLink("/TransformGroup"),
    }
    for name, link in links.items():
        with h5py.File(tmp_path / name, "w") as file:
            file["TransformGroup"] = link
        with pytest.raises(InputError, match=rf"{name}: the file is truncated, corrupt or no transform"):
            read_transform(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda group: group.create_dataset("TransformParameters", data=["a"] * 12), "row of numbers"),
        (lambda group: group.create_dataset("TransformParameters", data=np.ones((3, 4))), "row of numbers"),
        (lambda group: group.create_dataset("TransformParameters", data=np.ones(11)), "do not fit"),
        (lambda group: group.create_dataset("TransformParameters", data=np.full(12, np.nan)), "NaN"),
        (
            lambda group: group.create_dataset("TransformParameters", data=np.ones(12), fletcher32=True),
            "a way that ITK does not use",
        ),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path, affine, change, message):
    path = write_transform(affine, tmp_path / "map.h5")
    with h5py.File(path, "a") as file:
        del file["TransformGroup/0/TransformParameters"]
        change(file["TransformGroup/0"])
    with pytest.raises(InputError, match=rf"map\.h5: .*{message}"):
        read_transform(path)


def test_reading_ends(tmp_path, affine, monkeypatch):
    # As with a tree that leads back to where it began.
    path = write_transform(affine, tmp_path / "map.h5")
    monkeypatch.setattr("napari_shapereg.transforms.itk_hdf5._MOST_READS", 20)
    with pytest.raises(InputError, match="circles"):
        read_transform(path)
