"""Label volumes from DICOM Segmentation objects (DICOM PS3.3, A.51 and A.101), by highdicom."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError, MissingExtraError, ShapeRegError
from napari_shapereg.volumes.files import reason
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume
from napari_shapereg.volumes.memory import require_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from highdicom.seg import Segmentation
    from numpy.typing import NDArray

    Color = tuple[float, float, float]

ENDING = ".dcm"


def read_segmentation(path: Path) -> LabelVolume:
    """Read the segments of a DICOM SEG file as labels.

    Parameters
    ----------
    path : Path
        BINARY or LABELMAP.

    Returns
    -------
    LabelVolume
        A label is a segment's number; names and colours are those of the segments. The grid is that of the
        frames, which lie where the referenced images lie: LPS mm, as DICOM has it. Frames that were left out
        because they are empty are filled in between others, not beyond them.

    Raises
    ------
    InputError
        The file is no such object, or damaged; segments overlap or are fractional; frames are not evenly
        spaced planes of one volume. Without the file's name, which the caller adds.
    ResourceError
        The volume is larger than the memory available.
    MissingExtraError
        The extra "dicom" is not installed.
    """
    try:
        from highdicom.seg import segread
        from pydicom.filereader import read_file_meta_info
        from pydicom.uid import DeflatedExplicitVRLittleEndian
    except ImportError as error:
        raise MissingExtraError(
            "DICOM files need highdicom, which is not installed: pip install 'napari-shapereg[dicom]'"
        ) from error
    with _explained(), path.open("rb") as file:
        if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            # pydicom would inflate it whole, whatever its size.
            raise InputError("the file is deflated as a whole; save it in another transfer syntax")
        return _volume(segread(file), path)


def _volume(segmentation: Segmentation, path: Path) -> LabelVolume:
    if segmentation.segmentation_type.value == "FRACTIONAL":
        raise InputError("holds fractional segments; threshold them first, and save them as binary ones")
    geometry = segmentation.get_volume_geometry(allow_missing_positions=True)
    if geometry is None:
        raise InputError("its frames are no evenly spaced planes of one volume; resample it first")
    grid = _grid(geometry.affine, geometry.spatial_shape)
    require_memory(8 * grid.voxels, f"reading {grid.size} voxels")
    data = segmentation.get_volume(combine_segments=True, dtype=np.int32).array
    small = data.max(initial=0) <= np.iinfo(np.uint8).max
    labels: NDArray[np.integer[Any]] = np.ascontiguousarray(data, dtype=np.uint8 if small else np.int32)
    return LabelVolume(labels, grid, dict(_names(segmentation)), dict(_colors(segmentation)), path)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what damaged values lead to in pydicom, which is any kind of error and remarks on the way."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ShapeRegError:
        raise
    except Exception as error:
        raise InputError(
            f"this is no DICOM segmentation that can be read ({reason(error)}); export the SEG object again"
        ) from error
    finally:
        logger.setLevel(level)


def _grid(affine: NDArray[np.float64], shape: tuple[int, ...]) -> ImageGrid:
    """Return the grid of an array (plane, row, column) whose affine matrix maps these to LPS mm."""
    columns = affine[:3, 2::-1]
    spacing = np.linalg.norm(columns, axis=0)
    z, y, x = shape
    return ImageGrid((x, y, z), tuple(spacing), tuple(affine[:3, 3]), tuple((columns / spacing).ravel()))


def _names(segmentation: Segmentation) -> Iterator[tuple[int, str]]:
    for number in segmentation.segment_numbers:
        yield int(number), str(segmentation.get_segment_description(number).segment_label)


def _colors(segmentation: Segmentation) -> Iterator[tuple[int, Color]]:
    from highdicom.color import CIELabColor

    for number in segmentation.segment_numbers:
        stated = segmentation.get_segment_description(number).get("RecommendedDisplayCIELabValue")
        if stated:
            red, green, blue = CIELabColor.from_dicom_value(stated).to_rgb()
            yield int(number), (red / 255, green / 255, blue / 255)
