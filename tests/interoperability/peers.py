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


# ------------------------------------------------------------------------------------------------ FSL


def fsl_points(warp, moving, fixed, points):
    """Return where a relative warp carries voxel centres of the fixed image, (N, 3), RAS mm in and out."""
    from fsl.data.image import Image
    from fsl.transform.fnirt import readFnirt

    field = readFnirt(str(warp), src=Image(str(moving)), ref=Image(str(fixed)), defType="relative")
    return field.transform(points, from_="world", to="world")


def fsl_warp(moving, fixed, images, path):
    """Write a warp that carries the voxel centres of the fixed image to `images`, (x, y, z, 3), RAS mm."""
    from fsl.data.image import Image
    from fsl.transform.nonlinear import DeformationField, convertDeformationSpace

    source, reference = Image(str(moving)), Image(str(fixed))
    whole = DeformationField(
        images,
        source,
        reference,
        xform=reference.voxToWorldMat,
        srcSpace="world",
        refSpace="world",
        defType="absolute",
    )
    absolute = convertDeformationSpace(whole, from_="fsl", to="fsl")
    # Relative displacements are what is left of absolute ones without the coordinates of the voxels.
    voxels = np.moveaxis(np.indices(reference.shape), 0, -1).reshape(-1, 3)
    from fsl.transform.affine import transform

    here = transform(voxels, reference.getAffine("voxel", "fsl")).reshape(*reference.shape, 3)
    relative = DeformationField(
        absolute.data - here,
        source,
        reference,
        xform=reference.voxToWorldMat,
        srcSpace="fsl",
        refSpace="fsl",
        defType="relative",
    )
    relative.save(str(path))


def flirt_matrix(matrix, moving, fixed, path):
    """Write a (4, 4) matrix from moving to fixed points, RAS mm, as FLIRT does."""
    from fsl.data.image import Image
    from fsl.transform.flirt import toFlirt, writeFlirt

    writeFlirt(toFlirt(matrix, Image(str(moving)), Image(str(fixed)), "world", "world"), str(path))


# -------------------------------------------------------------------------------------------------------- VTK


def vtk_polydata(path):
    """Return points, polygons and the vectors ``displacement`` (or None) of a .vtk or .ply file."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkPLYReader() if path.suffix == ".ply" else vtk.vtkPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    mesh = reader.GetOutput()
    vectors = mesh.GetPointData().GetVectors("displacement")
    return (
        vtk_to_numpy(mesh.GetPoints().GetData()),
        vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3),
        None if vectors is None else vtk_to_numpy(vectors),
    )


def vtk_sphere(path, version):
    """Write a sphere as VTK itself does, binary; return its points and triangles."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(10.0, -20.0, 30.0)
    sphere.Update()
    if path.suffix == ".ply":
        writer = vtk.vtkPLYWriter()
    else:
        writer = vtk.vtkPolyDataWriter()
        writer.SetFileVersion(version)
    writer.SetInputConnection(sphere.GetOutputPort())
    writer.SetFileName(str(path))
    writer.SetFileTypeToBinary()
    writer.Write()
    mesh = sphere.GetOutput()
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return vtk_to_numpy(mesh.GetPoints().GetData()), triangles


def meshio_columns(path):
    """Return the data on the points of a mesh, by name, as meshio reads it."""
    import meshio

    return dict(meshio.read(str(path)).point_data)
