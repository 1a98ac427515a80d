from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_shapereg.quality import (
    InverseConsistency,
    LabelAgreement,
    Metrics,
    Regularity,
    concerns,
    inverse_consistency,
    label_agreement,
    regularity,
)
from napari_shapereg.transforms import affine_transform

GOOD = LabelAgreement(0.9, 1.0, 1000.0, 1000.0, 0.1, 0.5, 1.5, (1.0, 2.0, 3.0))
POOR = LabelAgreement(0.2, 1.3, 1000.0, 1300.0, 5.0, 11.0, 20.0, (1.0, 2.0, 3.0))
GONE = LabelAgreement(0.0, 0.0, 1000.0, 0.0)
SMOOTH = Regularity(0.5, 2.0, {1: 0.6, 50: 1.0}, 0.0, 0.2, 100, (0.5, 0.55), (100,))


def test_metrics_are_strict_json(fixed, warped, smooth_map, affine):
    metrics = Metrics(
        before=label_agreement(fixed, warped),
        after=label_agreement(fixed, fixed),
        regularity=regularity(smooth_map, fixed.grid),
        inverse_consistency=inverse_consistency(affine, affine.GetInverse(), fixed),
        names=fixed.names,
        moving_volumes={2: 123.0},
    )
    back = json.loads(json.dumps(metrics.to_dict(), allow_nan=False))
    assert back == metrics.to_dict()
    assert list(back["labels"]) == ["2", "5"]
    assert back["labels"]["2"]["name"] == "core"
    assert back["labels"]["2"]["moving_volume"] == 123.0
    assert back["labels"]["2"]["after"]["dice"] == 1
    assert back["labels"]["2"]["before"]["dice"] == metrics.before[2].dice
    assert back["jacobian"]["minimum"] == metrics.regularity.minimum
    assert set(back["jacobian"]["percentiles"]) == {"1", "5", "50", "95", "99"}
    assert sum(back["jacobian"]["histogram"]["counts"]) == fixed.grid.voxels
    assert back["inverse_consistency"]["voxels"] == np.count_nonzero(fixed.data)


def test_what_was_not_measured_is_null():
    plain = Metrics(before={}, after={1: GONE}).to_dict()
    assert plain["jacobian"] is None
    assert plain["inverse_consistency"] is None
    assert plain["labels"]["1"]["before"] is None
    assert plain["labels"]["1"]["after"]["hd"] is None


def test_a_good_registration_raises_no_concern():
    good = Metrics(
        {1: POOR}, {1: GOOD}, SMOOTH, InverseConsistency(0.01, 0.02, 0.1, 50), moving_volumes={1: 950.0}
    )
    assert concerns(good) == []


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (
            Metrics({}, {2: POOR}, names={2: "tibial cartilage"}),
            "Label 2 (tibial cartilage) overlaps poorly: Dice 0.20.",
        ),
        (Metrics({}, {2: POOR}), "Label 2: five per cent of its contour lie more than 11.0 mm off."),
        (
            Metrics({2: GOOD}, {2: POOR}),
            "Label 2 agreed better before the registration: Dice 0.90, now 0.20.",
        ),
        (Metrics({}, {2: POOR}, moving_volumes={2: 992.0}), "Label 2 grew by 31 % in volume."),
        (Metrics({}, {2: GOOD}, moving_volumes={2: 1600.0}), "Label 2 shrank by 38 % in volume."),
        (Metrics({2: GOOD}, {2: GONE}), "Label 2 has no voxel left after the warp."),
        (Metrics({}, {2: replace(GONE, fixed_volume=0.0)}), "Label 2 is absent from the fixed volume."),
        (
            Metrics({}, {}, replace(SMOOTH, minimum=-0.5, fraction_folded=0.0123)),
            "The map folds at 1.2 % of the voxels (det J to -0.5) and cannot be inverted there.",
        ),
        (
            Metrics({}, {}, replace(SMOOTH, minimum=0.05)),
            "The map squeezes space to 0.05 of its volume at its worst voxel.",
        ),
        (
            Metrics({}, {}, replace(SMOOTH, maximum=12.0)),
            "The map stretches space to 12.0 times its volume at its worst voxel.",
        ),
        (
            Metrics({}, {}, None, InverseConsistency(0.1, 0.3, 0.9, 50)),
            "The two maps undo each other only to 0.90 mm at the worst labelled voxel.",
        ),
    ],
)
def test_a_concern_is_said_in_words(metrics, sentence):
    assert sentence in concerns(metrics)


def test_a_doubled_scale_is_a_concern(fixed):
    values = regularity(affine_transform(3 * np.eye(3), np.zeros(3)), fixed.grid)
    assert concerns(Metrics({}, {}, values)) == [
        "The map stretches space to 27.0 times its volume at its worst voxel."
    ]
