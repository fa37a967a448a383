"""What control groups allow, from trees of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from liebench.facts import limits
from liebench.facts.limits import allowed, view
from liebench.facts.reader import Reader
from liebench.probes.container_facts.verdict import groups

MIB = 1 << 20

TWO_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
ONE_MOUNTS = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
)
ONE = ("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory")


def tree(folder: Path, files: dict[str, str]) -> Reader:
    for path, text in files.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + "\n")
    return Reader(folder)


def version_two(own: str, root: str = "/", **files: str) -> dict[str, str]:
    """``a__b__cpu_max`` is the file cpu.max of the group a/b."""
    found = {"/proc/self/cgroup": f"0::{own}", "/proc/self/mountinfo": TWO_MOUNT.format(root=root)}
    for name, text in files.items():
        *parts, file = name.split("__")
        found["/".join(["/sys/fs/cgroup", *parts, file.replace("_", ".", 1)])] = text
    return found


def version_one(own: str, cpu: dict[str, str], memory: dict[str, str], root: str = "/") -> dict[str, str]:
    found = {
        "/proc/self/cgroup": f"4:cpu,cpuacct:{own}\n3:memory:{own}\n1:name=systemd:/elsewhere",
        "/proc/self/mountinfo": ONE_MOUNTS.format(root=root),
        f"{ONE[0]}/cpu.stat": "",
        f"{ONE[1]}/memory.limit_in_bytes": "9223372036854771712",
    }
    for group, share in cpu.items():
        found[f"{ONE[0]}{group}/cpu.cfs_quota_us"] = share
        found[f"{ONE[0]}{group}/cpu.cfs_period_us"] = "100000"
    return found | {f"{ONE[1]}{group}/memory.limit_in_bytes": text for group, text in memory.items()}


@pytest.mark.parametrize(
    ("parent", "leaf", "expected"),
    [
        ("max", "50000", 0.5),
        ("50000", "max", 0.5),
        ("150000", "50000", 0.5),
        ("50000", "150000", 0.5),
        ("150000", "150000", 1.5),
        ("max", "max", None),
        ("rubbish", "50000", 0.5),
        ("-7", "50000", 0.5),
        ("", "rubbish", None),
    ],
)
def test_the_smallest_quota_on_the_way_up_is_in_force(
    tmp_path: Path, parent: str, leaf: str, expected: float | None
) -> None:
    two = version_two("/pod/box", pod__cpu_max=f"{parent} 100000", pod__box__cpu_max=f"{leaf} 100000")
    assert allowed(tree(tmp_path / "two", two)).cpus == expected
    one = version_one("/pod/box", {"/pod": parent.replace("max", "-1"), "/pod/box": leaf.replace("max", "-1")}, {})
    found = allowed(tree(tmp_path / "one", one))
    assert found.cpus == expected
    if expected is not None:
        where = "/pod/box/" if leaf in ("50000", "150000") and parent != "50000" else "/pod/"
        assert where in found.cpus_by
        assert found.period_us == 100000


@pytest.mark.parametrize(
    ("parent", "leaf", "expected"),
    [
        ("max", str(256 * MIB), 256),
        (str(256 * MIB), "max", 256),
        (str(512 * MIB), str(256 * MIB), 256),
        (str(256 * MIB), str(512 * MIB), 256),
        ("max", "max", None),
        ("rubbish", "-1", None),
    ],
)
def test_the_smallest_memory_limit_on_the_way_up_is_in_force(
    tmp_path: Path, parent: str, leaf: str, expected: int | None
) -> None:
    most = None if expected is None else expected * MIB
    two = version_two("/pod/box", pod__memory_max=parent, pod__box__memory_max=leaf)
    assert allowed(tree(tmp_path / "two", two)).memory == most
    none = "9223372036854771712"
    one = version_one("/pod/box", {}, {"/pod": parent.replace("max", none), "/pod/box": leaf.replace("max", none)})
    assert allowed(tree(tmp_path / "one", one)).memory == most


def test_a_mount_that_begins_at_the_container_and_a_group_below_it(tmp_path: Path) -> None:
    """Docker with version 1: /proc/self/cgroup tells the host's path, the mount holds the container's part."""
    files = version_one("/docker/abc/in", {"": "150000", "/in": "-1"}, {"/in": str(64 * MIB)}, root="/docker/abc")
    reader = tree(tmp_path, files)
    assert (allowed(reader).cpus, allowed(reader).memory) == (1.5, 64 * MIB)
    assert view(reader)["cpu"] == {"group": "/sys/fs/cgroup/cpu,cpuacct", "top": "hidden"}


def test_a_mount_of_somebody_elses_part_says_nothing_about_us(tmp_path: Path) -> None:
    files = version_two("/docker/abc", root="/docker/other", cpu_max="50000 100000", memory_max=str(MIB))
    assert allowed(tree(tmp_path, files)) == limits.Allowed()
    outside = version_two("/../abc", cpu_max="50000 100000")
    assert allowed(tree(tmp_path / "outside", outside)).cpus is None


def test_controllers_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    """Hybrid: processor time in version 1, memory in version 2, which is mounted beside it and listed first."""
    files = version_one("/a", {"/a": "50000"}, {}) | {
        "/proc/self/cgroup": "4:cpu,cpuacct:/a\n0::/b",
        "/proc/self/mountinfo": f"{TWO_MOUNT.format(root='/').replace('/cgroup ', '/cgroup/unified ', 1)}\n"
        + ONE_MOUNTS.format(root="/"),
        "/sys/fs/cgroup/unified/b/memory.max": str(64 * MIB),
        "/sys/fs/cgroup/unified/b/memory.high": str(32 * MIB),
        "/sys/fs/cgroup/unified/b/cpuset.cpus.effective": "0-2,5",
    }
    found = allowed(tree(tmp_path, files))
    assert (found.cpus, found.memory, found.high, found.cpuset) == (0.5, 64 * MIB, 32 * MIB, 4)


def test_version_1_tells_of_limits_above_what_is_mounted(tmp_path: Path) -> None:
    files = version_one("/docker/abc", {}, {"": str(512 * MIB)}, root="/docker/abc")
    files |= {f"{ONE[1]}/memory.stat": f"cache 0\nhierarchical_memory_limit {256 * MIB}"}
    found = allowed(tree(tmp_path, files))
    assert (found.memory, found.memory_by) == (256 * MIB, f"{ONE[1]}/memory.stat")


def test_whether_all_groups_above_can_be_seen(tmp_path: Path) -> None:
    host = {"cpu.stat": "", "memory.stat": "", "cgroup.procs": ""}
    files = {f"/sys/fs/cgroup/{name}": text for name, text in host.items()}
    whole_tree = tree(tmp_path / "whole", version_two("/") | files)
    assert groups(view(whole_tree))["value"] == "whole"
    inside = tree(tmp_path / "inside", version_two("/") | files | {"/sys/fs/cgroup/cgroup.type": "domain"})
    assert groups(view(inside))["value"] == "hidden"
    empty = tree(tmp_path / "empty", {"/proc/self/cgroup": "0::/"})
    assert groups(view(empty))["value"] == "none"
    assert allowed(empty) == limits.Allowed()
    assert allowed(Reader(tmp_path / "nothing")) == limits.Allowed()
