"""The Python packages that tests/install put into .tools/venv, for the suites that the system's
Python runs. Importing this makes them importable, before what the system has of the same name."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(*what):
    """Runs tests/install; quick when all is there."""
    subprocess.run([ROOT / "tests/install", *what], check=True)
    find()


def find():
    version = "python%d.%d" % sys.version_info[:2]
    packages = str(ROOT / ".tools/venv/lib" / version / "site-packages")
    if packages not in sys.path:
        sys.path.insert(1, packages)


find()
