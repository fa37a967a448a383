"""Applied changes in the formats of other tools, read back by these tools where they are installed."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from liebench.apply.exports import FORMATS, SYSCTL_FILE, VALUE_FILE, exported
from liebench.apply.ledger import Change
from liebench.errors import UsageError

THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def change(number: int, id_: str, key: str, path: str, to: str, **more: Any) -> Change:
    base = Change(
        number=number,
        group=number,
        id=id_,
        key=key,
        path=path,
        from_="1",
        to=to,
        text=to,
        boot="b",
        since_s=0.0,
        confirm_s=None,
        time="2026-01-01T00:00:00Z",
        evidence="proved: your command @ host, cost x 0.8 (0.75 to 0.85); trials a, b",
        risk="more memory",
    )
    return replace(base, **more)


IDLE = change(
    1, "idle-restart", "net.ipv4.tcp_slow_start_after_idle", "/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0"
)
RMEM = change(2, "receive-window", "net.ipv4.tcp_rmem (largest)", "/proc/sys/net/ipv4/tcp_rmem", "33554432")
RMEM = replace(RMEM, text="4096 131072 33554432")
SWAP = change(3, "swappiness", "vm.swappiness", "/proc/sys/vm/swappiness", "10")
PAGES = change(4, "huge-pages", THP, THP, "madvise")
DOT = change(5, "x", "net.ipv4.conf.eth0.7.rp_filter", "/proc/sys/net/ipv4/conf/eth0.7/rp_filter", "1")
ALL = (IDLE, RMEM, SWAP, PAGES, DOT)
VALUES_OF = {
    "net.ipv4.tcp_slow_start_after_idle": "0", "net.ipv4.tcp_rmem": "4096 131072 33554432", "vm.swappiness": "10",
    "net/ipv4/conf/eth0.7/rp_filter": "1",
}  # fmt: skip


def pairs(text: str) -> dict[str, str]:
    """What sysctl reads of a file."""
    rows = [line.partition("=") for line in text.splitlines() if line.strip() and not line.startswith(("#", ";"))]
    return {key.strip(): value.strip() for key, _, value in rows}


UNPACKED = Path(sys.prefix) / "export-tools/usr/lib/python3/dist-packages"  # by ci/export-tools


def unpacked(module: str) -> dict[str, str]:
    """The environment in which our own interpreter imports a module of a package that is not installed."""
    if not (UNPACKED / module).is_dir():
        pytest.skip(f"needs {module}, which ci/export-tools unpacks")
    return {**os.environ, "PYTHONPATH": str(UNPACKED)}


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name} on the path")
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_the_evidence_stands_in_comments_of_every_format(kind: str) -> None:
    text = exported(kind, ALL)
    comments = "\n".join(line.strip() for line in text.splitlines() if line.strip().startswith("#"))
    assert "proved: your command @ host, cost x 0.8 (0.75 to 0.85); trials a, b" in comments.replace("\n#   ", " ")
    assert "prove nothing elsewhere" in comments
    assert text.endswith("\n")
    assert text.isascii()
    assert "liebench undo" not in text  # elsewhere there is nothing to undo


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("evil", ["$(id)", "{{ x }}", "${f:exec:id}", "1\n2", "a: b # c", "'", '"', "%x", "`id`", "\\"])
def test_what_a_format_would_read_as_its_own_is_refused(kind: str, evil: str) -> None:
    hostile = replace(SWAP, to=evil, text=evil)
    if kind == "kubernetes":
        hostile = replace(RMEM, to=evil, text=evil)
    if " ".join(evil.split()) != evil:  # a line break is no line break any more
        assert evil not in exported(kind, [hostile])
        return
    with pytest.raises(UsageError, match="read as its own"):
        exported(kind, [hostile])
    lines = exported(kind, [replace(SWAP, evidence=evil, risk=evil)]).splitlines()
    assert len(lines) == len(exported(kind, [replace(SWAP, evidence="x", risk="x")]).splitlines())


def test_unknown_and_empty() -> None:
    with pytest.raises(UsageError, match=r"takes sysctl\.d, tuned, ansible, cloud-init, kubernetes"):
        exported("chef", ALL)
    with pytest.raises(UsageError, match="nothing is applied"):
        exported("ansible", [])


def test_sysctl_d() -> None:
    text = exported("sysctl.d", ALL)
    assert pairs(text) == VALUES_OF
    assert f"# w {THP} - - - - madvise" in text.splitlines()


@pytest.mark.machine
def test_sysctl_itself_reads_it(tmp_path: Path) -> None:
    sysctl = tool("sysctl")
    (tmp_path / "x.conf").write_text(exported("sysctl.d", [IDLE, RMEM]))
    inside = ["unshare", "-n", sysctl, "-p", str(tmp_path / "x.conf")]
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs permission to make a network namespace")
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert pairs(done.stdout) == {k: VALUES_OF[k] for k in list(VALUES_OF)[:2]}


def test_systemd_tmpfiles_itself_reads_the_values(tmp_path: Path) -> None:
    tmpfiles = tool("systemd-tmpfiles")
    (tmp_path / THP[1:]).parent.mkdir(parents=True)
    (tmp_path / THP[1:]).write_text("always")
    line = next(ln[2:] for ln in exported("sysctl.d", [PAGES]).splitlines() if ln.startswith("# w "))
    (tmp_path / "x.conf").write_text(line + "\n")
    command = [tmpfiles, "--create", f"--root={tmp_path}", str(tmp_path / "x.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "/proc" in done.stderr:
        pytest.skip("needs a systemd-tmpfiles that runs here")
    assert (tmp_path / THP[1:]).read_text().startswith("madvise"), done.stderr


def test_tuned() -> None:
    parser = configparser.RawConfigParser()  # tuned before 2.23 reads with configobj, then with this
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(exported("tuned", ALL))
    assert dict(parser["sysctl"]) == VALUES_OF
    assert dict(parser["sysfs"]) == {THP: "madvise"}
    assert parser["main"]["summary"]
    assert "[sysfs]" not in exported("tuned", [SWAP])


def test_ansible() -> None:
    tasks = yaml.safe_load(exported("ansible", ALL))
    copies = [t["ansible.builtin.copy"] for t in tasks if "ansible.builtin.copy" in t]
    assert [c["dest"] for c in copies] == [SYSCTL_FILE, VALUE_FILE]
    assert pairs(copies[0]["content"]) == VALUES_OF
    assert f"w {THP} - - - - madvise" in copies[1]["content"].splitlines()
    commands = [t["ansible.builtin.command"] for t in tasks if "ansible.builtin.command" in t]
    assert [c["argv"] for c in commands] == [
        ["sysctl", "-p", SYSCTL_FILE],
        ["systemd-tmpfiles", "--create", VALUE_FILE],
    ]
    assert [t["when"] for t in tasks if "when" in t] == ["liebench_file_1 is changed", "liebench_file_2 is changed"]


def test_ansible_itself_reads_the_tasks_and_writes_the_file(tmp_path: Path) -> None:
    playbook = tool("ansible-playbook")
    text = exported("ansible", ALL).replace('"/etc/', f'"{tmp_path}/etc/').replace('"sysctl", ', '"true", ')
    (tmp_path / "tasks.yml").write_text(text.replace('"systemd-tmpfiles", ', '"true", '))
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False,
             "tasks": [{"ansible.builtin.import_tasks": "tasks.yml"}]}]  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    env = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    for more in (["--syntax-check"], []):
        done = subprocess.run(
            [playbook, *more, "-i", "localhost,", "play.yml"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert pairs((tmp_path / SYSCTL_FILE[1:]).read_text()) == VALUES_OF
    assert "changed=4" in done.stdout


def test_cloud_init() -> None:
    text = exported("cloud-init", ALL)
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert [f["path"] for f in document["write_files"]] == [SYSCTL_FILE, VALUE_FILE]
    assert pairs(document["write_files"][0]["content"]) == VALUES_OF
    assert document["runcmd"] == [["sysctl", "-p", SYSCTL_FILE], ["systemd-tmpfiles", "--create", VALUE_FILE]]


def cloud_init(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloudinit.cmd.main", "schema", "--config-file", str(file)]
    environment = unpacked("cloudinit")
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=file.parent)


def test_cloud_init_itself_accepts_it(tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text(exported("cloud-init", ALL))
    done = cloud_init(tmp_path / "user-data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout + done.stderr
    (tmp_path / "user-data").write_text(exported("cloud-init", ALL).replace("- path:", "- file:"))
    assert cloud_init(tmp_path / "user-data").returncode != 0  # it does look


def test_kubernetes() -> None:
    text = exported("kubernetes", ALL)
    spec = yaml.safe_load(text)["spec"]
    rows = {r["name"]: r["value"] for r in spec["securityContext"]["sysctls"]}
    assert rows == {k: VALUES_OF[k] for k in list(VALUES_OF)[:2]}
    assert all(isinstance(value, str) for value in rows.values())
    assert "--allowed-unsafe-sysctls=net.ipv4.tcp_slow_start_after_idle" in text  # tcp_rmem is safe since 1.32
    assert "# vm.swappiness = 10" in text
    assert f"# w {THP} - - - - madvise" in text
    assert yaml.safe_load(exported("kubernetes", [SWAP]))["spec"]["securityContext"]["sysctls"] == []


def test_kubernetes_own_schema_accepts_the_pod(tmp_path: Path) -> None:
    validate = tool("kubernetes-validate")
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = {**yaml.safe_load(exported("kubernetes", ALL))["spec"], "containers": [{"name": "x", "image": "x"}]}
    for strange in ("", "sysctl"):
        if strange:
            pod["spec"]["securityContext"][strange] = []  # it does look
        (tmp_path / "pod.yml").write_text(yaml.safe_dump(pod))
        command = [validate, "--strict", str(tmp_path / "pod.yml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (not strange), done.stdout + done.stderr


LOADER = """
import json, sys
from tuned.profiles.loader import Loader
print(json.dumps(Loader._load_config_data(Loader(None, None, None, None, None), sys.argv[1])))
"""


def test_tuned_itself_reads_the_profile(tmp_path: Path) -> None:
    (tmp_path / "tuned.conf").write_text(exported("tuned", ALL))
    command = [sys.executable, "-c", LOADER, str(tmp_path / "tuned.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=unpacked("tuned"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["sysctl"] == VALUES_OF
    assert read["sysfs"] == {THP: "madvise"}
