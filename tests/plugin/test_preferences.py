from __future__ import annotations

import pytest
from napari.settings import get_plugin_settings

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import preferences as module
from napari_shapereg.plugin.preferences import PLUGIN, Preferences, preferences
from napari_shapereg.registration import RegistrationSettings


@pytest.fixture
def page(plugin_settings, shapereg):
    """What napari's Preferences dialog edits."""
    return get_plugin_settings(PLUGIN)


def test_the_page_and_the_object_agree_on_every_default(page):
    assert preferences() == Preferences()


def test_what_is_set_in_the_dialog_is_what_is_read(page):
    page.registration.preset = "fast"
    page.registration.engine = "torch"
    page.registration.device = "cpu"
    page.display.max_arrows = 500

    assert preferences() == Preferences(preset="fast", engine="torch", device="cpu", max_arrows=500)


@pytest.mark.parametrize("field", ["preset", "engine", "device"])
def test_the_page_offers_what_a_registration_takes(page, field):
    offered = type(page.registration).model_json_schema()["properties"][field]["enum"]

    for value in offered:
        settings = (
            RegistrationSettings.preset(value)
            if field == "preset"
            else RegistrationSettings().changed(**{field: value})
        )
        assert settings
        assert Preferences(**{field: value})


def test_a_script_without_the_plugin_gets_the_defaults(plugin_settings):
    assert preferences() == Preferences()


def test_an_impossible_value_names_itself_and_the_remedy(monkeypatch):
    class Settings:
        class Page:
            def __init__(self, **values):
                self.model_dump = lambda: values

        registration = Page(preset="slow")
        display = Page(max_arrows=0)

    monkeypatch.setattr(module, "get_plugin_settings", lambda plugin: Settings)

    with pytest.raises(InputError, match=r"preset = 'slow', max_arrows = 0; correct them under File"):
        preferences()
