"""Runs a command under what a unit file allows of system calls, where no systemd runs to do it.

`python -m tests.jail UNIT COMMAND …`: SystemCallFilter, MemoryDenyWriteExecute, RestrictAddressFamilies,
RestrictNamespaces and NoNewPrivileges as systemd.exec(5) words them, through the same libseccomp that systemd uses.
"""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # with EPERM
_EQUAL, _MASKED = 4, 7
_WRITE, _EXECUTE = 2, 4
_NAMESPACES = 0x7E020080  # CLONE_NEW…
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def sets() -> dict[str, list[str]]:
    """The names in each of systemd's sets of system calls; other sets may be among them."""
    listing = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        if line.startswith("@"):
            members = found.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return found


def settings(unit: Path, key: str) -> list[str]:
    """The values of a key of the unit, in order."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.partition("=")[0] == key]


def allowed(unit: Path) -> set[str]:
    """The system calls that the unit's filter leaves."""
    known = sets()

    def expand(name: str) -> set[str]:
        return {call for inner in known[name] for call in expand(inner)} if name.startswith("@") else {name}

    calls: set[str] = set()
    for value in settings(unit, "SystemCallFilter"):
        named = {call for name in value.removeprefix("~").split() for call in expand(name)}
        calls = calls - named if value.startswith("~") else calls | named
    return calls | expand("@default")


def enter(unit: Path) -> None:
    """Give up, for this process and those it starts, what the unit does not allow."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_REFUSE))
    families = {int(getattr(socket, name)) for name in settings(unit, "RestrictAddressFamilies")[0].split()}
    narrow = {
        "socket": [_Comparison(0, _EQUAL, family, 0) for family in families],
        "clone": [_Comparison(0, _MASKED, _NAMESPACES, 0)],
        "unshare": [_Comparison(0, _MASKED, _NAMESPACES, 0)],
        "mprotect": [_Comparison(2, _MASKED, _EXECUTE, 0)],
        "pkey_mprotect": [_Comparison(2, _MASKED, _EXECUTE, 0)],
        # Pages that can be written or executed, but not both.
        "mmap": [_Comparison(2, _MASKED, _EXECUTE, 0), _Comparison(2, _MASKED, _WRITE, 0)],
    }
    # systemd refuses clone3 as unimplemented where it restricts namespaces: its flags cannot be looked at.
    _rule(library, context, 0x00050000 | 38, "clone3")
    for call in allowed(unit) - {"clone3"}:
        for comparison in narrow.get(call, [None]):
            _rule(library, context, _ALLOW, call, comparison)
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if library.seccomp_load(context):
        raise OSError("the kernel does not take the filter")


def _rule(
    library: ctypes.CDLL, context: ctypes.c_void_p, action: int, call: str, comparison: _Comparison | None = None
) -> None:
    number = library.seccomp_syscall_resolve_name(call.encode())
    if number < 0:  # another architecture's
        return
    compared = (_Comparison * 1)(*([comparison] if comparison else []))
    if library.seccomp_rule_add_array(context, action, number, 1 if comparison else 0, compared):
        raise OSError(f"no rule for {call}")


if __name__ == "__main__":
    enter(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
