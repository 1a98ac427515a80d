"""What other tools are asked to do, each in a process of its own: the ITK of one breaks that of another."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

# ------------------------------------------------------------------------------------------------------- ANTs


def ants_labels(moving, fixed, transforms):
    """Return what ``antsApplyTransforms -n NearestNeighbor`` makes of labels, (z, y, x)."""
    import ants

    images = [ants.image_read(str(path)) for path in (fixed, moving)]
    warped = ants.apply_transforms(*images, [str(path) for path in transforms], "nearestNeighbor")
    return warped.numpy().T


def ants_points(points, transforms):
    """Return what ``antsApplyTransformsToPoints`` makes of (N, 3) points, LPS mm."""
    import ants
    import pandas as pd

    table = pd.DataFrame(points, columns=["x", "y", "z"])
    moved = ants.apply_transforms_to_points(3, table, [str(path) for path in transforms])
    return moved[["x", "y", "z"]].to_numpy()


def ants_registration(moving, fixed, folder):
    """Return the files of a registration by SyN, in the order of ``antsApplyTransforms -t``."""
    import ants

    made = ants.registration(
        ants.image_read(str(fixed)),
        ants.image_read(str(moving)),
        "SyN",
        outprefix=f"{folder}/",
        aff_iterations=(40, 20, 0, 0),
        aff_sampling=8,
        reg_iterations=(20, 0),
        syn_metric="meansquares",
        random_seed=1,
    )
    return [Path(file) for file in made["fwdtransforms"]]


# ----------------------------------------------------------------------------------------------------- Greedy


def greedy(command):
    """Run the program; what it says comes back."""
    from picsl_greedy import Greedy3D

    said = io.StringIO()
    Greedy3D().execute(f"-threads 1 {command}", out=said, err=said)
    return said.getvalue()


# ---------------------------------------------------------------------------------------------------- elastix

NEAREST = {"ResampleInterpolator": ["FinalNearestNeighborInterpolator"]}


def transformix_displacement(moving, warp, grid):
    """Return what transformix makes of labels with a displacement field, (z, y, x)."""
    fields = {
        "Transform": ["DeformationFieldTransform"],
        "DeformationFieldFileName": [str(warp)],
        "DeformationFieldInterpolationOrder": ["1"],
        "NumberOfParameters": ["0"],
        "HowToCombineTransforms": ["Compose"],
        "InitialTransformParameterFileName": ["NoInitialTransform"],
        "FixedImageDimension": ["3"],
        "MovingImageDimension": ["3"],
        "FixedInternalImagePixelType": ["float"],
        "MovingInternalImagePixelType": ["float"],
        "Size": list(map(repr, grid.size)),
        "Index": ["0", "0", "0"],
        "Spacing": list(map(repr, grid.spacing)),
        "Origin": list(map(repr, grid.origin)),
        # elastix lists directions column by column.
        "Direction": list(map(repr, np.reshape(grid.direction, (3, 3)).T.ravel().tolist())),
        "UseDirectionCosines": ["true"],
        "Resampler": ["DefaultResampler"],
        "DefaultPixelValue": ["0"],
        "ResultImageFormat": ["nii"],
        "ResultImagePixelType": ["float"],
        **NEAREST,
    }
    return _transformix(moving, [fields])


def elastix_registration(moving, fixed, stages, folder):
    """Register in stages, each a kind of transform; return the labels after each, (z, y, x)."""
    import itk

    asked = itk.ParameterObject.New()
    for stage in stages:
        defaults = "bspline" if "BSpline" in stage else "affine"
        fields = dict(asked.GetDefaultParameterMap(defaults, 1, 15.0))
        fields["Metric"] = ["AdvancedMeanSquares", *fields["Metric"][1:]]
        fields.update(MaximumNumberOfIterations=["8"], NumberOfSpatialSamples=["500"], RandomSeed=["1"])
        fields["Transform"] = [stage]
        asked.AddParameterMap(fields)
    _, found = itk.elastix_registration_method(
        itk.imread(str(fixed), itk.F),
        itk.imread(str(moving), itk.F),
        parameter_object=asked,
        output_directory=str(folder),
        number_of_threads=1,
        log_to_console=False,
    )
    maps = [{**found.GetParameterMap(stage), **NEAREST} for stage in range(len(stages))]
    return [_transformix(moving, maps[: stage + 1]) for stage in range(len(stages))]


def _transformix(moving, maps):
    import itk

    parameters = itk.ParameterObject.New()
    for fields in maps:
        parameters.AddParameterMap(fields)
    image = itk.imread(str(moving), itk.F)
    return itk.array_from_image(itk.transformix_filter(image, parameters)).copy()
