"""Which hosts the plug-ins accept, and what they say of others."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from neff.errors import ArgumentError, MissingExtraError
from neff.train.plugins import SUPPORTED, NeffConfig, UnsupportedVersionError
from neff.train.plugins import versions as module


@pytest.mark.parametrize(
    ("found", "fine"),
    [
        ("1.16.0", True), ("1.16", True), ("1.16.3.dev0", True), ("1.16.0rc1", True), ("1.15.9", False),
        ("1.17.0", False), ("1.17.0.dev0", False), ("1.2.0", False), ("2.0", False),
    ],
)  # fmt: skip
def test_the_range_is_that_of_the_extra(monkeypatch, found, fine):
    monkeypatch.setattr(module, "version", lambda _: found)
    if fine:
        assert module.check_version("trl") == found
    else:
        with pytest.raises(UnsupportedVersionError, match=rf"trl>=1.16,<1.17, and {found} is installed"):
            module.check_version("trl")


def test_a_missing_host_is_named_with_its_extra(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    with pytest.raises(MissingExtraError, match=r"neff\[verl\]"):
        module.check_version("verl")


def test_the_ranges_are_those_of_the_metadata():
    wanted = {r.replace(" ", "") for r in importlib.metadata.requires("neff")}
    for host, (low, high) in SUPPORTED.items():
        kinds = {f"{host}>={low},<{high}", f"{host}<{high},>={low}"}
        assert any(r.split(";")[0] in kinds for r in wanted), host


def test_no_host_is_imported_before_its_plug_in():
    code = (
        "import sys, neff.train, neff.train.plugins as p; p.NeffConfig, p.SUPPORTED, neff.train.NeffConfig;"
        "import neff.train.plugins.verl;"
        "print([m for m in ('trl', 'verl', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lr_reference": 55}, "lr_reference must be above 0 and at most 1"),
        ({"lr_reference": 0.0}, "lr_reference must be above 0"),
        ({"lr_floor": -0.1}, "lr_floor must be between 0 and 1"),
        ({"lr_floor": "0.1"}, "lr_floor must be one number"),
    ],
)
def test_numbers_of_the_config_are_refused_where_they_are_given_not_at_the_first_step(options, text):
    with pytest.raises(ArgumentError, match=text):
        NeffConfig(lr="sqrt", **options)
