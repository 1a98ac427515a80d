"""One other program registers two label volumes. Run by bench_peers.py, in an environment of the peers' own.

    python one_peer.py METHOD MOVING FIXED FOLDER

Where FOLDER holds start.mat, an affine map for ITK, and start_greedy.mat, the same for Greedy, these start
from there, else from a start of their own. Writes the names of the files of the transform into files.json, in
the order of `antsApplyTransforms -t`: the first one listed is applied last.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def ants_syn(moving, fixed, folder, kind="antsRegistrationSyN[so]"):
    """Register labels by SyN: mean squares of one image per label, ANTs' own recipe for label images."""
    import ants

    start = folder / "start.mat"
    images = ants.image_read(fixed), ants.image_read(moving)
    if not start.exists():
        # From centres of mass; ANTs' own start from the centres of labels takes three labels at least.
        shapes = (ants.threshold_image(image, 1) for image in images)
        made = ants.registration(*shapes, "Affine", aff_metric="meansquares", outprefix=f"{folder}/start_")
        start = made["fwdtransforms"][0]
    made = ants.label_image_registration(
        *images,
        initial_transforms=[str(start)],
        type_of_deformable_transform=kind,
        output_prefix=f"{folder}/",
    )
    return made["fwdtransforms"]


def ants_synquick(moving, fixed, folder):
    """Register labels by SyN at half the resolution."""
    return ants_syn(moving, fixed, folder, "antsRegistrationSyNQuick[so]")


def greedy(moving, fixed, folder):
    """Register one image per label by greedy diffeomorphic steps."""
    from picsl_greedy import Greedy3D

    warp, start = folder / "warp.nii.gz", folder / "start_greedy.mat"
    pairs = zip(_masks(fixed, folder, "fixed"), _masks(moving, folder, "moving"), strict=True)
    inputs = " ".join(f"-i {one} {other}" for one, other in pairs)
    program = Greedy3D()
    if not start.exists():
        moments = folder / "moments.mat"
        program.execute(f"-threads 2 -m SSD -moments 2 {inputs} -o {moments}")
        program.execute(f"-threads 2 -m SSD -a -dof 12 {inputs} -ia {moments} -n 100x50x10 -o {start}")
    program.execute(f"-threads 2 -m SSD {inputs} -it {start} -n 100x100x50 -o {warp} -wp 0")
    return [warp, start]


def elastix(moving, fixed, folder):
    """Register by elastix' own start from moments, its affine and its B-spline."""
    import itk

    chosen = itk.ParameterObject.New()
    for kind in ("affine", "bspline"):
        settings = chosen.GetDefaultParameterMap(kind, 4)
        settings["Metric"] = ["AdvancedMeanSquares", *settings["Metric"][1:]]
        settings["AutomaticTransformInitialization"] = ["true"]
        settings["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
        settings["NumberOfSpatialSamples"] = ["5000"]
        chosen.AddParameterMap(settings)
    volumes = [itk.imread(path, itk.F) for path in (fixed, moving)]
    itk.elastix_registration_method(
        *volumes, parameter_object=chosen, log_to_console=False, output_directory=str(folder)
    )
    return [folder / "TransformParameters.1.txt"]


def _masks(volume, folder, name):
    import numpy as np
    import SimpleITK as sitk

    image = sitk.ReadImage(volume)
    for label in np.unique(sitk.GetArrayViewFromImage(image))[1:].tolist():
        path = folder / f"{name}_{label}.nii.gz"
        sitk.WriteImage(sitk.Cast(image == label, sitk.sitkFloat32), path)
        yield path


if __name__ == "__main__":
    method, moving, fixed, folder = sys.argv[1:]
    files = globals()[method](moving, fixed, Path(folder))
    (Path(folder) / "files.json").write_text(json.dumps([str(file) for file in files]))
