from __future__ import annotations

import threading
import time

import pytest

from napari_shapereg.registration import Registration, RegistrationSettings, Status
from napari_shapereg.registration.cancellation import Cancelled, checkpoint, stopping_when
from napari_shapereg.volumes import sample_pair
from tests.registration.conftest import make_pair

PROMPT = 1.0
"""Seconds from the wish to the end."""


@pytest.fixture(scope="module")
def knees():
    """A pair of some seconds, for which everything is compiled: compilers cannot be stopped."""
    for _ in Registration(*make_pair(), RegistrationSettings(pitch=3.0, max_steps=2)):
        pass
    return sample_pair("knees")


@pytest.mark.parametrize(("points", "moment"), [(1500, 0.0), (1500, 0.3), (1500, 1.5), (20_000, 0.3)])
def test_a_run_ends_within_a_second_wherever_it_is(knees, points, moment):
    """In the preparation, in the flow, and (where points are many) in a linear fit of two seconds."""
    settings = RegistrationSettings.preset("accurate").changed(measures={"points": points})
    run = Registration(*knees, settings)
    ended = []

    def work():
        for _ in run:
            pass
        ended.append(time.perf_counter())

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(moment)
    asked = time.perf_counter()
    run.cancel()
    worker.join(timeout=60)
    assert ended[0] - asked < PROMPT
    assert run.result().status is Status.CANCELLED
    assert next(run, None) is None


def test_checkpoints_stop_only_whom_somebody_asked():
    checkpoint()
    asked = []
    with stopping_when(lambda: bool(asked)):
        checkpoint()
        asked.append(True)
        with pytest.raises(Cancelled):
            checkpoint()
        beside = threading.Thread(target=checkpoint)
        beside.start()
        beside.join()
    checkpoint()
