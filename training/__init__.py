"""Training and measuring of the models. Needs the extra ``train``."""

from pathlib import Path
from typing import Final

#: The settings of runs, as TOML.
CONFIGS: Final = Path(__file__).resolve().parent / "configs"
