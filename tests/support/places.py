"""The folders of the repository that tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
COFFEE = EXAMPLES / "coffee.jpg"
CHELSEA = EXAMPLES / "chelsea.jpg"
