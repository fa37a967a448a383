"""Every kind of page in a real browser: nothing runs, is asked for or overflows, and axe finds no fault."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.browser import CHROMIUM, Browser, Tab
from tests.helpers.golden_pages import LOOKS, PAGES, golden, page_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]
FITS = "document.scrollingElement.scrollWidth <= innerWidth"
AXE = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => [v.id, v.nodes[0].html]))"
# a text whose box is cut off by its own element can be read by nobody
CUT = """[...document.querySelectorAll('body *')].filter(e => e.scrollWidth > e.clientWidth + 1
  && getComputedStyle(e).overflowX === 'hidden').map(e => e.outerHTML.slice(0, 80))"""
EVIL = [
    "</script><script>document.title = 'hit'</script>",
    '"><img src=x onerror="document.title=\'hit\'">',
    "<svg onload=\"document.title='hit'\"><animate onbegin=\"document.title='hit'\"/></svg>",
    "</style><style>body{display:none}</style>",
    "javascript:document.title='hit'",
    "url(http://127.0.0.1:9/x)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "\u202e\u2066evil\u0000\u001b[31m\u009b",
    "W" * 3000,
    "&lt;b&gt;&#x3c;script&#x3e;",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of axe-core, which a package of PyPI brings along."""
    found = importlib.util.find_spec("axe_core_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, page in PAGES.items():
        (folder / f"{name}.html").write_text(page(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_look_and_asks_nobody_for_anything(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    for look, how in LOOKS.items():
        tab = Tab(browser, pages[name], **how)
        assert tab.value(FITS), (look, tab.value("document.scrollingElement.scrollWidth"))
        assert tab.value(CUT) == [], look
        assert (tab.requests(), tab.alarms()) == ([], []), look
        tab.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("how", [{}, {"dark": True}, {"width": 360}], ids=["light", "dark", "narrow"])
def test_axe_finds_no_violation(
    browser: Browser, pages: dict[str, Path], axe: str, name: str, how: dict[str, Any]
) -> None:
    tab = Tab(browser, pages[name], **how)
    tab.value(axe + "; 1")
    assert tab.value(AXE) == []
    tab.close()


def test_axe_would_find_one(browser: Browser, axe: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text('<html><title>x</title><main><p style="color:#ccc">pale</p><img src="data:,"></main></html>')
    tab = Tab(browser, path)
    tab.value(axe + "; 1")
    assert {name for name, _ in tab.value(AXE)} >= {"color-contrast", "image-alt", "html-has-lang"}
    tab.close()


@pytest.mark.parametrize("name", ["run", "comparison", "fleet"])
def test_nothing_changes_without_javascript(browser: Browser, pages: dict[str, Path], name: str) -> None:
    drawn = []
    for scripts in (True, False):
        tab = Tab(browser, pages[name], scripts=scripts)
        drawn.append(tab.picture())
        tab.close()
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) > 10_000


def test_what_is_folded_is_printed(browser: Browser, pages: dict[str, Path]) -> None:
    seen = {}
    for media in ("screen", "print"):
        tab = Tab(browser, pages["run"], media=media)
        seen[media] = tab.value("document.querySelector('article details p').checkVisibility()")
        tab.close()
    assert seen == {"screen": False, "print": True}


def test_dark_is_dark_and_print_is_not(browser: Browser, pages: dict[str, Path]) -> None:
    grounds = {}
    looks: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "print": {"dark": True, "media": "print"}}
    for look, how in looks.items():
        tab = Tab(browser, pages["run"], **how)
        grounds[look] = tab.value("getComputedStyle(document.body).backgroundColor")
        tab.close()
    assert grounds == {"light": "rgb(253, 253, 251)", "dark": "rgb(22, 22, 20)", "print": "rgb(255, 255, 255)"}


def places(value: Any, put: Callable[[Any], None]) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Every string below a value, with how to replace it."""
    if isinstance(value, str):
        yield value, put
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from places(held, lambda new, k=key: value.__setitem__(k, new))  # type: ignore[misc]
    elif isinstance(value, list):
        for i, held in enumerate(value):
            yield from places(held, lambda new, k=i: value.__setitem__(k, new))  # type: ignore[misc]


WORDS = {"kind", "state", "better", "rhythm", "subject", "quantity", "case", "probe", "id", "arm", "schema", "work"}


def hostile(text: str) -> dict[str, Any]:
    """The golden run with this in every string that is not one of the format's own words."""
    doc: dict[str, Any] = json.loads(json.dumps(golden()))
    rows = [doc["host"], doc["settings"], doc["tool"], doc["command"], doc["receipt"]]
    for name, row in doc["probes"].items():
        rows += [row["claim"], row["facts"]]
        for case in row["cases"].values():
            case |= {"asks": text, "unit": text}
            case["words"] = {k: {**v, "says": text, "term": text} for k, v in case["words"].items()}
        row |= {"error": text, "needs": text, "cure": text}
        if name == "swap-cache":
            row["state"] = "failed"
        if name == "timer-wake":
            row["state"] = "skipped"
    for row in rows:
        for _, put in list(places(row, lambda new: None)):
            put(text)
    doc["receipt"]["difference"] = [text]
    doc["host"][text] = {text: text}
    doc |= {"started": text, "stopped": text, "id": text}
    return doc


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_hostile_run_files_run_nothing_ask_for_nothing_and_overflow_nothing(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_of(hostile(text)), encoding="utf-8")
    for width in (360, 1040):
        tab = Tab(browser, path, width=width)
        assert tab.value("document.title") != "hit"
        assert tab.value("document.querySelectorAll('script, img, iframe, object, form').length") == 1  # the data
        assert tab.value("getComputedStyle(document.body).display") == "block"
        assert tab.value("document.querySelectorAll('h2').length") >= 5
        assert tab.value("document.querySelectorAll('article').length") >= 9
        assert "49" not in tab.value("document.querySelector('h1').textContent")
        assert tab.value(FITS), (width, tab.value("document.scrollingElement.scrollWidth"))
        assert (tab.requests(), tab.alarms()) == ([], [])
        tab.close()


def test_the_policy_stops_a_script_that_got_in_all_the_same(browser: Browser, tmp_path: Path) -> None:
    """The check above can fail: without the policy the same script runs, with it the browser refuses and says so."""
    page, script = PAGES["run-one"](), "<script>document.title = 'hit'</script></body>"
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", script))
    tab = Tab(browser, path)
    assert tab.value("document.title") != "hit"
    assert any("Content Security Policy" in said for said in tab.alarms())
    tab.close()
    path.write_text(page.replace("default-src 'none'", "default-src 'unsafe-inline'").replace("</body>", script))
    tab = Tab(browser, path)
    assert tab.value("document.title") == "hit"
    tab.close()


def test_every_page_has_its_pictures() -> None:
    """Pictures that a person looked at: ``python -m tests.helpers.golden_pages`` draws them."""
    folder = Path(__file__).parents[1] / "golden"
    for name in PAGES:
        for look in LOOKS if not name.startswith("run-") else ("light",):
            assert (folder / f"{name}-{look}.webp").stat().st_size > 1000
    assert sum(p.stat().st_size for p in folder.glob("*.webp")) < 1_000_000
