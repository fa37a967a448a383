"""Power cuts with changes in force: a guest with a disk of its own, killed, and booted again from that disk."""

from __future__ import annotations

import contextlib
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.errors import NeedUnmet

from tests.helpers.guest_machine import BOOTS_S, ON_DISK, SCRATCH, a_disk, command_of, kernel_of, root_of

pytestmark = pytest.mark.slow

SAYS = """
l() {{ {python} -P -c 'from liebench.cli import main; main()' "$@" 2>&1; }}
values() {{
    echo "$1 swappiness=$(cat /proc/sys/vm/swappiness) idle=$(cat /proc/sys/net/ipv4/tcp_slow_start_after_idle)" \\
        "files=$(ls /etc/sysctl.d | grep -c liebench)"
}}
exec > /dev/ttyS1
"""
FIRST = """
rm -f /etc/sysctl.d/*  # of the machine whose root this is
values found
l apply vm.swappiness=10 --untested --yes
l apply net.ipv4.tcp_slow_start_after_idle=0 --untested --yes --confirm 10m
values applied
echo now cut
sleep 1000
"""
SECOND = """
l status
values booted
sysctl -p $(ls /etc/sysctl.d/*)
l status
values set
l undo all
values undone
l status
echo now end
sleep 1000
"""


@contextlib.contextmanager
def booted(folder: Path, kernel: Path, modules: Path, start: str) -> Iterator[subprocess.Popen[bytes]]:
    """A guest of this disk; its power goes at the end."""
    says = SAYS.format(python=shlex.quote(sys.executable))
    (folder / "initramfs").write_bytes(root_of(says + start, modules, ON_DISK))
    command = command_of(kernel, folder, a_disk(folder / "disk", 512))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guest:
        try:
            yield guest
        finally:
            guest.kill()


def said_until(guest: subprocess.Popen[bytes], end: str, console: Path) -> str:
    assert guest.stdout is not None
    text, until = b"", time.monotonic() + BOOTS_S
    while end.encode() not in text:
        left = until - time.monotonic()
        if left <= 0 or not select.select([guest.stdout], [], [], left)[0]:
            pytest.fail(f"{text.decode(errors='replace')}\n{console.read_text(errors='replace')[-2000:]}")
        part = guest.stdout.read1(1 << 16)  # type: ignore[attr-defined]
        if not part:
            pytest.fail(f"the guest ended: {console.read_text(errors='replace')[-2000:]}")
        text += part
    return text.decode(errors="replace")


def values(text: str, when: str) -> tuple[str, ...]:
    found = re.search(rf"^{when} swappiness=(\d+) idle=(\d+) files=(\d+)", text, re.MULTILINE)
    assert found, text
    return found.groups()


def test_a_power_cut_keeps_what_was_kept_and_takes_back_what_nobody_confirmed() -> None:
    try:
        kernel, modules = kernel_of()
    except NeedUnmet as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="liebench-guest-", dir=SCRATCH) as name:
        folder = Path(name)
        with booted(folder, kernel, modules, FIRST) as guest:
            text = said_until(guest, "now cut", folder / "console")
        assert values(text, "found") == ("60", "1", "0"), text
        assert values(text, "applied") == ("10", "0", "1"), text  # one file, with the first of them alone
        with booted(folder, kernel, modules, SECOND) as guest:
            text = said_until(guest, "now end", folder / "console")
    assert values(text, "booted") == ("60", "1", "1"), text  # the kernel's own, before the boot has read the file
    assert "the reboot has taken it back" in text
    assert values(text, "set") == ("10", "1", "1"), text
    assert "vm.swappiness: 60 -> 10, in force" in text
    assert values(text, "undone") == ("60", "1", "0"), text
    assert "nothing of liebench is applied" in text
