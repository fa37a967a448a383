"""Processes of known kinds on this machine, and usage counted by another program."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from liebench.facts.usage.values import Usage
from liebench.runfile.usage import usage_of

CONTROLS = """
import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def seccomp(flags):
    allow = struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)  # BPF_RET | BPF_K, SECCOMP_RET_ALLOW
    room = ctypes.create_string_buffer(allow)
    program = (ctypes.c_char * 16).from_buffer_copy(struct.pack("H6xP", 1, ctypes.addressof(room)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    found = libc.syscall(CALL, 1, flags, program)
    assert found >= 0, ctypes.get_errno()
    return found
CALL = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
"""
WAIT = "print('up', flush=True)\nsys.stdin.read()\n"
FILTER = f"{CONTROLS}seccomp(0)\n{WAIT}"
NOTIFY = f"{CONTROLS}seccomp(8)\n{WAIT}"  # SECCOMP_FILTER_FLAG_NEW_LISTENER
STRICT = f"""{CONTROLS}
room, said, read, write = ctypes.create_string_buffer(9), ctypes.create_string_buffer(b"up\\n"), libc.read, libc.write
read.argtypes = write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
if libc.prctl(22, 1) == 0:  # PR_SET_SECCOMP, SECCOMP_MODE_STRICT: read and write are all that is left
    write(1, said, 3)
    read(0, room, 9)
"""
TRACER = (
    f"{CONTROLS}child = os.fork()\nif child == 0:\n    time.sleep(1000)\n"
    f"assert libc.ptrace(0x4206, child, 0, 0) == 0  # PTRACE_SEIZE\n{WAIT}os.kill(child, 9)\n"
)
IDLE = f"import sys\n{WAIT}"
OBSERVE = """
import json, sys
from liebench.facts.reader import Reader
from liebench.facts.usage.live import machine
from liebench.facts.usage.observe import observe
from liebench.runfile.usage import stored
print(json.dumps(stored(observe(Reader(), machine(), float(sys.argv[1]), {}))))
"""


@contextlib.contextmanager
def there(program: str, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that runs by now; ``before``: words that start it in another way."""
    words = [*before, sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n", f"{words} did not start"
            yield process
        finally:
            process.kill()


def observed(*before: str, window_s: float = 0.1, program: str = OBSERVE) -> Usage:
    """What another process counts; ``before``: words that start it in another way."""
    words = [*before, sys.executable, "-c", program, str(window_s)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    row: dict[str, Any] = json.loads(done.stdout)
    found = usage_of({"usage": row})
    assert found is not None
    return found
