"""Files made to do harm: each of these crashed ITK, filled the memory or read where it should not."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import read_labels
from napari_shapereg.volumes.images import read_grid

DATA = np.zeros((4, 5, 6), np.uint8)
DATA[1:3, 1:4, 2:5] = 1


@pytest.fixture
def meta(tmp_path):
    """A MetaImage whose header can be edited."""

    def edit(old, new):
        path = tmp_path / "trap.mha"
        sitk.WriteImage(sitk.GetImageFromArray(DATA), str(path), useCompression=False)
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new))
        return path

    return edit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"NDims = 3", b"NDims = 99999999", "NDims is b'99999999'"),
        (b"NDims = 3", b"NDims = -1", "NDims is b'-1'"),
        (b"NDims = 3\n", b"", "NDims is b'missing'"),
        (b"NDims = 3", b"NDims = 99999999\nNDims = 3", "b'NDims' occurs twice"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = %s%n%s", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = %d%d 0 9 1", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = ../secret.raw", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = /etc/passwd", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = LIST\n../a.raw\n", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile : ../secret.raw", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile =:= ../secret.raw", "keep them beside the header"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = \n../secret.raw", "keep them beside the header"),
        (b"ElementDataFile", b"Comment\nElementDataFile = LOCAL\nElementDataFile", "is no field"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile\rx = ../secret.raw\n", "is no field"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile\x00x = ../secret.raw\n", "is no field"),
        (b"ElementDataFile", b"ElementDataFile\x0b = LOCAL\nElementDataFile", "is no field"),
        (b"ElementDataFile", b"Comment = " + b"x" * (1 << 16) + b"\nElementDataFile", "is no field"),
    ],
)
def test_meta_image_headers(meta, old, new, message):
    with pytest.raises(InputError, match=rf"trap\.mha: .*{message}"):
        read_labels(meta(old, new))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("data file: ../secret.raw", "keep them beside the header"),
        ("datafile: ../secret.raw", "keep them beside the header"),
        ("Data File: {folder}/secret.raw", "keep them beside the header"),
        ("data file: LIST 3\n../secret.raw", "keep them beside the header"),
        ("# \rdata file: ../secret.raw", "is no field"),
        ("#" + "x" * (1 << 16) + "\ndata file: ../secret.raw", "is no field"),
    ],
)
@pytest.mark.parametrize("read", [read_labels, read_grid])
def test_nrrd_that_names_a_file_elsewhere(tmp_path, read, lines, message):
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(DATA.tobytes())
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 6 5 4\nencoding: raw\n"
    (folder / "fair.nrrd").write_text(f"{header}data file: fair.raw\n\n")
    (folder / "fair.raw").write_bytes(DATA.tobytes())
    assert read_labels(folder / "fair.nrrd").labels == (1,)
    (folder / "trap.nrrd").write_text(f"{header}{lines.format(folder=tmp_path)}\n\n")
    with pytest.raises(InputError, match=rf"trap\.nrrd: .*{message}"):
        read(folder / "trap.nrrd")


def test_meta_image_fields_without_a_value_are_fair(meta):
    assert read_labels(meta(b"ElementDataFile", b"Comment =\n\nTags : \nElementDataFile")).labels == (1,)


def test_an_archive_that_goes_on_is_left_early(tmp_path, monkeypatch):
    # 60 MB of zeros behind a volume of 120 bytes; a real one would hold terabytes.
    sitk.WriteImage(sitk.GetImageFromArray(DATA), str(tmp_path / "whole.nii"))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write((tmp_path / "whole.nii").read_bytes())
        for _ in range(60):
            file.write(bytes(1 << 20))
    (tmp_path / "bomb.nii.gz").write_bytes(packed.getvalue())
    with pytest.raises(InputError, match=r"bomb\.nii\.gz: .*holds more than \d+ bytes"):
        read_labels(tmp_path / "bomb.nii.gz")


def test_metadata_that_is_no_text_is_left_out(tmp_path):
    image = sitk.GetImageFromArray(DATA)
    image.SetMetaData("Segment0_Name", "knee")
    image.SetMetaData("Segment0_LabelValue", "1")
    image.SetMetaData("other", "x")
    path = tmp_path / "odd.nrrd"
    sitk.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes().replace(b"\nother:=", b"\noth\xff\xfe:="))
    assert read_labels(path).names == {1: "knee"}


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), -1.0, 1e30])
def test_voxels_that_begin_nowhere(tmp_path, offset):
    sitk.WriteImage(sitk.GetImageFromArray(DATA), str(tmp_path / "trap.nii"))
    raw = bytearray((tmp_path / "trap.nii").read_bytes())
    raw[108:112] = np.float32(offset).tobytes()
    (tmp_path / "trap.nii").write_bytes(raw)
    with pytest.raises(InputError, match=r"trap\.nii: .*its voxels begin at byte"):
        read_labels(tmp_path / "trap.nii")
