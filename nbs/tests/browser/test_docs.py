"""The documentation in a real browser: every link, every page at two widths, the search, the dark, and nothing from other hosts."""

import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from nbdev.config import get_config

pytestmark = pytest.mark.browser

DESK, PHONE = dict(width=1280, height=900), dict(width=390, height=844)
WIDE = "document.documentElement.scrollWidth - window.innerWidth"
LINKS = "[...document.querySelectorAll('a[href]')].map(a => a.href)"
IDS = "[...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"
LIGHT = """name => { const s = getComputedStyle(document.querySelector(name)), own = s.backgroundColor.match(/[\\d.]+/g).map(Number)
    const c = own.length > 3 && !own[3] ? s.color.match(/\\d+/g).map(Number) : own
    return (c[0] + c[1] + c[2])/3 }"""  # of what has a background, else of its ink
TOO_WIDE = """[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 &&
    !e.closest('pre, table, .cell-output, .math, svg')).map(e => e.tagName + '.' + e.className).slice(0, 5)"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of a built site: that of the variable SITE, or a new one."""
    if ready := os.environ.get("SITE"):
        return Path(ready).resolve()
    folder, root = tmp_path_factory.mktemp("site"), get_config().config_path
    done = subprocess.run(
        [sys.executable, "nbs/scripts/build_docs.py", str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder / "_docs"


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def reader(chromium, address):
    """Open a page in a context of its own; whatever goes wrong on it, and whatever it asks of other hosts, fails the test."""
    contexts, wrong = [], []

    def open_(path="/index.html", viewport=DESK, **kw):
        contexts.append(chromium.new_context(viewport=viewport, **kw))
        page = contexts[-1].new_page()
        page.on(
            "console",
            lambda m: wrong.append(f"{page.url}: {m.text}") if m.type == "error" else None,
        )
        page.on("pageerror", lambda e: wrong.append(f"{page.url}: {e}"))
        page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((address, "data:"))
                else wrong.append(f"{page.url} asks for {r.url}")
            ),
        )
        page.on(
            "response", lambda r: wrong.append(f"{r.status}: {r.url}") if r.status >= 400 else None
        )
        page.goto(address + path)
        return page

    yield open_
    for c in contexts:
        c.close()
    assert not wrong, "\n".join(wrong[:20])


def test_every_page(reader, site, address):
    """Follow all links from the first page; each page has a title and content, and is not wider than a desk's or a phone's screen."""
    page, ids, links, todo, wide = reader(), {}, {}, [f"{address}/index.html"], []
    while todo:
        url = todo.pop()
        if url in ids:
            continue
        page.set_viewport_size(DESK)
        page.goto(url)
        ids[url], found = set(page.evaluate(IDS)), page.evaluate(LINKS)
        assert page.title().strip() and page.locator("main h1").first.inner_text().strip(), url
        assert len(page.locator("main").inner_text()) > 300, f"{url} is empty"
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            if page.evaluate(WIDE) > 0:
                wide.append((url, size["width"], page.evaluate(TOO_WIDE)))
        inside = [u for u in found if u.startswith(address)]
        links[url] = inside
        todo += [u for u in (urldefrag(u)[0] for u in inside) if u.endswith(".html")]
    assert not wide, wide
    lost = {
        (page, u)
        for page, us in links.items()
        for u in us
        if (at := urldefrag(u))[1] and at[0] in ids and unquote(at[1]) not in ids[at[0]]
    }
    assert not lost, sorted(lost)[:20]
    missing = {
        u
        for us in links.values()
        for u in us
        if not (site / unquote(urlsplit(u).path).lstrip("/")).exists()
    }
    assert not missing, sorted(missing)[:20]
    built = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    assert built == {urlsplit(u).path.lstrip("/") for u in ids}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_search(reader, size, scheme, shot):
    """Words lead to a page that has them, and what is found can be read."""
    page = reader(viewport=size, color_scheme=scheme)
    if size is PHONE:
        page.locator(".navbar-toggler").click()
    page.locator("input[type=search]:visible").first.fill("entropy coder")
    first = page.locator(".search-result:visible").first
    first.wait_for()
    page.wait_for_timeout(300)
    shot(page, f"docs_search_{size['width']}")
    ink, paper = (
        page.evaluate(LIGHT, ".search-result-text"),
        page.evaluate(LIGHT, ".smalldocs-search-results"),
    )
    assert abs(ink - paper) > 80, f"text of lightness {ink} on {paper}"
    first.click()
    page.wait_for_url(lambda u: "index.html" not in u)
    assert "entropy" in page.locator("main").inner_text().lower()


def test_phone(reader, shot):
    """Figures keep a size that can be read; the list of pages opens and closes, and leads on."""
    page = reader("/benchmarks/kodak.html", PHONE, has_touch=True, is_mobile=True)
    assert page.evaluate(WIDE) <= 0
    small = page.evaluate(
        "[...document.querySelectorAll('.cell-output img')].filter(i => i.getBoundingClientRect().width < Math.min(i.naturalWidth, 600)).length"
    )
    assert not small, f"{small} figures shrink until nobody can read them"
    shot(page, "docs_phone_kodak")
    page.locator(".quarto-btn-toggle").click()
    page.locator("#quarto-sidebar").get_by_text("Explanations").wait_for()
    page.wait_for_timeout(500)
    shot(page, "docs_phone_sidebar")
    page.locator("#quarto-sidebar").get_by_role("link", name="Six images at four rates").click()
    page.wait_for_url("**/six.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark(reader, scheme, shot):
    """The page is as dark as the reader's screen, until the switch says otherwise, and stays so."""
    page = reader("/exact.html", color_scheme=scheme)

    def dark():
        return page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).slice(0, 3).every(v => v < 90)"
        )

    assert dark() == (scheme == "dark")
    shot(page, f"docs_{scheme}")
    page.locator(".quarto-color-scheme-toggle:visible").first.click()
    page.wait_for_timeout(300)
    assert dark() == (scheme == "light")
    page.reload()
    assert dark() == (scheme == "light")


def test_formulas(reader):
    """Formulas are rendered, and no TeX is left."""
    page = reader("/exact.html")
    heights = page.evaluate(
        "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)"
    )
    assert len(heights) > 5 and min(heights) > 5
    assert "\\lfloor" not in page.locator("main").inner_text()
