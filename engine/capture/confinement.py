"""What the process that decodes files may not do: use more memory than its limit, reach the network, change files.

FFmpeg and its decoders parse bytes of strangers in C, and their faults are found every year. `confine` runs in the
child process (engine/capture/decode_process.py) before the file is opened, `forbid_opening` once it is open.

What the system enforces:

- Linux on x86-64 and AArch64: address space and processor time (setrlimit); no sockets, no programs, no child
  processes, no tracing, no writing, creating, renaming or deleting of files; later no opening of files at all (seccomp,
  a filter of system calls). Reading and writing what is already open remains, which is all that decoding needs.
- other Unix: setrlimit, of which macOS enforces the processor time but not the address space.
- Windows: nothing; the caps on size and time and the separate process are what is left.
"""

from __future__ import annotations

import contextlib
import platform
import struct
import sys
from collections.abc import Iterable
from typing import Final

#: Processor time for one picture. A decoder that needs more is in an endless loop, and ended by the system.
CPU_S: Final = 60

# Linux: <linux/prctl.h>, <linux/seccomp.h>, <linux/filter.h>, <linux/audit.h>.
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000  # | errno
_EPERM: Final = 1
_ENOSYS: Final = 38
_NUMBER_AT: Final = 0  # struct seccomp_data: system call, architecture, instruction, arguments
_ARCHITECTURE_AT: Final = 4
_ARGUMENT_AT: Final = 16  # 8 bytes each, the low half first
_WRITING: Final = 0o3 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000  # calls of the x32 interface share the architecture code of x86-64

#: Architecture code, then numbers of the system calls that are refused whatever their arguments.
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        **{"socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50},
        **{"socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "truncate": 76, "rename": 82},
        **{"mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92},
        **{"lchown": 94, "ptrace": 101, "mknod": 133, "mount": 165, "setxattr": 188, "add_key": 248, "keyctl": 250},
        **{"mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265},
        **{"symlinkat": 266, "fchmodat": 268, "unshare": 272, "accept4": 288, "perf_event_open": 298},
        **{"open_by_handle_at": 304, "sendmmsg": 307, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311},
        **{"renameat2": 316, "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424},
        **{"io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438},
    },
    "aarch64": {
        **{"setxattr": 5, "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38},
        **{"mount": 40, "truncate": 45, "fchmodat": 53, "fchownat": 54, "unshare": 97, "ptrace": 117, "kill": 129},
        **{"socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206},
        **{"sendmsg": 211, "add_key": 217, "keyctl": 219, "execve": 221, "perf_event_open": 241, "accept4": 242},
        **{"open_by_handle_at": 265, "setns": 268, "sendmmsg": 269, "process_vm_readv": 270, "process_vm_writev": 271},
        **{"renameat2": 276, "bpf": 280, "execveat": 281, "userfaultfd": 282, "pidfd_send_signal": 424},
        **{"io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438},
    },
}
#: Calls whose flags decide, with the number of the argument that holds them; AArch64 has no plain `open`.
_OPEN: Final[dict[str, tuple[tuple[int, int], ...]]] = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
#: Newer forms whose flags lie in memory, where a filter cannot look; "unknown call" makes libraries use the older ones.
_CLONE3: Final = 435
_OPENAT2: Final = 437


def confine(memory_mb: int, shared_mb: int = 0) -> bool:
    """Restrict this process for good, and every thread that it starts later.

    Args:
        memory_mb: address space.
        shared_mb: by which `allow_shared` may raise it.

    Returns:
        Whether system calls are filtered.
    """
    if sys.platform == "win32":
        return False
    import resource

    with contextlib.suppress(OSError, ValueError):  # macOS knows the limit and refuses it
        allowed = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = memory_mb + shared_mb << 20
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(resource.RLIMIT_AS, (min(memory_mb << 20, most), most))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold pictures
    allow_cpu()
    machine = platform.machine()
    return sys.platform == "linux" and machine in _ARCHITECTURES and _install(_first_filter(machine))


def allow_shared(size_bytes: int) -> None:
    """Leave room in the address space for memory that is shared with the parent, as far as `confine` permits it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (min(soft + size_bytes, hard), hard))


def forbid_opening() -> None:
    """Refuse every further opening of a file, where `confine` filters system calls."""
    machine = platform.machine()
    if sys.platform == "linux" and machine in _ARCHITECTURES:
        _install(_program(machine, [_refuse_if_number(number, _EPERM) for number, _ in _OPEN[machine]]))


def allow_cpu() -> None:
    """Give this process CPU_S of processor time from now on."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_S
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _first_filter(machine: str) -> bytes:
    parts = [_refuse_if_number(number, _EPERM) for number in _REFUSED[machine].values()]
    parts += [_refuse_if_number(number, _ENOSYS) for number in (_CLONE3, _OPENAT2)]
    parts += [_refuse_if_bits(number, argument, _WRITING) for number, argument in _OPEN[machine]]
    parts.append(_refuse_unless_bits(_CLONE[machine], 0, _CLONE_THREAD))
    return _program(machine, parts)


def _program(machine: str, parts: Iterable[bytes]) -> bytes:
    """A filter that refuses all calls of another architecture, then what the parts refuse, and allows the rest."""
    start = _instruction(_LOAD, _ARCHITECTURE_AT) + _instruction(_IF_EQUAL, _ARCHITECTURES[machine], 1, 0)
    start += _RETURN_EPERM
    start += _instruction(_LOAD, _NUMBER_AT) + _instruction(_IF_ANY_BIT, _X32, 0, 1)
    start += _RETURN_EPERM
    return start + b"".join(parts) + _instruction(_RETURN, _ALLOW)


def _refuse_if_number(number: int, errno: int) -> bytes:
    load, check = _instruction(_LOAD, _NUMBER_AT), _instruction(_IF_EQUAL, number, 0, 1)
    return load + check + _instruction(_RETURN, _REFUSE | errno)


def _refuse_if_bits(number: int, argument: int, bits: int) -> bytes:
    """Refuse a call whose argument has one of these bits."""
    return _argument_check(number, argument) + _instruction(_IF_ANY_BIT, bits, 0, 1) + _RETURN_EPERM


def _refuse_unless_bits(number: int, argument: int, bits: int) -> bytes:
    """Refuse a call whose argument has none of these bits."""
    return _argument_check(number, argument) + _instruction(_IF_ANY_BIT, bits, 1, 0) + _RETURN_EPERM


def _argument_check(number: int, argument: int) -> bytes:
    """Load an argument of this call; other calls jump behind the two instructions that follow."""
    load, check = _instruction(_LOAD, _NUMBER_AT), _instruction(_IF_EQUAL, number, 0, 3)
    return load + check + _instruction(_LOAD, _ARGUMENT_AT + 8 * argument)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


_RETURN_EPERM: Final = _instruction(_RETURN, _REFUSE | _EPERM)


def _install(program: bytes) -> bool:
    """Install a filter of system calls for this thread and those that it starts; False where the system has none."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    wanted = Program(len(program) // 8, program)
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(wanted), 0, 0) == 0)
