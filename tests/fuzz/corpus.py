"""Small files of every format that is read, and who reads it."""

from __future__ import annotations

import h5py
import numpy as np

from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.transforms import (
    Cells,
    PointSet,
    affine_transform,
    chain,
    displacement_transform,
    read_fsl,
    read_points,
    read_transform,
    write_displacement,
    write_fsl,
    write_matrix,
    write_points,
    write_transform,
)
from napari_shapereg.volumes import ImageGrid, LabelVolume, read_labels, write_labels

GRID = ImageGrid((5, 4, 3), (1.0, 1.5, 2.0), (10.0, -20.0, 30.0), (0, 1, 0, 1, 0, 0, 0, 0, -1))
ELASTIX = """(Transform "BSplineTransform")
(GridSize 4 4 4)
(GridOrigin 0 0 0)
(GridSpacing 5 5 5)
(GridDirection 1 0 0 0 1 0 0 0 1)
(TransformParameters {numbers})
(InitialTransformParameterFileName "NoInitialTransform")
"""
FCSV = """# Markups fiducial file version = 4.11
# CoordinateSystem = RAS
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,12.5,-3,40.25,0,0,0,1,1,1,0,medial,,
"""


def read_fsl_on_grid(path):
    return read_fsl(path, GRID, GRID)


def packed(path):
    """Compress the numbers of a transform file, as 3D Slicer does."""
    with h5py.File(path, "a") as file:
        group = file["TransformGroup/0"]
        values = group["TransformParameters"][()]
        del group["TransformParameters"]
        group.create_dataset("TransformParameters", data=values, compression="gzip")
    return path


def corpus(folder):
    """Write the files; return the reader of each, by its path."""
    random = np.random.default_rng(0)
    labels = LabelVolume(random.integers(0, 3, GRID.shape).astype(np.uint8), GRID, {1: "a"}, {1: (1, 0, 0)})
    field = displacement_transform(random.normal(size=(*GRID.shape, 3)), GRID)
    affine = affine_transform(np.eye(3) * 2, [1, 2, 3])
    triangles = Cells("polygons", np.array([3, 3]), np.arange(6))
    mesh = PointSet(random.normal(size=(6, 3)), (triangles,))
    named = PointSet(mesh.points, columns={"label": tuple("abcdef")})
    (folder / "elastix.txt").write_text(ELASTIX.format(numbers=" ".join(["0.5"] * 192)))
    (folder / "old.fcsv").write_text(FCSV)
    (folder / "settings.json").write_text(RegistrationSettings().model_dump_json(indent=1))
    images = [
        write_labels(labels, folder / f"labels{ending}")
        for ending in (".nii", ".nii.gz", ".nrrd", ".seg.nrrd", ".mha")
    ]
    transforms = [
        *(
            write_displacement(field, GRID, folder / f"field{end}")
            for end in (".nii", ".nii.gz", ".nrrd", ".mha")
        ),
        write_transform(chain(field, affine), folder / "chain.tfm"),
        write_transform(chain(field, affine), folder / "chain.h5"),
        packed(write_transform(field, folder / "packed.h5")),
        write_transform(affine, folder / "affine.mat"),
        write_matrix(affine, folder / "ras.mat"),
        folder / "elastix.txt",
    ]
    points = [
        *(write_points(mesh, folder / f"mesh{ending}") for ending in (".vtk", ".ply")),
        *(write_points(named, folder / f"points{ending}") for ending in (".csv", ".mrk.json")),
        folder / "old.fcsv",
    ]
    return (
        dict.fromkeys(images, read_labels)
        | dict.fromkeys(transforms, read_transform)
        | dict.fromkeys(points, read_points)
        | {write_fsl(field, folder / "warp.nii", GRID, GRID): read_fsl_on_grid}
        | {folder / "settings.json": RegistrationSettings.read}
    )
