from __future__ import annotations

import os

import pytest

from napari_shapereg.errors import ResourceError
from napari_shapereg.volumes import memory


def test_available_memory_is_a_part_of_the_machine():
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 << 26 < memory.available_memory() <= physical


def test_a_container_limits_what_is_available(monkeypatch):
    monkeypatch.setattr(memory.platform, "system", lambda: "Linux")
    monkeypatch.setattr(memory, "_from_meminfo", lambda: 8_000)
    monkeypatch.setattr(memory, "_from_control_group", lambda: 3_000)
    assert memory.available_memory() == 3_000
    monkeypatch.setattr(memory, "_from_control_group", lambda: None)
    assert memory.available_memory() == 8_000


def test_control_group_leaves_what_is_not_used_or_only_cached(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    assert memory._from_control_group() is None
    (tmp_path / "memory.current").write_text("1500\n")
    (tmp_path / "memory.stat").write_text("anon 900\nfile 600\ninactive_file 400\nactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._from_control_group() is None
    (tmp_path / "memory.max").write_text("4000\n")
    assert memory._from_control_group() == 4000 - 1500 + 500


def test_other_systems_know_their_physical_memory(monkeypatch):
    monkeypatch.setattr(memory.platform, "system", lambda: "Darwin")
    assert memory.available_memory() > 1 << 26


def test_too_much_is_refused_with_both_amounts(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 << 30)
    memory.require_memory(3 << 30, "this")
    with pytest.raises(
        ResourceError, match=r"this needs 4\.0 GiB of memory, 3\.0 GiB are available: .*downsample"
    ):
        memory.require_memory(4 << 30, "this")
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    memory.require_memory(1 << 60, "where nobody can say")
