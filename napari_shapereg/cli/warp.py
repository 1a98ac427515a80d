"""`shapereg warp`: carry labels, an image, points or a mesh through a transform."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_shapereg.cli.options import VECTOR_ENDINGS, Json, Quiet, require_place
from napari_shapereg.cli.tables import print_json
from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import SimpleITK as sitk

    from napari_shapereg.volumes import ImageGrid

POINT_ENDINGS = (".csv", ".fcsv", ".mrk.json", ".vtk", ".ply")
"""As `napari_shapereg.transforms.points_io` has them, which takes seconds to load."""


class Kind(StrEnum):
    """What a file holds."""

    AUTO = "auto"
    LABELS = "labels"
    IMAGE = "image"


class Interpolation(StrEnum):
    """Between the voxels of an intensity image."""

    LINEAR = "linear"
    NEAREST = "nearest"
    BSPLINE = "bspline"
    LANCZOS = "lanczos"


def warp(  # noqa: PLR0913 - one for each option
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Labels or an image (.nii.gz, .nrrd, .mha, ...), points (.csv, .mrk.json, .fcsv) or a mesh "
            "(.vtk, .ply).",
        ),
    ],
    transform: Annotated[
        list[Path],
        typer.Option(
            "--transform",
            "-t",
            metavar="FILE",
            help=(
                "The folder that `register` wrote, of which the right file is taken, or a file. Given "
                "several times, the first one is applied to the points first."
            ),
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    *,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="FIXED",
            help="Image whose grid the result gets. Default: the fixed grid of the registration's folder.",
            show_default=False,
        ),
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="INPUT lies in the fixed space and goes to the moving one.")
    ] = False,
    kind: Annotated[
        Kind,
        typer.Option(help="auto: labels where the image holds areas of equal whole numbers, else an image."),
    ] = Kind.AUTO,
    interpolation: Annotated[
        Interpolation, typer.Option(help="Of an intensity image. Labels take the nearest voxel.")
    ] = Interpolation.LINEAR,
    displacement: Annotated[
        bool,
        typer.Option(
            "--displacement",
            help="With each point of a .vtk, .ply or .csv file write the displacement that brought it there.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    r"""Carry an image, points or a mesh through a transform.

    From the moving to the fixed space:

    \b
    fixed_to_moving.h5   for labels and images: it says where each voxel of the result comes from
    moving_to_fixed.h5   for points and meshes: it says where each point goes

    Give the folder that `shapereg register` wrote and the right one is taken. Coordinates are LPS mm.
    """
    require_place(output)
    if displacement and not output.name.lower().endswith(VECTOR_ENDINGS):
        raise InputError(
            f"{output}: --displacement is for points in {', '.join(VECTOR_ENDINGS)} files; leave it out, or "
            "use `shapereg convert` for the displacements at the voxels of an image"
        )
    if source.name.lower().endswith(POINT_ENDINGS):
        what = _warp_points(source, transform, output, backward=backward, displacement=displacement)
    else:
        _check_image_output(output)
        mapped = _maps(transform, "an image", backward=backward)
        grid = _grid(reference, transform, backward=backward)
        what = _warp_image(source, mapped, grid, output, kind, interpolation)
    if json:
        print_json({"what": what, "file": str(output)})
    elif not quiet:
        typer.echo(f"wrote {output}: {what}")


def _maps(given: Sequence[Path], what: str, *, backward: bool) -> sitk.Transform:
    from napari_shapereg.cli.directions import needed_direction, transform_file
    from napari_shapereg.transforms import chain, read_transform

    needed = needed_direction(points=what != "an image", backward=backward)
    maps = [read_transform(transform_file(path, needed, what)) for path in given]
    return maps[0] if len(maps) == 1 else chain(*maps)


def _warp_points(
    source: Path, transform: Sequence[Path], output: Path, *, backward: bool, displacement: bool
) -> str:
    from napari_shapereg.transforms import read_points, transform_points, write_points
    from napari_shapereg.transforms.points_io import WRITE_ENDINGS
    from napari_shapereg.volumes.files import file_ending, naming

    with naming(output):
        file_ending(output, WRITE_ENDINGS)
    mapped = _maps(transform, "points", backward=backward)
    points = read_points(source)
    moved = points.moved(transform_points(mapped, points.points))
    if displacement:
        moved = replace(moved, vectors=moved.points - points.points)
    write_points(moved, output)
    return f"{len(points.points)} points"


def _check_image_output(output: Path) -> None:
    from napari_shapereg.volumes.files import file_ending, naming
    from napari_shapereg.volumes.images import IMAGE_IO

    with naming(output):
        file_ending(output, tuple(IMAGE_IO))


def _grid(reference: Path | None, transform: Sequence[Path], *, backward: bool) -> ImageGrid:
    from napari_shapereg.cli.directions import fixed_image_of
    from napari_shapereg.volumes.images import read_grid

    # The first map takes the points of the result, so its registration knows their grid.
    chosen = reference or (None if backward else fixed_image_of(transform[0]))
    if chosen is None:
        wanted = "the moving image" if backward else "the fixed image"
        raise InputError(f"an image needs a grid to lie on: add --reference with {wanted}")
    return read_grid(chosen)


def _warp_image(
    source: Path,
    mapped: sitk.Transform,
    grid: ImageGrid,
    output: Path,
    kind: Kind,
    interpolation: Interpolation,
) -> str:
    from napari_shapereg.transforms import resample_image, resample_labels
    from napari_shapereg.volumes import LabelVolume, write_labels
    from napari_shapereg.volumes.images import holds_labels, read_image, write_image
    from napari_shapereg.volumes.memory import require_memory

    image = read_image(source)
    require_memory(8 * grid.voxels, f"{output}: an image of {grid.size} voxels")
    if kind is Kind.LABELS or (kind is Kind.AUTO and holds_labels(image)):
        warped = resample_labels(LabelVolume.from_image(image, source=source), grid, mapped)
        _require_content(bool(warped.labels), source, grid)
        write_labels(warped, output)
        return f"{len(warped.labels)} labels, nearest neighbour (--kind image interpolates)"
    resampled = resample_image(image, grid, mapped, interpolator=interpolation.value)
    _require_content(_has_content(resampled), source, grid)
    write_image(resampled, output)
    return f"intensities, {interpolation.value} interpolation (--kind labels takes the nearest voxel)"


def _has_content(image: sitk.Image) -> bool:
    import SimpleITK as sitk

    return bool(sitk.GetArrayViewFromImage(image).any())


def _require_content(found: bool, source: Path, grid: ImageGrid) -> None:
    if found:
        return
    raise InputError(
        f"{source}: nothing of it lands on the grid of size {grid.size} around "
        f"{grid.corners().mean(axis=0).round(1).tolist()} mm; is this the right transform (images take "
        "fixed_to_moving.h5), in the right direction, with the right reference?"
    )
