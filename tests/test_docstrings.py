"""The package's modules: each can be imported, and the examples in their docstrings are true."""

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

from tests.conftest import ROOT

PATHS = [path for path in sorted((ROOT / "emojisummary").rglob("*.py")) if ">>>" in path.read_text()]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(import_module(name)).failed == 0


def test_each_module_can_be_imported_first():
    """In one process, which forgets our own modules before each of them, but not the libraries."""
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "emojisummary").rglob("*.py")]
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    code = """
import sys
for name in sys.argv[1:]:
    for ours in [one for one in sys.modules if one.startswith("emojisummary")]:
        del sys.modules[ours]
    __import__(name)
"""
    done = subprocess.run([sys.executable, "-c", code, *names], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
