"""File systems that lack something, by seccomp: a process and its children are refused these system calls."""
import ctypes
import errno
import platform

CALLS = {"x86_64": {"arch": 0xC000003E, "flock": 73, "fcntl": 72, "link": 86, "linkat": 265, "renameat2": 316},
         "aarch64": {"arch": 0xC00000B7, "flock": 32, "fcntl": 25, "link": 37, "linkat": 37, "renameat2": 276}}
KNOWN = platform.machine() in CALLS
LOCKS = [("flock", None, (), errno.ENOLCK),  # NFS without a lock daemon
         ("fcntl", 1, (5, 6, 7, 36, 37, 38), errno.ENOLCK)]  # F_GETLK, F_SETLK, F_SETLKW and those of open files
LINKS = [("link", None, (), errno.EPERM), ("linkat", None, (), errno.EPERM),  # exFAT by FUSE
         ("renameat2", 4, (1, 2, 4), errno.EINVAL)]  # with any flag


class Step(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_uint16), ("steps", ctypes.POINTER(Step))]


def steps(rules):
    """The filter: for each (call, number of an argument or None, values of it, errno) what is compared and given back."""
    load, equal, give = 0x20, 0x15, 0x06
    calls = CALLS[platform.machine()]
    allow = (give, 0, 0, 0x7FFF0000)
    code = [(load, 0, 0, 4), (equal, 1, 0, calls["arch"]), allow]
    for call, argument, values, number in rules:
        look = [] if argument is None else [(load, 0, 0, 16 + 8 * argument)]
        look += [(equal, len(values) - i, 0, value) for i, value in enumerate(values)]
        look += [allow] if values else []
        code += [(load, 0, 0, 0), (equal, 0, len(look) + 1, calls[call]), *look, (give, 0, 0, 0x50000 | number)]
    return code + [allow]


def forbid(rules):
    """For preexec_fn."""
    code = steps(rules)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code), (Step * len(code))(*(Step(*words) for words in code)))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
