"""Text in an answer: whatever bytes a kernel hands over, the answer is JSON that holds the same text."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # it is built with sanitizers first

# A kernel as somebody else would write it: its only fact is what stdin holds, under a name that is no plain word.
ECHO = r"""
#include "lb.h"
#include <unistd.h>

static int run(struct lb_run *run)
{
    static char text[4096];
    double *values = lb_series(run, "odd \"quantity\" \\");
    lb_begin(run);
    for (ssize_t got, used = 0; (got = read(0, text + used, sizeof text - 1 - used)) > 0; used += got)
        values[0] = (double)used;
    lb_end(run);
    lb_fact_text(run, "said", text);
    lb_fact_text(run, "a \"name\"\n\\", "");
    lb_fact_num(run, "none", 0 / values[0]);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {{"note", 's', 0, 0, 0, NULL}, {NULL, 0, 0, 0, 0, NULL}};
static const struct lb_kernel ECHO = {"echo", "says what it hears", run, 0, 1, 1, KEYS};
LB_KERNEL(ECHO);
"""


@pytest.fixture(scope="module")
def echo(build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    kernel = tmp_path_factory.mktemp("echo") / "echo.c"
    kernel.write_text(ECHO)
    return build("cc", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", str(kernel))


def said(echo: Path, text: bytes) -> str:
    done = subprocess.run([echo, "echo", 'note=a "b" \\c'], input=text, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 1
    answer = json.loads(done.stdout.decode())  # strict: the bytes themselves are UTF-8
    assert answer["args"] == {"note": 'a "b" \\c'}
    assert list(answer["samples"]) == ['odd "quantity" \\']
    assert list(answer["facts"]) == ["said", 'a "name"\n\\', "none"]
    assert answer["facts"]["none"] is None
    return str(answer["facts"]["said"])


HARD = {
    "nothing": b"",
    "quotes and backslashes": rb'a "quoted" \ \\ \" \u0041 text\n',
    "every control byte": bytes(range(1, 33)) + b"\x7f",
    "every length of UTF-8": "é ß € 한 😀 \u07ff \u0800 \ud7ff \ue000 \uffff \U00010000 \U0010ffff".encode(),
    "a lone continuation": b"a\x80b\xbf",
    "cut short": b"\xe2\x82 \xf0\x9f\x98 \xc3",
    "cut short at a quote": b'\xe2\x82" \xf0\x9f\x98\\ \xc3\x01',
    "overlong": b"\xc0\xaf \xc1\xbf \xe0\x80\xaf \xf0\x80\x80\xaf",
    "surrogates": b"\xed\xa0\x80 \xed\xbf\xbf",
    "beyond the last": b"\xf4\x90\x80\x80 \xf5\x80 \xff\xfe",
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_a_text_arrives_as_it_is(echo: Path, text: bytes) -> None:
    assert said(echo, text) == text.decode("utf-8", "replace")


def test_random_bytes_arrive(echo: Path) -> None:
    rng = random.Random(20261130)
    often = b'"\\\n\x7f\x80\xbf\xc2\xe0\xa0\xed\x9f\xf0\x90\xf4\x8f a'
    for _ in range(40):
        text = bytes(rng.choice(often) if rng.random() < 0.8 else rng.randrange(1, 256) for _ in range(200))
        assert said(echo, text) == text.decode("utf-8", "replace")


def test_an_error_of_a_place_is_told_whole(echo: Path) -> None:
    done = subprocess.run([echo, "place"], input='no"such\\kernel\t\xe9\nend\n'.encode("latin-1"), capture_output=True)
    place, answer = map(json.loads, done.stdout.decode().splitlines())
    assert place == {"place": 1}
    assert 'there is no kernel "no"such\\kernel\t\ufffd"' in answer["error"]
