"""The Python packages that tests/install put into .tools/venv, for the suites that the system's
Python runs. Importing this makes them importable."""

import site
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
    site.addsitedir(str(ROOT / ".tools/venv/lib" / version / "site-packages"))


find()
