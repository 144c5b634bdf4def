"""Compare the prototypes of engine/backends/cuda.py with a cuda.h; nothing is compiled or called.

pip download --no-deps -d /tmp/cuda nvidia-cuda-runtime && unzip -q /tmp/cuda/*.whl -d /tmp/cuda
python packaging/check_cuda_api.py /tmp/cuda/nvidia/cu13/include/cuda.h
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.backends.cuda import PROTOTYPES  # noqa: E402 (the checkout is added to the path first)

#: Types of cuda.h as ctypes has them on 64-bit systems; handles are pointers, enumerations are int.
_TYPES: Final[dict[str, Any]] = {
    "int": ctypes.c_int, "unsigned int": ctypes.c_uint, "unsigned long long": ctypes.c_uint64,
    "size_t": ctypes.c_size_t, "CUdeviceptr": ctypes.c_uint64,
    "CUdevice": ctypes.c_int, "CUresult": ctypes.c_int, "CUdevice_attribute": ctypes.c_int,
    "CUstreamCaptureMode": ctypes.c_int,
    "CUstream": ctypes.c_void_p, "CUgraph": ctypes.c_void_p, "CUgraphExec": ctypes.c_void_p,
    "CUcontext": ctypes.c_void_p,
    "void *": ctypes.c_void_p, "const void *": ctypes.c_void_p,
    "char *": ctypes.c_char_p, "const char *": ctypes.c_char_p,
}  # fmt: skip


def declared(header: str, name: str) -> tuple[Any, ...] | None:
    """Argument types of a function of the library, or None; the header declares some under a macro's name."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    macros = [macro for macro, target in re.findall(r"#define (cu\w+)\s+(cu\w+)", text) if target == name]
    found = re.search(rf"CUresult CUDAAPI (?:{'|'.join([name, *macros])})\(([^)]*)\)", text)
    if found is None:
        return None
    return tuple(_type_of(part) for part in found[1].split(","))


def _type_of(parameter: str) -> Any:
    kind = re.sub(r"\s+", " ", re.sub(r"\w+$", "", parameter.strip())).strip()
    if kind in _TYPES:
        return _TYPES[kind]
    return ctypes.POINTER(_TYPES[kind.removesuffix("*").strip()])


def main() -> int:
    """Print the functions that differ; the exit status is 1 if there are any."""
    header = Path(sys.argv[1]).read_text(encoding="utf-8")
    wrong = [name for name, arguments in PROTOTYPES.items() if declared(header, name) != arguments]
    sys.stdout.write(f"{len(PROTOTYPES)} functions compared; different or missing: {', '.join(wrong) or 'none'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
