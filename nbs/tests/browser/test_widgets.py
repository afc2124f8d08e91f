"The widgets in JupyterLab and a real browser: sliders are moved, buttons pressed, and the pictures on the page must follow"

import hashlib, time
import pytest

pytestmark = pytest.mark.browser

START = """import torch; torch.set_num_threads(1)
from implicit_compress.widgets.panels import Compare
from implicit_compress import browse, explore, inside
from implicit_compress.image.samples import demo_image
from implicit_compress.codec.api import compress
x = demo_image()[40:104, 130:226]
"""


def source(locator):
    "The address of a picture: another picture has another one"
    return locator.get_attribute("src")


def pixels(page, locator):
    "What a picture on the page is made of, as a hash"
    return hashlib.sha256(
        page.evaluate(
            """async src => { const b = new Uint8Array(await (await fetch(src)).arrayBuffer());
        let s = ''; for (const v of b) s += String.fromCharCode(v); return btoa(s) }""",
            source(locator),
        ).encode()
    ).hexdigest()


def changes(page, locator, was, seconds=120):
    "Wait until a picture on the page is another one"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if (now := pixels(page, locator)) != was:
                return now
        except Exception as e:  # the picture is being replaced at this moment
            if "fetch" not in str(e):
                raise
        page.wait_for_timeout(200)
    raise AssertionError(f"the picture did not change within {seconds} s")


def slide(page, name, key, times=1):
    "Move the slider called `name`, or that of a class, by the keyboard"
    own = f":has(label:text-is('{name}'))" if name[0] != "." else name
    handle = page.locator(f".widget-hslider{own}:visible .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(times):
        handle.press(key)


def test_explore(opened, shot):
    "Fit, see the picture form, stop, get the file, compare with a wipe and a zoom, go on"
    from playwright.sync_api import expect

    page = opened("explore", START + "e = explore(x, bpp=1., seconds=300, threads=1)\ne")
    fit = page.get_by_role("button", name="Fit", exact=True)
    expect(fit).to_be_enabled()
    shot(page, "explore_0_begin")
    live = page.locator(".jp-OutputArea img.widget-image:visible").first
    was = pixels(page, live)
    slide(page, "bits / pixel", "ArrowLeft", 5)
    expect(page.locator(".jp-OutputArea code").first).to_contain_text("bpp=0.891")
    fit.click()
    first = changes(page, live, was)
    expect(page.locator(".jp-OutputArea").first).to_contain_text("s left")
    second = changes(page, live, first)
    assert len({was, first, second}) == 3
    page.wait_for_timeout(5000)
    shot(page, "explore_1_fit")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("ours,").first).to_be_visible()
    expect(fit).to_be_enabled()
    shot(page, "explore_2_compare")
    big = page.locator(".jp-OutputArea img.widget-image:visible").first
    panel = page.locator(".jp-OutputArea img.widget-image:visible").nth(2)
    wiped, plain = pixels(page, big), pixels(page, panel)
    slide(page, ".ic-wipe", "ArrowRight", 8)
    wiped = changes(page, big, wiped)
    slide(page, "zoom", "ArrowRight", 5)
    changes(page, panel, plain)
    zoomed = changes(page, big, wiped)
    shot(page, "explore_3_zoom")
    page.locator(".widget-dropdown:has(label:text-is('show')) select").select_option("errors")
    changes(page, big, zoomed)
    shot(page, "explore_4_errors")
    page.get_by_role("tab", name="Bytes").click()
    expect(page.get_by_text("checksum").first).to_be_visible()
    shot(page, "explore_5_bytes")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("tab", name="Fit", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.locator(".jp-OutputArea").first).to_contain_text("network 1, step")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(fit).to_be_enabled()
    page.locator(".widget-dropdown:has(label:text-is('aim at')) select").select_option(
        "every sample, lossless"
    )
    expect(page.locator(".jp-OutputArea code").first).to_contain_text("lossless=True")
    fit.click()
    expect(page.get_by_text("ours,").first).to_contain_text("lossless")
    expect(page.get_by_role("button", name="Continue")).to_be_disabled()
    shot(page, "explore_6_lossless")


def test_kernel_stays_free(opened):
    "While it works, another cell runs"
    from playwright.sync_api import expect

    page = opened("free", START + "e = explore(x, bpp=1., seconds=300, threads=1)\ne")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.locator(".jp-OutputArea").first).to_contain_text("network 1, step")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.type("e.job.running, 6*7")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("(True, 42)")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


def test_narrow(opened, shot):
    "On a screen as wide as a phone's the knobs stand above the picture, and neither is wider than the screen"
    from playwright.sync_api import expect

    page = opened(
        "narrow",
        START + "e = explore(x, bpp=1., seconds=300, threads=1)\ne",
        width=390,
        height=1600,
    )
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_enabled()
    live = page.locator(".jp-OutputArea img.widget-image:visible").first
    expect(live).to_be_visible()
    page.wait_for_timeout(1000)
    shot(page, "explore_narrow")
    knob, picture = (
        page.locator(".widget-dropdown:visible select").first.bounding_box(),
        live.bounding_box(),
    )
    assert picture["width"] > 150 and picture["x"] + picture["width"] <= 390, picture
    assert knob["x"] + knob["width"] <= 390 and knob["y"] < picture["y"], knob


BENCH = (
    START
    + """
import json, tempfile
from pathlib import Path
from implicit_compress.bench.sweep import asked, decode, encode, row_key, tasks
from implicit_compress.image.save import save_image
work = Path(tempfile.mkdtemp())
for i in range(2): save_image(work/f'{i}.png', demo_image()[40:104, 60*i:60*i + 96])
for d in ('files', 'points'): (work/'r'/d).mkdir(parents=True)
for t in tasks(sorted(work.glob('*.png')), ['jpeg', 'webp', 'instant'], [dict(bpp=b) for b in (.8, 1.5, 2.5)]):
    out = work/'r'/'files'/row_key(t)
    row = asked(t) | encode(t, out) | decode(t, out) | dict(file=out.name)
    (work/'r'/'points'/f'{out.name}.json').write_text(json.dumps(row))
b = browse(work/'r')
b"""
)


def test_browse(opened, shot):
    "Click a point, walk to another, choose a picture"
    from playwright.sync_api import expect

    page = opened("browse", BENCH)
    dots = page.locator(".ic-dot:visible")
    expect(dots).to_have_count(9)
    table, seen = (
        page.locator(".jp-OutputArea table").first,
        page.locator(".jp-OutputArea img.widget-image.ic-pixels:visible"),
    )
    shot(page, "browse_0")
    was = pixels(page, seen)
    page.locator(".ic-dot[title^='webp, point 3']").click()
    expect(table.locator("xpath=..")).to_contain_text("webp")
    was = changes(page, seen, was)
    numbers = table.inner_text()
    slide(page, "point", "ArrowLeft")
    changes(page, seen, was)
    expect(table).not_to_have_text(numbers)
    page.locator(".widget-dropdown:has(label:text-is('picture')) select").select_option("1.png")
    expect(table).to_contain_text("1.png")
    shot(page, "browse_1")


def test_inside(opened, shot):
    "Every leaf, and a slider on those that have one"
    from playwright.sync_api import expect

    page = opened(
        "inside",
        START + "inside(compress(demo_image(), bpp=.4, seconds=6, threads=1, progress=False))",
    )
    expect(page.get_by_text("payload").first).to_be_visible()
    shot(page, "inside_0")
    shown = page.locator(".jp-OutputArea img.widget-image:visible")
    for k, (leaf, slider) in enumerate(
        [("Weights", "layer"), ("Neurons", "layer"), ("Zoom", "left / right")]
    ):
        page.get_by_role("tab", name=leaf).click()
        expect(
            page.locator(f".widget-hslider:has(label:text-is('{slider}')):visible")
        ).to_be_visible()
        expect(shown.last).to_be_visible()
        page.wait_for_timeout(500)
        was = pixels(page, shown.last)
        slide(page, slider, "ArrowRight", 2)
        changes(page, shown.last, was)
        shot(page, f"inside_{k + 1}_{leaf.lower()}")
    page.get_by_role("tab", name="Slopes").click()
    expect(shown).to_have_count(4)
    shot(page, "inside_4_slopes")
