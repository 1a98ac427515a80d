"""Label images from OME-Zarr folders (OME-NGFF 0.4 and 0.5), by zarr.

Only local folders are read. The array's own header is checked before zarr opens it: among the filters of the
older format is one that would run what is written in the file.
"""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError, MissingExtraError, ShapeRegError
from napari_shapereg.volumes.files import reason
from napari_shapereg.volumes.labels import LabelVolume
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.ome_zarr_grid import grid_of

if TYPE_CHECKING:
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

ENDING = ".zarr"
_LARGEST_HEADER = 1 << 20
_MOST_CHUNKS = 50_000
"""A volume of 1024³ voxels in chunks of 32³ has 32,768. Each takes some time, be it there or not."""
_CODECS = {"bytes", "transpose", "blosc", "gzip", "zstd", "zlib", "lz4", "crc32c", "sharding_indexed"}


def read_ome_zarr(path: Path) -> LabelVolume:
    """Read a label image at its full resolution.

    Parameters
    ----------
    path : Path
        The folder of a label image, or of an image with one label image in its group ``labels``.

    Returns
    -------
    LabelVolume
        Names and colours are those of ``image-label``. The grid: `ome_zarr_grid.grid_of`.

    Raises
    ------
    InputError
        There is no such image, its voxels are no integers or stored in an unusual way or in more than 50,000
        chunks, or it is not 3-D.
        Without the folder's name, which the caller adds.
    ResourceError
        The volume is larger than the memory available.
    MissingExtraError
        The extra "zarr" is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(
            "OME-Zarr needs zarr, which is not installed: pip install 'napari-shapereg[zarr]'"
        ) from error
    folder, attributes = _label_image(path)
    try:
        multiscale = attributes["multiscales"][0]
        dataset = multiscale["datasets"][0]
        place = _inside(folder, str(dataset["path"]))
        shape = _checked_shape(place)
        axes, grid = grid_of(multiscale, dataset, shape)
        data = _voxels(zarr.open_array(store=str(place), mode="r"))
    except ShapeRegError:
        raise
    except Exception as error:
        # zarr and its codecs raise of everything; metadata may be of any shape.
        raise InputError(f"is damaged or no OME-Zarr label image ({reason(error)})") from error
    names, colors = _segments(attributes.get("image-label"))
    return LabelVolume(_as_zyx(data, axes), grid, names, colors, path)


def _label_image(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the attributes of the one label image at a path."""
    attributes = _attributes(path)
    listed = path / "labels"
    if "image-label" in attributes or not listed.is_dir():
        if "multiscales" not in attributes:
            raise InputError("holds no OME-Zarr image: there are no multiscales in its attributes")
        return path, attributes
    names = _attributes(listed).get("labels")
    if not isinstance(names, list) or len(names) != 1:
        raise InputError(
            f"holds the label images {names}; give the folder of one, such as labels/{_first(names)}"
        )
    folder = _inside(listed, str(names[0]))
    return folder, _attributes(folder)


def _first(names: object) -> str:
    return str(names[0]) if isinstance(names, list) and names else "NAME"


def _inside(folder: Path, name: str) -> Path:
    """Return a path below a folder, or refuse one that leaves it."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name:
        raise InputError(f"names a place outside its own folder: {name!r}")
    place = folder / parts
    if not place.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"names a place outside its own folder: {name!r}")
    return place


def _attributes(folder: Path) -> dict[str, Any]:
    """Return the OME attributes of a group, of either version."""
    header = _json(folder / "zarr.json")
    if not header:
        return _json(folder / ".zattrs")
    return _mapping(_mapping(header.get("attributes")).get("ome"))


def _mapping(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _json(path: Path) -> dict[str, Any]:
    """Return a small JSON object; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    if path.stat().st_size > _LARGEST_HEADER:
        raise InputError(f"{path.name} has {path.stat().st_size} bytes, more than any header needs")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is damaged ({reason(error)})") from error
    return _mapping(values)


def _checked_shape(place: Path) -> tuple[int, ...]:
    """Return the shape of an array whose header asks for nothing but plain decompression and memory."""
    header = _json(place / "zarr.json") or _json(place / ".zarray")
    if not header:
        raise InputError(f"there is no array at {place.name}: neither zarr.json nor .zarray")
    newer = "data_type" in header
    kind = np.dtype(str(header["data_type"] if newer else header["dtype"])).kind
    if kind not in "iub":
        raise InputError(
            f"voxels are {header.get('data_type', header.get('dtype'))}, and labels are integers"
        )
    unknown = _codec_names(header) - _CODECS
    if unknown:
        raise InputError(f"voxels are stored with {', '.join(sorted(unknown))}; use one of {sorted(_CODECS)}")
    shape = tuple(int(count) for count in header["shape"])
    chunk = header["chunk_grid"]["configuration"]["chunk_shape"] if newer else header["chunks"]
    if min(shape, default=0) < 1:
        raise InputError(f"has no voxels: its shape is {shape}")
    require_memory(9 * (math.prod(shape) + math.prod(map(int, chunk))), f"reading {shape} voxels")
    return shape


def _voxels(array: zarr.Array[Any]) -> NDArray[Any]:
    """Read an array chunk by chunk: zarr leaves those behind that wait when another one turns out damaged."""
    starts = [range(0, count, step) for count, step in zip(array.shape, array.chunks, strict=True)]
    chunks = math.prod(map(len, starts))
    if chunks > _MOST_CHUNKS:
        raise InputError(f"has {chunks} chunks; store it in larger ones, {_MOST_CHUNKS} at the most")
    data = np.empty(array.shape, array.dtype)
    for start in product(*starts):
        box = tuple(slice(first, first + step) for first, step in zip(start, array.chunks, strict=True))
        data[box] = array[box]
    return data


def _codec_names(header: dict[str, Any]) -> set[str]:
    """Return the names of all that happens to the bytes of an array, inside shards too."""
    used = [header.get("compressor"), *(header.get("filters") or []), *(header.get("codecs") or [])]
    found = set()
    for codec in filter(None, used):
        found.add(str(codec.get("id") or codec.get("name")))
        inner = codec.get("configuration", {})
        for key in ("codecs", "index_codecs"):
            found |= _codec_names({"codecs": inner.get(key)})
    return found


def _as_zyx(data: NDArray[Any], axes: tuple[str, ...]) -> NDArray[Any]:
    """Drop time and channel, of which there is one each, and order the rest."""
    kept = [axis for axis in axes if axis in "zyx"]
    flat = data.reshape([count for axis, count in zip(axes, data.shape, strict=True) if axis in "zyx"])
    return np.ascontiguousarray(flat.transpose([kept.index(axis) for axis in "zyx"]))


def _segments(stated: object) -> tuple[dict[int, str], dict[int, tuple[float, float, float]]]:
    """Return names and colours; whatever is odd in them is left out."""
    names: dict[int, str] = {}
    colors: dict[int, tuple[float, float, float]] = {}
    for row in _rows(_mapping(stated).get("properties")):
        if isinstance(row.get("name"), str):
            names[row["label-value"]] = row["name"]
    for row in _rows(_mapping(stated).get("colors")):
        rgba = row.get("rgba")
        if isinstance(rgba, list) and len(rgba) in (3, 4) and all(isinstance(v, int) for v in rgba):
            red, green, blue = (min(max(value, 0), 255) / 255 for value in rgba[:3])
            colors[row["label-value"]] = (red, green, blue)
    return names, colors


def _rows(stated: object) -> list[dict[str, Any]]:
    rows = stated if isinstance(stated, list) else []
    return [row for row in rows if isinstance(row, dict) and type(row.get("label-value")) is int]
