"""Everything that a user may hand over by mistake: named, explained, and never a crash or silent nonsense."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ResourceError
from napari_shapereg.volumes import ImageGrid, LabelVolume, images, memory, read_labels, write_labels

FORMATS = [".nii", ".nii.gz", ".nrrd", ".mha"]
DATA = np.random.default_rng(0).integers(0, 3, (20, 21, 22)).astype(np.uint8)


@pytest.fixture
def files(tmp_path):
    volume = LabelVolume.from_array(DATA, ImageGrid((22, 21, 20), (0.7, 0.8, 1.5)))
    return {ending: write_labels(volume, tmp_path / f"knee{ending}") for ending in [*FORMATS, ".mhd"]}


def _save(array, path, **keywords):
    sitk.WriteImage(sitk.GetImageFromArray(array, **keywords), str(path))
    return path


def _refused(path, message):
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))}: .*{message}"):
        read_labels(path)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("keep", [-1, -40, 0.5, 200, 2, 0])
def test_truncated_files(files, ending, keep, capfd):
    raw = files[ending].read_bytes()
    files[ending].write_bytes(raw[: int(len(raw) * keep) if keep == 0.5 else keep])
    _refused(files[ending], "(truncated|corrupt)")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("place", [0.5, 0.8])
def test_damaged_compressed_files(files, ending, place, capfd):
    raw = bytearray(files[ending].read_bytes())
    raw[int(len(raw) * place)] ^= 0x55
    files[ending].write_bytes(raw)
    _refused(files[ending], "(truncated|corrupt)")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_truncated_uncompressed_files(ending, tmp_path, capfd):
    path = tmp_path / f"plain{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(DATA), str(path), useCompression=False)
    assert read_labels(path).labels == (1, 2)
    path.write_bytes(path.read_bytes()[:-5])
    _refused(path, "truncated")
    assert capfd.readouterr().err == ""


def test_header_whose_voxel_file_is_gone_or_short(files, tmp_path):
    voxels = tmp_path / "knee.zraw"
    voxels.write_bytes(voxels.read_bytes()[:-9])
    _refused(files[".mhd"], "truncated")
    voxels.unlink()
    _refused(files[".mhd"], r"knee\.zraw, which is not there")


def test_meta_image_header_with_voxels_in_several_files_is_left_to_itk(tmp_path):
    (tmp_path / "slices.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nElementSpacing = 1 1 2\nDimSize = 22 21 20\n"
        "ElementType = MET_UCHAR\nElementDataFile = slice%02d.raw 0 19 1\n"
    )
    for number, plane in enumerate(DATA):
        (tmp_path / f"slice{number:02d}.raw").write_bytes(plane.tobytes())
    np.testing.assert_array_equal(read_labels(tmp_path / "slices.mhd").data, DATA)


def test_compressed_stream_that_holds_too_little(files):
    raw = files[".mha"].read_bytes()
    files[".mha"].write_bytes(raw.replace(b"DimSize = 22 21 20", b"DimSize = 22 21 29"))
    _refused(files[".mha"], f"holds {22 * 21 * 20} of {22 * 21 * 29} bytes")


@pytest.mark.parametrize("ending", [*FORMATS, ".mhd"])
def test_text_in_the_guise_of_an_image(ending, tmp_path, capfd):
    path = tmp_path / f"text{ending}"
    path.write_text("this is no image\n" * 100)
    _refused(path, "(corrupt|not there)")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "message"), [("a.nii", r"rename it to \.nii\.gz"), ("b.nii.gz", r"rename it to \.nii")]
)
def test_compression_that_the_name_denies(files, name, message, tmp_path):
    source = files[".nii.gz" if name == "a.nii" else ".nii"]
    (tmp_path / name).write_bytes(source.read_bytes())
    _refused(tmp_path / name, message)


def test_missing_file_directory_and_unknown_ending(tmp_path):
    _refused(tmp_path / "nothing.nii.gz", "no such file")
    _refused(tmp_path, "directory")
    for name in ("picture.png", "noending"):
        (tmp_path / name).write_bytes(b"x")
        _refused(tmp_path / name, "unknown; use one of")


def test_other_objects():
    with pytest.raises(InputError, match=r"got ndarray; .*from_array"):
        read_labels(DATA)


@pytest.mark.parametrize("ending", FORMATS)
def test_intensity_image(ending, tmp_path):
    noise = np.random.default_rng(0).normal(100, 20, (5, 6, 7)).astype(np.float32)
    _refused(_save(noise, tmp_path / f"mri{ending}"), "not whole numbers.*intensity")


@pytest.mark.parametrize("ending", FORMATS)
def test_floats_that_hold_labels_are_read(ending, tmp_path):
    volume = read_labels(_save(DATA.astype(np.float64), tmp_path / f"float{ending}"))
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.data.dtype == np.uint8


@pytest.mark.parametrize("ending", FORMATS)
def test_no_foreground(ending, tmp_path):
    path = _save(DATA * 0, tmp_path / f"empty{ending}")
    _refused(path, "no foreground")
    with pytest.raises(InputError, match="no foreground"):
        read_labels(sitk.GetImageFromArray(DATA * 0))


@pytest.mark.parametrize("ending", FORMATS)
def test_other_dimensions(ending, tmp_path):
    _refused(_save(DATA[0], tmp_path / f"flat{ending}"), "3-D volume is needed")
    series = sitk.JoinSeries([sitk.GetImageFromArray(DATA)] * 2)
    sitk.WriteImage(series, str(tmp_path / f"series{ending}"))
    _refused(tmp_path / f"series{ending}", "3-D volume is needed.*4-D")
    _refused(
        _save(np.stack([DATA] * 3, axis=-1), tmp_path / f"v{ending}", isVector=True),
        "one number per voxel is needed, got 3",
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_a_single_frame_is_a_volume(ending, tmp_path):
    frame = sitk.GetImageFromArray(DATA)
    frame.SetDirection((0, 1, 0, 0, 0, 1, 1, 0, 0))
    frame.SetSpacing((0.5, 2, 3))
    sitk.WriteImage(sitk.JoinSeries([frame]), str(tmp_path / f"frame{ending}"))
    volume = read_labels(tmp_path / f"frame{ending}")
    np.testing.assert_array_equal(volume.data, DATA)
    np.testing.assert_allclose(volume.grid.corners(), ImageGrid.from_image(frame).corners(), atol=1e-6)


def test_values_out_of_range(tmp_path):
    _refused(_save(DATA.astype(np.int16) - 1, tmp_path / "ct.nii.gz"), "negative value -1")
    _refused(_save(DATA.astype(np.int64) + 2**40, tmp_path / "wide.nrrd"), "above the largest label")
    with_nan = DATA.astype(np.float32)
    with_nan[1, 2, 3] = np.nan
    _refused(_save(with_nan, tmp_path / "nan.mha"), "NaN")


BAD_GEOMETRY = {
    ".mha": [
        ("ElementSpacing = 1 1 1", "ElementSpacing = 1 0 1", "spacing must be positive"),
        ("ElementSpacing = 1 1 1", "ElementSpacing = 1 -1 1", "spacing must be positive"),
        ("ElementSpacing = 1 1 1", "ElementSpacing = 1 nan 1", "spacing must be positive"),
        ("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 1 0", "direction is singular"),
        ("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0 nan", "direction is singular"),
        ("1 0 0 0 1 0 0 0 1", "1 0.1 0 0 1 0 0 0 1", "sheared"),
        ("DimSize = 22 21 20", "DimSize = 22 21 0", "at least 1"),
        ("DimSize = 22 21 20", "DimSize = 22 21", "corrupt"),
    ],
    ".nrrd": [
        ("(1,0,0) (0,1,0) (0,0,1)", "(1,0,0) (0,1,0) (0,1,0)", "direction is singular"),
        ("(1,0,0) (0,1,0) (0,0,1)", "(1,0,0) (0,1,0) (0,0,nan)", "corrupt"),
        ("(1,0,0) (0,1,0) (0,0,1)", "(1,0,0) (0,1,0) (0,0,0)", "(spacing|direction) must be"),
        ("(1,0,0) (0,1,0) (0,0,1)", "(1,0,0) (0.1,1,0) (0,0,1)", "sheared"),
    ],
}


@pytest.mark.parametrize(
    ("ending", "good", "bad", "message"),
    [(ending, *case) for ending, cases in BAD_GEOMETRY.items() for case in cases],
)
def test_bad_geometry(ending, good, bad, message, tmp_path, capfd):
    path = _save(DATA, tmp_path / f"knee{ending}")
    raw = path.read_bytes()
    assert good.encode() in raw
    path.write_bytes(raw.replace(good.encode(), bad.encode()))
    _refused(path, message)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_more_voxels_than_memory_are_refused_before_anything_is_read(ending, tmp_path, monkeypatch):
    path = _save(DATA, tmp_path / f"huge{ending}")
    raw = bytearray(path.read_bytes())
    if ending == ".nii":
        raw[42:48] = np.array([30_000, 30_000, 30_000], "<i2").tobytes()
    path.write_bytes(raw.replace(b"22 21 20", b"60000 50000 40000"))
    monkeypatch.setattr(sitk.ImageFileReader, "Execute", lambda _: pytest.fail("the voxels were read"))
    with pytest.raises(
        ResourceError, match=rf"^{re.escape(str(path))}: .* needs .* GiB .* available.*downsample"
    ):
        read_labels(path)


def test_memory_limit_is_that_of_the_moment(files, monkeypatch):
    needed = DATA.size * (2 + 4)
    monkeypatch.setattr(memory, "available_memory", lambda: needed)
    read_labels(files[".nii.gz"])
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    with pytest.raises(ResourceError):
        read_labels(files[".nii.gz"])


def test_unreadable_file(files, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images, "check_complete", deny)
    _refused(files[".nrrd"], "cannot be read .Permission denied")


def test_itk_stays_quiet_and_is_left_as_it_was(files, capfd):
    files[".mha"].write_bytes(files[".mha"].read_bytes()[:200])
    threads = [threading.Thread(target=_try_to_read, args=(files[".mha"],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == ""
    assert sitk.ProcessObject.GetGlobalWarningDisplay()
    # Standard error works again: ITK's own reader complains there.
    with pytest.raises(RuntimeError):
        sitk.ReadImage(str(files[".mha"]))
    assert "MetaImage" in capfd.readouterr().err


def _try_to_read(path):
    for _ in range(5):
        with pytest.raises(InputError):
            read_labels(path)
