"""The examples in docstrings are true."""

import doctest
from importlib import import_module

import pytest

from tests.conftest import ROOT

PATHS = [path for path in sorted((ROOT / "emojisummary").rglob("*.py")) if ">>>" in path.read_text()]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(import_module(name)).failed == 0
