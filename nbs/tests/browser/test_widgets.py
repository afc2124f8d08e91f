"""The widgets in JupyterLab and a browser: sliders are moved, buttons pressed; images must follow."""

import hashlib
import time

import pytest

pytestmark = pytest.mark.browser

START = """import torch; torch.set_num_threads(1)
from implicit_compress.widgets.panels import Compare
from implicit_compress import browse_results, compress, explore, inspect_file
from implicit_compress.image.samples import demo_image
x = demo_image()[40:104, 130:226]
"""


METHOD = ".widget-dropdown:has(label:text-is('method')) select"


def source(locator):
    """The address of an image: another image has another one."""
    return locator.get_attribute("src")


def pixels(page, locator):
    """What an image on the page is made of, as a hash."""
    return hashlib.sha256(
        page.evaluate(
            """async src => { const b = new Uint8Array(await (await fetch(src)).arrayBuffer());
        let s = ''; for (const v of b) s += String.fromCharCode(v); return btoa(s) }""",
            source(locator),
        ).encode()
    ).hexdigest()


def changes(page, locator, was, seconds=120):
    """Wait until an image on the page is another one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if (now := pixels(page, locator)) != was:
                return now
        except Exception as e:  # the image is being replaced at this moment
            if "fetch" not in str(e):
                raise
        page.wait_for_timeout(200)
    raise AssertionError(f"the image did not change within {seconds} s")


def slide(page, name, key, times=1):
    """Move the slider called `name`, or that of a class, by the keyboard."""
    own = f":has(label:text-is('{name}'))" if name[0] != "." else name
    handle = page.locator(f".widget-hslider{own}:visible .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(times):
        handle.press(key)


def test_explore(opened, shot):
    """Fit, watch the image form, stop, get the file, compare with a slider and a zoom, continue."""
    from playwright.sync_api import expect

    page = opened("explore", START + "e = explore(x, 'siren', bpp=1., seconds=300, threads=1)\ne")
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
    divided, plain = pixels(page, big), pixels(page, panel)
    slide(page, ".ic-divider", "ArrowRight", 8)
    divided = changes(page, big, divided)
    slide(page, "zoom", "ArrowRight", 5)
    changes(page, panel, plain)
    zoomed = changes(page, big, divided)
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
    page.locator(METHOD).select_option("lossless")
    expect(page.locator(".jp-OutputArea code").first).to_contain_text("Lossless()")
    expect(page.locator(".widget-dropdown:has(label:text-is('target')):visible")).to_have_count(0)
    fit.click()
    expect(page.get_by_text("ours,").first).to_contain_text("lossless")
    expect(page.get_by_role("button", name="Continue")).to_be_disabled()
    shot(page, "explore_6_lossless")


def test_methods(opened, shot):
    """Every method has its controls; one without frames shows the time, and can be stopped."""
    from playwright.sync_api import expect

    page = opened("methods", START + "e = explore(x, 'latent', bpp=1., seconds=300, threads=1)\ne")
    fit = page.get_by_role("button", name="Fit", exact=True)
    call = page.locator(".jp-OutputArea code")
    expect(fit).to_be_enabled()
    expect(call.first).to_contain_text("Latent()")
    shot(page, "methods_latent")
    for name, title in (("auto", "latent"), ("wavelet", None), ("hybrid", "residual: wavelet")):
        page.locator(METHOD).select_option(name)
        expect(call.nth(1)).to_have_text(name)
        if title:
            expect(
                page.locator(".jupyter-widget-Collapse-header:visible", has_text=title).first
            ).to_be_visible()
        shot(page, f"methods_{name}")
    page.locator(METHOD).select_option("siren")
    page.locator(".jupyter-widget-Collapse-header:visible", has_text="prune").click()
    page.locator(".widget-dropdown:has(label:text-is('prune')):visible select").select_option(
        "gradual"
    )
    expect(call.nth(1)).to_have_text("siren:prune=gradual")
    slide(page, "sparsity", "ArrowLeft", 2)
    expect(call.nth(1)).to_have_text("siren:prune=gradual,prune.sparsity=0.4")
    page.locator(".jupyter-widget-Collapse-header:visible", has_text="hash").click()
    shot(page, "methods_siren")
    page.locator(".widget-dropdown:has(label:text-is('hash')):visible select").select_option(
        "multihash"
    )
    expect(page.locator(".ic-error:visible")).to_contain_text("siren.prune and siren.hash")
    expect(fit).to_be_disabled()
    page.locator(METHOD).select_option("latent")
    expect(call.nth(1)).to_have_text("latent")  # the browser has changed no value
    page.wait_for_timeout(2000)
    expect(call.nth(1)).to_have_text("latent")
    fit.click()
    expect(page.locator(".jp-OutputArea").first).to_contain_text("Fitting without frames")
    page.wait_for_timeout(3000)
    shot(page, "methods_latent_fit")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    shot(page, "methods_latent_done")


def test_kernel_stays_free(opened):
    """While it works, another cell runs."""
    from playwright.sync_api import expect

    page = opened("free", START + "e = explore(x, 'siren', bpp=1., seconds=300, threads=1)\ne")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.locator(".jp-OutputArea").first).to_contain_text("network 1, step")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.type("e.job.running, 6*7")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("(True, 42)")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


def test_narrow(opened, shot):
    """On a screen as wide as a phone's the controls stand above the image, and neither is wider than the screen."""
    from playwright.sync_api import expect

    page = opened(
        "narrow",
        START + "e = explore(x, 'siren', bpp=1., seconds=300, threads=1)\ne",
        width=390,
        height=1600,
    )
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_enabled()
    live = page.locator(".jp-OutputArea img.widget-image:visible").first
    expect(live).to_be_visible()
    page.wait_for_timeout(1000)
    shot(page, "explore_narrow")
    control = page.locator(".widget-dropdown:visible select").first.bounding_box()
    image = live.bounding_box()
    assert image["width"] > 150 and image["x"] + image["width"] <= 390, image
    assert control["x"] + control["width"] <= 390 and control["y"] < image["y"], control


BENCH = (
    START
    + """
import json, tempfile
from pathlib import Path
from implicit_compress.bench.codecs import row_key, tasks
from implicit_compress.bench.measure import decode_task, encode_task, point_fields
from implicit_compress.image.save import save_image
work = Path(tempfile.mkdtemp())
for i in range(2): save_image(work/f'{i}.png', demo_image()[40:104, 60*i:60*i + 96])
for d in ('files', 'points'): (work/'r'/d).mkdir(parents=True)
for t in tasks(sorted(work.glob('*.png')), ['jpeg', 'webp', 'wavelet'], [dict(bpp=b) for b in (.8, 1.5, 2.5)]):
    out = work/'r'/'files'/row_key(t)
    row = point_fields(t) | encode_task(t, out) | decode_task(t, out) | dict(file=out.name)
    (work/'r'/'points'/f'{out.name}.json').write_text(json.dumps(row))
b = browse_results(work/'r')
b"""
)


def test_browse_results(opened, shot):
    """Click a point, walk to another, choose an image."""
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
    page.locator(".widget-dropdown:has(label:text-is('image')) select").select_option("1.png")
    expect(table).to_contain_text("1.png")
    shot(page, "browse_1")


def test_inspect_file(opened, shot):
    """Every page, and a slider on those that have one."""
    from playwright.sync_api import expect

    page = opened(
        "inside",
        START + "inspect_file(compress(demo_image(), 'siren', bpp=.4, seconds=6, threads=1))",
    )
    expect(page.get_by_text("payload").first).to_be_visible()
    shot(page, "inside_0")
    shown = page.locator(".jp-OutputArea img.widget-image:visible")
    for k, (title, slider) in enumerate(
        [("Weights", "layer"), ("Activations", "layer"), ("Between pixels", "left / right")]
    ):
        page.get_by_role("tab", name=title).click()
        expect(
            page.locator(f".widget-hslider:has(label:text-is('{slider}')):visible")
        ).to_be_visible()
        expect(shown.last).to_be_visible()
        page.wait_for_timeout(500)
        was = pixels(page, shown.last)
        slide(page, slider, "ArrowRight", 2)
        changes(page, shown.last, was)
        shot(page, f"inside_{k + 1}_{title.split()[0].lower()}")
    page.get_by_role("tab", name="Gradients").click()
    expect(shown).to_have_count(4)
    shot(page, "inside_4_gradients")
