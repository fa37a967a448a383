"""Lets the tests of this folder import the run documents they are built from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
