"""Applied changes for those who keep the settings of many hosts: the same values, with the evidence as comments. Pure.

Every value is one that no format reads as its own (``dropin.plain``), else nothing is written. What a format cannot
hold is named in a comment, never left out silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from liebench.apply.dropin import comments, plain, setting_line, sysctl_name
from liebench.apply.ledger import SYSCTLS, VALUES, Change
from liebench.errors import UsageError
from liebench.settings.catalogue import catalogue
from liebench.settings.knob import Scope

TITLE = "Settings that liebench applied on one host; they prove nothing elsewhere."
# names of their own: the drop-ins themselves belong to the ledger of the host where liebench applies
SYSCTL_FILE, VALUE_FILE = "/etc/sysctl.d/90-liebench-exported.conf", "/etc/tmpfiles.d/90-liebench-exported.conf"
# https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/: the safe set of 1.32; names are per pod
SAFE = frozenset(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time "
    "net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem "
    "net.ipv4.tcp_wmem".split()
)


def _split(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    return [c for c in changes if c.dropin == SYSCTLS], [c for c in changes if c.dropin == VALUES]


def _value(change: Change) -> str:
    return plain(" ".join(change.text.split()), f"the value of {change.key}")


def _about(change: Change, indent: str = "") -> list[str]:
    return [f"{indent}# {line}" for line in comments(change)]


def _body(file: str, changes: Sequence[Change]) -> list[str]:
    """The lines of a file on another host, which liebench there knows nothing of; ``file`` says the grammar."""
    lines = [f"# {TITLE}"]
    for change in changes:
        lines += [*_about(change), setting_line(file, change)]
    return lines


def as_sysctl_d(changes: Sequence[Change]) -> str:
    """sysctl.d(5). What is no sysctl stands as a comment: the line for tmpfiles.d(5)."""
    sysctls, values = _split(changes)
    lines = _body(SYSCTLS, sysctls)
    if values:
        lines += ["", f"# No sysctls; these lines belong into {VALUE_FILE}:"]
        for change in values:
            lines += [*_about(change), f"# {setting_line(VALUES, change)}"]
    return "\n".join(lines) + "\n"


def as_tuned(changes: Sequence[Change]) -> str:
    """tuned.conf(5) of a profile; put it into /etc/tuned/NAME/ (before 2.23) or /etc/tuned/profiles/NAME/."""
    sysctls, values = _split(changes)
    lines = [f"# {TITLE}", "[main]", "summary=Settings that liebench applied"]
    for section, rows in (("sysctl", sysctls), ("sysfs", values)):
        lines += ["", f"[{section}]"] if rows else []
        for c in rows:
            name = sysctl_name(c.path) if section == "sysctl" else c.path
            lines += [*_about(c), f"{plain(name, 'the key')}={_value(c)}"]
    return "\n".join(lines) + "\n"


def _files(changes: Sequence[Change]) -> list[tuple[str, list[str], list[str]]]:
    """(file, its text, the program with arguments that puts it into force)."""
    sysctls, values = _split(changes)
    found = [
        (SYSCTL_FILE, _body(SYSCTLS, sysctls), ["sysctl", "-p", SYSCTL_FILE]),
        (VALUE_FILE, _body(VALUES, values), ["systemd-tmpfiles", "--create", VALUE_FILE]),
    ]
    return [row for row, any_of_it in zip(found, (sysctls, values), strict=True) if any_of_it]


def as_ansible(changes: Sequence[Change]) -> str:
    """Tasks with built-in modules only, to include in a play that becomes root."""
    lines = ["---", f"# {TITLE}"]
    for number, (file, body, command) in enumerate(_files(changes), 1):
        lines += [
            f"- name: {json.dumps(f'Settings of liebench in {file}')}",
            "  ansible.builtin.copy:",
            f"    dest: {json.dumps(file)}",
            '    mode: "0644"',
            "    content: |",
            *(f"      {line}" for line in body),
            f"  register: liebench_file_{number}",
            "",
            f"- name: {json.dumps(f'Put {file} into force')}",
            "  ansible.builtin.command:",
            f"    argv: {json.dumps(command)}",
            f"  when: liebench_file_{number} is changed",
            "  changed_when: true",
            "",
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_cloud_init(changes: Sequence[Change]) -> str:
    """User data: the files, and the commands as lists, which reach no shell."""
    lines = ["#cloud-config", f"# {TITLE}", "write_files:"]
    files = _files(changes)
    for file, body, _ in files:
        lines += [f"  - path: {json.dumps(file)}", '    permissions: "0644"', "    content: |"]
        lines += [f"      {line}" for line in body]
    lines += ["runcmd:", *(f"  - {json.dumps(command)}" for _, _, command in files)]
    return "\n".join(lines) + "\n"


def _per_pod(change: Change) -> bool:
    knob = catalogue().get(change.id)
    name = sysctl_name(change.path)
    return name in SAFE or (knob is not None and knob.scope is Scope.NAMESPACE and change.dropin == SYSCTLS)


def as_kubernetes(changes: Sequence[Change]) -> str:
    """The part of a pod that sets what a pod may set. What belongs to the node stands as comments."""
    pod, node = [c for c in changes if _per_pod(c)], [c for c in changes if not _per_pod(c)]
    lines = [f"# {TITLE}"]
    unsafe = [sysctl_name(c.path) for c in pod if sysctl_name(c.path) not in SAFE]
    if unsafe:
        lines.append(f"# The kubelet must allow: --allowed-unsafe-sysctls={','.join(unsafe)}")
    if node:
        lines.append("# Settings of the node, which no pod can set; use `--export sysctl.d` on the node:")
        lines += [f"# {setting_line(c.dropin, c)}" for c in node]
    lines += ["spec:", "  securityContext:", "    sysctls:" if pod else "    sysctls: []"]
    for c in pod:
        lines += [*_about(c, "      "), f"      - name: {json.dumps(plain(sysctl_name(c.path), 'the key'))}"]
        lines.append(f"        value: {json.dumps(_value(c))}")
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Change]], str]] = {
    "sysctl.d": as_sysctl_d,
    "tuned": as_tuned,
    "ansible": as_ansible,
    "cloud-init": as_cloud_init,
    "kubernetes": as_kubernetes,
}


def exported(kind: str, changes: Sequence[Change]) -> str:
    """Raises UsageError for an unknown format, and where there is nothing to export."""
    if kind not in FORMATS:
        raise UsageError(f"--export takes {', '.join(FORMATS)}; not {kind[:40]!r}")
    if not changes:
        raise UsageError("nothing is applied that could be exported; name changes, as vm.swappiness=10")
    return FORMATS[kind]([replace(c, number=0) for c in changes])  # there is nothing to undo elsewhere
