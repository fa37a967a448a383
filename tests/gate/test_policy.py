"""The policy file: whatever is wrong is one error that names the place, and the longest name wins."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.cli.gate import read_policy
from liebench.contract import Word
from liebench.errors import UsageError
from liebench.gate.policy import TAIL, Level, LevelRule, Policy, parse_policy, policy_of, share

GOOD = """
[gate]
limit = "4 %"
floor = 0.005
inconclusive = "pass"
[levels]
cpu = "warn"
smt-core = { level = "error", limit = "8 %", worse-than = "harmless" }
"smt-core/pair" = { tail = "30 %" }
"smt-core/pair/b" = "off"
"""


def test_the_longest_name_wins() -> None:
    policy = parse_policy(GOOD, "gate.toml")
    assert policy.base == LevelRule(Level.ERROR, 0.04, 0.005, 0.08)
    assert not policy.inconclusive_fails
    assert policy.rule("clock", "clock-read") == policy.base
    assert policy.rule("cpu", "cpu-share", "c", "a").level is Level.WARN
    core = policy.rule("cpu", "smt-core", "other", "a")
    assert core == LevelRule(Level.ERROR, 0.08, 0.005, 0.16, Word.HARMLESS)
    assert policy.rule("cpu", "smt-core", "pair", "a").tail == 0.30
    assert policy.rule("cpu", "smt-core", "pair", "a").limit == 0.08
    assert policy.rule("cpu", "smt-core", "pair", "b").level is Level.OFF


def test_a_preview_warns_at_most() -> None:
    policy = parse_policy(GOOD, "gate.toml")
    assert policy.rule("clock", "new", preview=True).level is Level.WARN
    assert policy.rule("cpu", "smt-core", "pair", "b", preview=True).level is Level.OFF


def test_a_tail_need_not_be_proved_the_same() -> None:
    rule = LevelRule(limit=0.05, tail=0.2)
    assert (rule.limits("median").limit, rule.limits("median").proves_same) == (0.05, True)
    assert (rule.limits(TAIL).limit, rule.limits(TAIL).proves_same) == (0.2, False)


@pytest.mark.parametrize(("said", "means"), [("5 %", 0.05), ("5%", 0.05), (0.05, 0.05), ("0.05", 0.05), (0, 0.0)])
def test_a_share_is_read(said: object, means: float) -> None:
    assert share(said, "x") == pytest.approx(means)


@pytest.mark.parametrize(
    "said", ["", "%", "five", "nan", "inf", "1e999", -0.1, "-1 %", 10, True, None, [], {}, "5 % %"]
)
def test_what_is_no_share_names_its_place(said: object) -> None:
    with pytest.raises(UsageError, match=r"levels\.x\.limit should be a share"):
        share(said, "levels.x.limit")


WRONG = {
    "[gate": "is no TOML",
    "x = " + "[" * 3000: "is no TOML",
    "gate = 5": r"\[gate\] should be a table",
    "levels = 5": r"\[levels\] should be a table",
    "[gates]": r"table \[gates\]",
    "[gate]\nlimits = 5": r"gate\.limits means nothing",
    "[gate]\nlimit = 'much'": r"gate\.limit should be a share",
    "[gate]\nlimit = '1 %'": r"gate: the floor \(0\.01\) must be below",
    "[gate]\ntail = '1 %'": "the floor",
    "[gate]\ninconclusive = 'maybe'": r"gate\.inconclusive should be",
    "[gate]\ninconclusive = ['fail']": r"gate\.inconclusive should be",
    "[gate]\nlevel = 'loud'": r"gate\.level should be error, warn or off",
    "[levels]\nclock = 5": r"levels\.clock should be",
    "[levels]\nclock = 'errors'": r"levels\.clock\.level should be",
    "[levels]\nclock = { level = [] }": r"levels\.clock\.level should be",
    "[levels]\nclock = { worse-than = 'awful' }": r"levels\.clock\.worse-than should be",
    "[levels]\nclock = { worse-than = 'inconclusive' }": r"levels\.clock\.worse-than should be",
    "[levels]\nclock = { worse_than = 'harmless' }": r"levels\.clock\.worse_than means nothing",
    "[levels]\nclock = { floor = '6 %' }": r"levels\.clock: the floor",
    "[levels]\nclock = { limit = true }": r"levels\.clock\.limit should be a share",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda t: t[:40].replace("\n", " "))
def test_what_is_wrong_is_one_error_that_names_the_place(text: str) -> None:
    with pytest.raises(UsageError, match=WRONG[text]) as caught:
        parse_policy(text, "ci/gate.toml")
    assert str(caught.value).startswith("ci/gate.toml")


def test_lines_that_are_right_alone_and_wrong_together() -> None:
    policy = parse_policy("[levels]\ncpu = { limit = '2 %' }\nsmt-core = { floor = '3 %' }", "f")
    with pytest.raises(UsageError, match="lines about smt-core/pair together: the floor"):
        policy.rule("cpu", "smt-core", "pair")
    assert policy.rule("clock", "smt-core").floor == 0.03


def test_the_command_line_wins_over_the_general_rule_only() -> None:
    policy = parse_policy(GOOD, "f").with_limits(0.02, 0.001)
    assert policy.base == LevelRule(Level.ERROR, 0.02, 0.001, 0.04)
    assert policy.rule("cpu", "smt-core").limit == 0.08
    with pytest.raises(UsageError, match="the command line: the floor"):
        Policy().with_limits(0.01, None)


def test_what_is_stored_is_read_back() -> None:
    policy = parse_policy(GOOD, "f")
    assert policy_of(policy.stored(), "policy") == policy


SCALARS: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([[]])
)
KEYS = st.sampled_from(
    ["gate", "levels", "limit", "floor", "tail", "level", "worse-than", "inconclusive", "p", "p/c", ""]
)
TABLES = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@settings(derandomize=True, deadline=None, max_examples=1500)
@given(st.dictionaries(KEYS, TABLES, max_size=3))
def test_any_table_is_a_policy_or_one_error(data: dict[str, object]) -> None:
    try:
        rule = policy_of(data, "f").rule("cpu", "p", "c", "a")
    except UsageError as error:
        right = str(error).startswith(("f", "the policy's lines"))
    else:
        right = rule.floor < min(rule.limit, rule.tail)
    assert right


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_policy(None) == Policy()
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "gate.toml").write_bytes(b"\xff\xfe")
    for path in (None, tmp_path, tmp_path / "none.toml"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_policy(path)


def test_a_level_of_nothing_that_exists_is_named() -> None:
    policy = parse_policy('[levels]\ncpu = "warn"\n"clock-raed/vdso" = "off"\nsmt-core = "off"\n', "f")
    assert policy.strangers(["cpu", "smt-core", "clock-read"]) == ["clock-raed/vdso"]
