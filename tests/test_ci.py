"""The files for CI systems: valid by the schemas that their makers publish, and a script that keeps every code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CI = Path(__file__).parents[1] / "ci"
GATE = CI / "gate.sh"
FAKE = """#!{python}
import json, os, sys
json.dump({{"args": sys.argv[1:]}}, open(os.environ["SEEN"], "w"))
print("::warning title=x::seen")
print(json.dumps({{"schema": "liebench.gate/1"}}))
sys.exit(int(os.environ["CODE"]))
"""
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "a b",
    "*",
    "'",
    '"',
    "--help",
    "-",
    "\\",
    "a\nb",
    "${IFS}",
)


def schema(name: str) -> Any:
    """A schema out of check-jsonschema, which ships those of GitHub and GitLab."""
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    return json.loads(vendored.read_text())


def valid(document: Any, name: str) -> None:
    known = schema(name)
    jsonschema.validators.validator_for(known)(known).validate(document)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake = tmp_path / "bin" / "liebench"
    fake.parent.mkdir()
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    (tmp_path / "work").mkdir()
    return tmp_path


def gate(folder: Path, code: int = 0, shell: str = "sh", **given: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SEEN": str(folder / "seen"), "CODE": str(code),
        "LIEBENCH_BASELINE": "base", "LIEBENCH_CANDIDATE": "cand",
    }  # fmt: skip
    return subprocess.run(
        [shell, str(GATE)], capture_output=True, text=True, cwd=folder / "work", env=environment | given, check=False
    )


def seen(folder: Path) -> list[str]:
    args: list[str] = json.loads((folder / "seen").read_text())["args"]
    return args


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("github", ["", "1"])
@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 70, 130])
def test_every_code_of_the_gate_is_the_code_of_the_job(folder: Path, code: int, github: str, shell: str) -> None:
    done = gate(folder, code, shell, LIEBENCH_GITHUB=github)
    assert done.returncode == code
    assert f"ended with {code}:" in done.stderr
    lines = (folder / "work" / "liebench-gate.json").read_text().splitlines()
    assert json.loads(lines[-1]) == {"schema": "liebench.gate/1"}
    assert done.stdout == ("::warning title=x::seen\n" if github else "")
    assert len(lines) == (1 if github else 2)


def test_inconclusive_passes_only_where_that_was_asked_for(folder: Path) -> None:
    codes = [gate(folder, code, LIEBENCH_INCONCLUSIVE="pass").returncode for code in (0, 1, 3, 4, 70)]
    assert codes == [0, 1, 0, 4, 70]
    wrong = gate(folder, LIEBENCH_INCONCLUSIVE="maybe")
    assert (wrong.returncode, "fail or pass" in wrong.stderr) == (2, True)


def test_everything_that_is_given_reaches_the_command(folder: Path) -> None:
    gate(folder, LIEBENCH_PROBES=" clock-read\n cpu ", LIEBENCH_JUNIT="j.xml", LIEBENCH_MARKDOWN="m.md",
         LIEBENCH_OPENMETRICS="o.txt", LIEBENCH_GITHUB="1")  # fmt: skip
    assert seen(folder) == [
        "gate", "clock-read", "cpu", "--mode=rerun", "--baseline=base", "--json", "--candidate=cand",
        "--junit=j.xml", "--markdown=m.md",
        "--openmetrics=o.txt", "--github",
    ]  # fmt: skip
    gate(folder, LIEBENCH_MODE="history", LIEBENCH_CANDIDATE="")
    assert seen(folder) == ["gate", "--mode=history", "--baseline=base", "--json"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_are_values(folder: Path, text: str) -> None:
    (folder / "work" / "file").touch()  # what a pattern would find
    done = gate(folder, LIEBENCH_BASELINE=text, LIEBENCH_CANDIDATE=text, LIEBENCH_MODE=text, LIEBENCH_JUNIT=text,
                LIEBENCH_MARKDOWN=text, LIEBENCH_OPENMETRICS=text)  # fmt: skip
    assert done.returncode == 0
    options = [f"--{name}={text}" for name in ("junit", "markdown", "openmetrics")]
    assert seen(folder) == ["gate", f"--mode={text}", f"--baseline={text}", "--json", f"--candidate={text}", *options]
    done = gate(folder, LIEBENCH_PROBES=text)
    if text.startswith("-"):
        assert (done.returncode, "is an option" in done.stderr) == (2, True)
    else:
        assert seen(folder)[1:-4] == text.split()
    assert not (folder / "work" / "pwned").exists()


def test_what_cannot_work_is_a_usage_error_and_never_a_regression(folder: Path) -> None:
    for name in ("LIEBENCH_BASELINE", "LIEBENCH_CANDIDATE"):
        empty = gate(folder, 0, "sh", **{name: ""})
        assert (empty.returncode, name in empty.stderr) == (2, True)
    for shell in ("sh", "bash"):
        nowhere = gate(folder, shell=shell, LIEBENCH_JSON="no/such/folder.json")
        assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (2, True)
    assert not (folder / "seen").exists()
    (folder / "bin" / "liebench").unlink()
    path = folder / "bin"
    for tool in ("sh", "mktemp", "grep", "rm"):
        (path / tool).symlink_to(str(shutil.which(tool)))
    missing = gate(folder, PATH=str(path))
    assert (missing.returncode, "not installed" in missing.stderr) == (127, True)


def test_the_script_is_clean() -> None:
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert checker is not None
    done = subprocess.run(
        [checker, "--shell=sh", "--severity=style", GATE], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_the_action_is_valid_and_puts_no_input_into_a_script() -> None:
    action = yaml.safe_load((CI / "github" / "action.yml").read_text())
    valid(action, "github-actions")
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "sh"
    outputs = [value["value"] for value in action["outputs"].values()]
    assert outputs == [f"${{{{ steps.gate.outputs.{name} }}}}" for name in action["outputs"]]
    assert list(action["outputs"]) == ["verdict", "worst-metric", "limit", "exit"]


def test_the_step_of_the_action_runs(folder: Path) -> None:
    action = yaml.safe_load((CI / "github" / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    given = {"inputs.mode": "rerun", "inputs.baseline": "b $(touch pwned)", "inputs.candidate": "c",
             "inputs.probes": "cpu", "inputs.inconclusive": "fail",
             "inputs.reports": "a b"}  # fmt: skip
    env = {k: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: given[m[1]], v) for k, v in step["env"].items()}
    env |= {"GITHUB_ACTION_PATH": str(CI / "github"), "SEEN": str(folder / "seen"), "CODE": "3"}
    env["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", step["run"]], capture_output=True, cwd=folder / "work", env=env, check=False
    )
    assert done.returncode == 3
    assert seen(folder) == ["gate", "cpu", "--mode=rerun", "--baseline=b $(touch pwned)", "--json",
                            "--candidate=c", "--junit=a b/gate.xml",
                            "--markdown=a b/gate.md", "--github"]  # fmt: skip
    assert (folder / "work" / "a b" / "gate.json").is_file()
    assert not (folder / "work" / "pwned").exists()


def test_the_template_of_gitlab_is_valid_and_paints_what_is_inconclusive_orange() -> None:
    template = yaml.safe_load((CI / "gitlab" / "liebench.gitlab-ci.yml").read_text())
    valid(template, "gitlab-ci")
    job = template[".liebench-gate"]
    assert job["allow_failure"] == {"exit_codes": [3]}
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "$LIEBENCH_JUNIT", "metrics": "$LIEBENCH_OPENMETRICS"}
    for name in ("LIEBENCH_JUNIT", "LIEBENCH_OPENMETRICS"):
        assert job["variables"][name]
    valid({"job": {"extends": ".liebench-gate", "stage": "test"}} | template, "gitlab-ci")


def test_the_pipeline_of_jenkins_makes_code_three_unstable() -> None:
    text = (CI / "jenkins" / "Jenkinsfile").read_text()
    assert re.search(r"if \(code == 3\) \{\s+unstable\(", text)
    assert re.search(r"else if \(code != 0\) \{\s+error\(", text)
    assert not re.search(r'(^\s*sh|script:)\s*\(?\s*"', text, re.MULTILINE)  # Groovy would expand the variables there
    code = re.sub(r"//[^\n]*|'[^'\n]*'|\"[^\"\n]*\"", "", text)
    assert all(code.count(a) == code.count(b) for a, b in ("{}", "()"))
