"""Settings of every shape: a settings object, or one line that says what is wrong."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings, strategies as st

from napari_shapereg.errors import InputError
from napari_shapereg.registration import RegistrationSettings
from tests.fuzz.conftest import CASES

NAMES = st.sampled_from(sorted(RegistrationSettings.model_fields)) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=max(100, CASES // 5), suppress_health_check=list(HealthCheck))
@given(content=st.dictionaries(NAMES, VALUES, max_size=5) | VALUES)
def test_any_json_is_settings_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        found = RegistrationSettings.read(path)
    except InputError as error:
        assert "any.json" in str(error)  # noqa: PT017
        return
    assert RegistrationSettings.model_validate_json(found.model_dump_json()) == found
