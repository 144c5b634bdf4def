"""Read a CSV file with py-feat's own functions, with its image libraries replaced by stand-ins.

Run in a process of its own: ``python py_feat_reader.py FOLDER_OF_FEAT openface.csv pyfeat.csv``; prints JSON. Reading
tables needs pandas, scikit-learn and torch only, but importing py-feat needs everything that its detectors use.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import sys
import types
from unittest.mock import MagicMock

REPLACED = frozenset(
    {"torchvision", "torchcodec", "timm", "seaborn", "h5py", "plotly", "skimage", "xgboost", "huggingface_hub", "skops"}
    | {"celluloid", "easing_functions", "kornia"}
)


class StandIn(types.ModuleType):
    """A module that has every name."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        is_class = name[:1].isupper()
        value = type(name, (), {"__setstate__": lambda self, state: None}) if is_class else MagicMock(name=name)
        setattr(self, name, value)
        return value


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in REPLACED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        pass


def main(folder: str, openface: str, pyfeat: str) -> None:
    sys.meta_path.insert(0, StandIns())
    sys.path.insert(0, folder)
    from feat.utils.io import read_feat, read_openface

    fex, other = read_feat(pyfeat), read_openface(openface)
    found = {
        "detector": fex.detector,
        "emotions": list(fex.emotions.columns),
        "aus": list(fex.aus.columns),
        "poses": list(fex.poses.columns),
        "boxes": list(fex.faceboxes.columns),
        "missing_au12": int(fex["AU12"].isna().sum()),
        "openface_detector": other.detector,
        "openface_missing_au12": int(other["AU12_r"].isna().sum()),
        "openface_present_au12": int((other["AU12_c"] == 1).sum()),
    }
    print(json.dumps(found))  # noqa: T201 (the result)


if __name__ == "__main__":
    main(*sys.argv[1:])
