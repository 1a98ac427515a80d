"""`shapereg convert`: write a transform in the form that another tool takes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_shapereg.cli.directions import FIXED_TO_MOVING, MOVING_TO_FIXED, fixed_image_of, transform_file
from napari_shapereg.cli.options import Quiet, require_place
from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from napari_shapereg.volumes import ImageGrid

_CHAINS = (".h5", ".hdf5", ".tfm", ".txt")


class Convention(StrEnum):
    """Whose coordinates a file is written in."""

    ITK = "itk"
    RAS = "ras"
    FSL = "fsl"


def convert(  # noqa: PLR0913 - one for each option
    transform: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRANSFORM",
            help="A folder that `register` wrote, or files; the first one is applied to the points first.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    *,
    source: Annotated[
        Convention | None,
        typer.Option(
            "--from", help="fsl: files of FLIRT or FNIRT. Others are recognised.", show_default=False
        ),
    ] = None,
    target: Annotated[
        Convention,
        typer.Option(
            "--to",
            help=(
                "itk: LPS, for ITK, ANTs, elastix, Greedy and 3D Slicer. ras: a NIfTI file of RAS "
                "displacements, or a .mat matrix for Greedy and c3d. fsl: a relative warp for applywarp."
            ),
        ),
    ] = Convention.ITK,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="FIXED",
            help="The fixed image, on whose grid displacements are written. Default: that of the folder.",
            show_default=False,
        ),
    ] = None,
    moving: Annotated[
        Path | None,
        typer.Option(
            metavar="MOVING",
            help="The moving image, for FSL's files and for displacements of moving points.",
            show_default=False,
        ),
    ] = None,
    bids: Annotated[
        str | None,
        typer.Option(
            metavar="sub-..._from-MOVING_to-FIXED",
            help=(
                "Write both maps of a folder that `register` wrote, as "
                "..._from-MOVING_to-FIXED_mode-image_xfm.h5 and the other way round, into the folder FILE."
            ),
            show_default=False,
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Of a folder, take the map from moving to fixed points.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a transform in the form that another tool takes.

    The ending of FILE says the form: .h5, .tfm or .txt hold chains exactly, .mat a linear map, .nii.gz, .nrrd
    or .mha displacements at every voxel of the image whose points the map takes: the fixed one, or with
    --inverse the moving one.
    """
    if bids is not None:
        _write_bids(transform, output, bids, quiet=quiet)
        return
    require_place(output)
    if inverse and not transform[0].is_dir():
        raise InputError(
            f"{transform[0]}: --inverse takes a folder that `register` wrote; give the other file"
        )
    direction = MOVING_TO_FIXED if inverse else FIXED_TO_MOVING
    files = [transform_file(path, direction, "images") if path.is_dir() else path for path in transform]

    from napari_shapereg.volumes.images import read_grid

    chosen = reference or fixed_image_of(transform[0])
    fixed = read_grid(chosen) if chosen else None
    beside = read_grid(moving) if moving else None
    mapped = _read(files, source, fixed, beside)
    if files[0].name.startswith(MOVING_TO_FIXED):
        _write(mapped, output, target, Images(beside, fixed, "--moving with the moving image"))
    else:
        _write(mapped, output, target, Images(fixed, beside, "--reference with the fixed image"))
    if not quiet:
        typer.echo(f"wrote {output}")


def _read(
    files: list[Path], source: Convention | None, fixed: ImageGrid | None, moving: ImageGrid | None
) -> sitk.Transform:
    from napari_shapereg.transforms import chain, read_fsl, read_transform

    if source is Convention.FSL:
        maps = [read_fsl(path, *_both(fixed, moving)) for path in files]
    else:
        maps = [read_transform(path) for path in files]
    return maps[0] if len(maps) == 1 else chain(*maps)


class Images(NamedTuple):
    """The grids between which a map goes.

    Parameters
    ----------
    start : ImageGrid, optional
        Of the image whose points the map takes.
    end : ImageGrid, optional
    start_option : str
        Which option gives the first one, where it is missing.
    """

    start: ImageGrid | None
    end: ImageGrid | None
    start_option: str


def _write(mapped: sitk.Transform, output: Path, target: Convention, images: Images) -> None:
    from napari_shapereg.transforms import write_displacement, write_fsl, write_matrix, write_transform

    name = output.name.lower()
    if target is Convention.FSL:
        write_fsl(mapped, output, *_both(images.start, images.end))
    elif name.endswith(".mat") and target is Convention.RAS:
        write_matrix(mapped, output)
    elif name.endswith((*_CHAINS, ".mat")):
        if target is Convention.RAS:
            raise InputError(f"{output}: --to ras is for .nii, .nii.gz and .mat files; ITK's are LPS")
        write_transform(mapped, output)
    elif images.start is None:
        raise InputError(f"{output}: displacements need a grid to lie on: add {images.start_option}")
    else:
        write_displacement(mapped, images.start, output, frame="RAS" if target is Convention.RAS else "LPS")


def _both(one: ImageGrid | None, other: ImageGrid | None) -> tuple[ImageGrid, ImageGrid]:
    if one is None or other is None:
        raise InputError("FSL's files need both images: add --reference FIXED and --moving MOVING")
    return one, other


def _write_bids(given: list[Path], folder: Path, stem: str, *, quiet: bool) -> None:
    from napari_shapereg.transforms import read_transform, write_transform
    from napari_shapereg.transforms.bids import bids_names

    if len(given) != 1 or not given[0].is_dir():
        raise InputError("--bids takes one folder that `register` wrote")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; create it first")
    for direction, name in bids_names(stem)._asdict().items():
        write_transform(read_transform(transform_file(given[0], direction, "images")), folder / name)
        if not quiet:
            typer.echo(f"wrote {folder / name}")
