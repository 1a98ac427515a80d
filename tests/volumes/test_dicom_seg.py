"""DICOM segmentations, written here by highdicom as a workstation would."""

from __future__ import annotations

import sys

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat
from scipy.spatial.transform import Rotation

from napari_shapereg.errors import InputError, MissingExtraError, ResourceError
from napari_shapereg.volumes import memory, read_labels

TURN = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix()
SHAPE = (8, 9, 10)
START = np.array([10.0, -20.0, 30.0])
AXES = TURN @ np.diag([1.5, 0.7, 0.8])
TISSUE = hd.sr.CodedConcept("85756007", "SCT", "Tissue")


def labels():
    data = np.zeros(SHAPE, np.uint8)
    data[2:4, 1:5, 2:7] = 1
    data[5, 3:6, 1:3] = 4  # nothing in plane 4, and nothing in the first and last ones
    return data


def decimals(numbers):
    """DICOM's decimal strings have 16 characters."""
    return [DSfloat(float(number), auto_format=True) for number in numbers]


def slices(axes):
    """The images that are referred to; columns of `axes` are the steps of a plane, a row and a column, mm."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for plane in range(SHAPE[0]):
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.Modality, image.PatientID, image.PatientName = "MR", "1", "Test^Case"
        for name in (
            "PatientBirthDate",
            "PatientSex",
            "AccessionNumber",
            "StudyID",
            "ReferringPhysicianName",
        ):
            setattr(image, name, "")
        image.StudyDate, image.StudyTime, image.SeriesNumber, image.InstanceNumber = (
            "20200101",
            "120000",
            1,
            plane,
        )
        image.Rows, image.Columns = SHAPE[1:]
        length = np.linalg.norm(axes, axis=0)
        turned = [*(axes[:, 2] / length[2]), *(axes[:, 1] / length[1])]
        image.PixelSpacing, image.SliceThickness = decimals(length[1:]), decimals(length[:1])[0]
        image.ImageOrientationPatient = decimals(turned)
        image.ImagePositionPatient = decimals(START + plane * axes[:, 0])
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        yield image


def save(path, kind="BINARY", data=None, axes=AXES):
    found = [
        SegmentDescription(
            number,
            name,
            TISSUE,
            TISSUE,
            SegmentAlgorithmTypeValues.MANUAL,
            display_color=CIELabColor.from_rgb(*color),
        )
        for number, name, color in ((1, "femoral", (200, 30, 40)), (2, "tibial", (10, 90, 220)))
    ]
    data = np.where(labels() == 4, 2, labels()) if data is None else data
    uids = generate_uid(), 1, generate_uid(), 1
    Segmentation(list(slices(axes)), data, kind, found, *uids, "maker", "model", "1", "serial").save_as(path)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("handedness", [1.0, -1.0])
def test_segments_are_labels_where_the_images_lie(tmp_path, kind, handedness):
    axes = TURN @ np.diag([1.5 * handedness, 0.7, 0.8])
    volume = read_labels(save(tmp_path / "seg.dcm", kind, axes=axes))
    assert volume.labels == (1, 2)
    assert volume.names == {1: "femoral", 2: "tibial"}
    # Colours go through CIELab in 16 bits.
    np.testing.assert_allclose(volume.colors[1], np.array([200, 30, 40]) / 255, atol=0.02)
    for label, stored in ((1, 1), (2, 4)):
        theirs = START + np.argwhere(labels() == stored) @ axes.T
        ours = volume.grid.to_points(np.argwhere(volume.data == label)[:, ::-1])
        # The same set of points; the order of planes is the reader's.
        order = [np.lexsort(np.round(points, 3).T) for points in (theirs, ours)]
        np.testing.assert_allclose(ours[order[1]], theirs[order[0]], atol=1e-4)


def test_segments_that_overlap_are_refused(tmp_path):
    both = np.stack([labels() == 1, labels() > 0], axis=-1).astype(np.uint8)
    with pytest.raises(
        InputError, match=r"seg\.dcm: this is no DICOM segmentation that can be read .*overlap"
    ):
        read_labels(save(tmp_path / "seg.dcm", data=both))


def test_fractions_are_refused(tmp_path):
    share = np.stack([labels() == 1, labels() == 4], axis=-1) * 0.5
    with pytest.raises(InputError, match="fractional segments; threshold"):
        read_labels(save(tmp_path / "seg.dcm", "FRACTIONAL", data=share))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.dcm").write_text("this is no image\n" * 100)
    with pytest.raises(InputError, match=r"text\.dcm: this is no DICOM segmentation"):
        read_labels(tmp_path / "text.dcm")
    image = next(slices(TURN))
    image.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"image\.dcm: this is no DICOM segmentation"):
        read_labels(tmp_path / "image.dcm")
    with pytest.raises(InputError, match=r"nowhere\.dcm: no such file"):
        read_labels(tmp_path / "nowhere.dcm")


def test_a_file_that_is_deflated_whole_is_refused(tmp_path):
    dataset = pydicom.dcmread(save(tmp_path / "seg.dcm"))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"deflated\.dcm: the file is deflated as a whole"):
        read_labels(tmp_path / "deflated.dcm")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    whole = save(tmp_path / "seg.dcm").read_bytes()
    for length in range(0, len(whole) - 2, len(whole) // 40):
        (tmp_path / "cut.dcm").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.dcm: "):
            read_labels(tmp_path / "cut.dcm")


def test_more_voxels_than_memory_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "seg.dcm")
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(ResourceError, match=r"seg\.dcm: reading .* needs"):
        read_labels(path)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "seg.dcm")
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(MissingExtraError, match=r"napari-shapereg\[dicom\]"):
        read_labels(path)
