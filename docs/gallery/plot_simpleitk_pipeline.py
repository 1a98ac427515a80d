"""
A step of a SimpleITK pipeline
==============================

Images in, a SimpleITK transform out: this script reads two label maps with SimpleITK, registers them, carries
an intensity image and a landmark along, and measures the result. Only registering and the Jacobian are of
this package.

**Choose** nothing at first: the preset decides, and the energy distance starts the registration from any
distance. ``fast`` is for a look; the default, ``balanced``, is for results.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

import napari_shapereg as sr
from napari_shapereg.volumes import sample_path

SOURCE, TARGET = "#D55E00", "#56B4E9"

# %%
# Read
# ----
#
# Two of the knees that travel with the package, on grids that differ in size, spacing and direction. Their
# intensity image is made up here: what matters is that it lies where the moving labels lie.

moving = sitk.ReadImage(sample_path("knee_a.nii.gz"))
fixed = sitk.ReadImage(sample_path("knee_b.nii.gz"))

cartilage = sitk.Cast(moving > 0, sitk.sitkFloat32)
noise = sitk.AdditiveGaussianNoise(40 + 110 * cartilage, standardDeviation=12, seed=1)
intensities = sitk.SmoothingRecursiveGaussian(noise, sigma=0.6)

# %%
# Register
# --------
#
# ``register`` takes SimpleITK images, paths or ``LabelVolume`` objects.

result = sr.register(moving, fixed, preset="fast")
print(f"{result.status.name} after {result.metrics['steps']} steps")

# %%
# Resample
# --------
#
# ``result.transform`` maps *fixed points to moving points*: it is what ``Resample`` takes, for labels and for
# intensities.

warped_labels = sitk.Resample(moving, fixed, result.transform, sitk.sitkNearestNeighbor)
warped_intensities = sitk.Resample(intensities, fixed, result.transform, sitk.sitkLinear, 40.0)

# %%
# A point goes the other way. ``result.inverse_transform`` maps *moving points to fixed points*.

statistics = sitk.LabelShapeStatisticsImageFilter()
statistics.Execute(moving)
landmark = statistics.GetCentroid(2)
carried = result.inverse_transform.TransformPoint(landmark)
print("tibial cartilage, centre:", [round(x, 1) for x in landmark], "mm")
print("carried to the fixed knee:", [round(x, 1) for x in carried], "mm")

# %%
# Measure
# -------
#
# **Look at** the Dice coefficients before and after, and at the smallest Jacobian determinant: above 0, the
# map folds nothing.

before = sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkNearestNeighbor)
overlap = sitk.LabelOverlapMeasuresImageFilter()
for name, labels in (("before", before), ("after", warped_labels)):
    overlap.Execute(fixed, labels)
    femoral, tibial = overlap.GetDiceCoefficient(1), overlap.GetDiceCoefficient(2)
    print(f"{name}: Dice {femoral:.3f} (femoral), {tibial:.3f} (tibial)")

# %%
# SimpleITK's filter for the Jacobian determinant takes derivatives along the axes of the array, which is
# right only where these are the axes of space. Here they are not, as in most medical images: take
# ``regularity``, which looks along the physical axes.

jacobian = sr.regularity(result.transform, sr.ImageGrid.from_image(fixed))
print(f"Jacobian determinant: {jacobian.minimum:.3f} at least, {jacobian.maximum:.2f} at most")
print(f"folded: {jacobian.fraction_folded:.2%} of the voxels")

# %%
# **Look at** the outlines in one slice of the fixed image: the carried intensities, with the fixed labels in
# blue and the carried labels in orange. Before, the moving knee lies elsewhere, and this slice misses it.

slices = sitk.GetArrayViewFromImage(fixed)
middle = int(np.argmax((slices == 2).sum(axis=(1, 2))))
width, height = (size * step for size, step in zip(fixed.GetSize()[:2], fixed.GetSpacing()[:2], strict=True))
figure, panels = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
pictures = (
    ("before", sitk.Resample(intensities, fixed, sitk.Transform(), sitk.sitkLinear, 40.0), before),
    ("after", warped_intensities, warped_labels),
)
for panel, (name, picture, labels) in zip(panels, pictures, strict=True):
    where = {"extent": (0, width, height, 0)}
    panel.imshow(sitk.GetArrayViewFromImage(picture)[middle], cmap="gray", vmin=0, vmax=170, **where)
    for image, colour in ((fixed, TARGET), (labels, SOURCE)):
        outline = sitk.GetArrayViewFromImage(image)[middle] > 0
        panel.contour(outline, levels=[0.5], colors=colour, linewidths=1, origin="upper", **where)
    panel.set(title=name, xlabel="along the rows (mm)")
panels[0].set_ylabel("along the columns (mm)")
plt.show()

# %%
# Keep
# ----
#
# ``result.save("out")`` writes both transforms, the warped labels and the metrics, as ``shapereg register``
# does. The next step of the pipeline gets the transform by ``sitk.ReadTransform("out/fixed_to_moving.h5")``.
