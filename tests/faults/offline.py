"""Run the test suite without a network: ``python -m tests.faults.offline [arguments of pytest]``.

On Linux the tests run in a network namespace of their own, which has a loopback device and nothing else, so that
servers of tests can be reached and nothing outside can.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

#: Set while the suite runs without a network, for tests that need the package index.
VARIABLE: Final = "MIEN_TESTS_OFFLINE"
#: Brings the loopback device up without the program ip: SIOCSIFFLAGS with IFF_UP.
_LOOPBACK_UP = (
    "import fcntl, socket, struct;"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 1))"
)
_NO_WAY_OUT = (
    "import socket\n"
    "try:\n"
    "    socket.create_connection(('192.0.2.1', 80), 2)\n"
    "except OSError:\n"
    "    raise SystemExit(0)\n"
    "raise SystemExit('the network namespace has a way out')"
)


def command(arguments: list[str]) -> list[str]:
    """The command that runs pytest without a network."""
    python = f'"{sys.executable}"'
    own = f'{python} -c "{_LOOPBACK_UP}" && {python} -c "$CHECK" && exec {python} -m pytest "$@"'
    return ["unshare", "--net", "--map-root-user", "sh", "-c", own, "sh", *arguments]


def main(arguments: list[str]) -> int:
    """Run pytest; returns its exit status."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        sys.stderr.write("a network namespace needs Linux and the program unshare (package util-linux)\n")
        return 2
    environment = {**os.environ, "CHECK": _NO_WAY_OUT, "HF_HUB_OFFLINE": "1", VARIABLE: "1"}
    return subprocess.run(command(arguments or ["-q"]), env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
