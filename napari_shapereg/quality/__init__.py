"""How good a registration is: agreement of labels, regularity of the map and of its inverse, the report."""

from __future__ import annotations

from napari_shapereg.quality.agreement import LabelAgreement, label_agreement
from napari_shapereg.quality.concerns import concerns
from napari_shapereg.quality.consistency import InverseConsistency, inverse_consistency
from napari_shapereg.quality.jacobian_image import write_jacobian
from napari_shapereg.quality.jacobians import jacobian_determinants
from napari_shapereg.quality.landmarks import LandmarkErrors, target_registration_error
from napari_shapereg.quality.metrics import Metrics
from napari_shapereg.quality.orientation import Orientation, orientation
from napari_shapereg.quality.regularity import Regularity, regularity

__all__ = [
    "InverseConsistency",
    "LabelAgreement",
    "LandmarkErrors",
    "Metrics",
    "Orientation",
    "Regularity",
    "concerns",
    "inverse_consistency",
    "jacobian_determinants",
    "label_agreement",
    "orientation",
    "regularity",
    "target_registration_error",
    "write_jacobian",
]
