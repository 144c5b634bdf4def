"""Compare what we call of TensorRT, as the tests' fake declares it, with the classes of an installed wheel.

    python -m venv /tmp/trt && /tmp/trt/bin/pip install --no-deps tensorrt-cu13-bindings==11.4.0.106
    TENSORRT_BINDINGS=/tmp/trt/lib/python3.12/site-packages python packaging/check_tensorrt_api.py

The bindings are enough, and no GPU is needed: their libraries are replaced by empty ones that export the nine functions
the module links to, so that it can be imported and its docstrings read. Nothing is called. The wheels
tensorrt-lean-cu13-bindings with tensorrt-lean-cu13-libs have the runtime's classes alone and need no C compiler.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
MODULES: Final = ("tensorrt_bindings", "tensorrt_lean_bindings", "tensorrt")
_FUNCTIONS: Final = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip
#: Classes that we construct; other objects come from methods of these.
_CONSTRUCTED: Final = ("Builder", "OnnxParser", "Runtime", "ILogger")
_LIBRARIES: Final = ("nvonnxparser", "nvinfer_plugin", "nvinfer")


def signature(function: Any) -> list[list[str]]:
    """Parameter names, without self, of each overload of a bound method, from its docstring."""
    lines = re.findall(r"^(?:\d+\. )?\w+\((self: .*)\) -> ", function.__doc__ or "", flags=re.MULTILINE)
    return [[part.split(":")[0].strip() for part in _split(line)[1:]] for line in lines]


def _split(text: str) -> list[str]:
    """Parameters of a signature; commas inside brackets separate nothing."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[(<") - (letter in "])>")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def differences(real: Any) -> list[str]:
    """What of the fake a module does not have, or has with other parameters."""
    sys.path.insert(0, str(ROOT))
    from tests.fakes import tensorrt_module as fake

    found = []
    for name, own in fake.ENUMERATIONS.items():
        kind = getattr(real, name, None)
        if kind is not None:  # the lean wheel has no builder
            found += [f"{name}.{member.name}" for member in own if not hasattr(kind, member.name)]
    for name, own in fake.CLASSES.items():
        kind = getattr(real, name, None)
        if kind is not None:
            found += [line for method in vars(own) for line in _method_differences(name, method, own, kind)]
    return found


def _method_differences(name: str, method: str, own: Any, kind: Any) -> list[str]:
    """A line if a property or method of a fake class is not that of the real one."""
    mine = vars(own)[method]
    if isinstance(mine, property):
        return [] if hasattr(kind, method) else [f"{name}.{method}"]
    private = method.startswith("_") and (method != "__init__" or name not in _CONSTRUCTED)
    if private or not inspect.isfunction(mine):
        return []
    wanted = list(inspect.signature(mine).parameters)[1:]
    overloads = signature(getattr(kind, method, None))
    if any(wanted == names[: len(wanted)] for names in overloads):
        return []
    return [f"{name}.{method}({', '.join(wanted)}), the wheel has {overloads}"]


def covered(real: Any) -> list[str]:
    """The classes and enumerations that were compared."""
    from tests.fakes import tensorrt_module as fake

    return [name for name in (*fake.CLASSES, *fake.ENUMERATIONS) if hasattr(real, name)]


def _make_libraries(folder: Path, version: int) -> None:
    source = folder / "stubs.c"
    source.write_text("\n".join(f"void *{name}(void) {{ return 0; }}" for name in _FUNCTIONS))
    for name in _LIBRARIES:
        library = f"lib{name}.so.{version}"
        command = ["cc", "-shared", "-fPIC", "-o", str(folder / library), str(source), f"-Wl,-soname,{library}"]
        subprocess.run(command, check=True)


def _compare(module: str) -> None:
    """In a process of its own: print version, covered classes and differences as JSON."""
    real = importlib.import_module(module)
    result = {"version": real.__version__, "differences": differences(real), "covered": covered(real)}
    sys.stdout.write(json.dumps(result))


def check_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """Compare every TensorRT module of a site-packages folder; results by module."""
    results = {}
    for module in MODULES:
        if not (folder / module).is_dir():
            continue
        with tempfile.TemporaryDirectory() as stubs:
            if module == "tensorrt_bindings":
                if shutil.which("cc") is None:
                    continue
                (info,) = folder.glob("tensorrt_cu*_bindings-*.dist-info")
                _make_libraries(Path(stubs), int(info.name.split("-")[1].split(".")[0]))
            paths = os.pathsep.join((stubs, *map(str, folder.glob("tensorrt_*libs"))))
            done = subprocess.run(
                [sys.executable, __file__, "--module", module],
                env={**os.environ, "PYTHONPATH": str(folder), "LD_LIBRARY_PATH": paths},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            results[module] = json.loads(done.stdout)
    return results


def main() -> int:
    """Check the folders of TENSORRT_BINDINGS; the exit status is 1 if something differs or nothing was found."""
    if sys.argv[1:2] == ["--module"]:
        _compare(sys.argv[2])
        return 0
    bad = seen = 0
    for folder in filter(None, os.environ.get("TENSORRT_BINDINGS", "").split(os.pathsep)):
        for module, result in check_folder(Path(folder)).items():
            seen += 1
            bad += bool(result["differences"])
            lines = [f"{module} {result['version']}: {len(result['covered'])} classes compared", *result["differences"]]
            sys.stdout.write("\n  ".join(lines) + "\n")
    if not seen:
        sys.stdout.write("no bindings found: set TENSORRT_BINDINGS to a site-packages folder that holds them\n")
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
