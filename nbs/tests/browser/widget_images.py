"""Images of the widgets for the first page and the chapters: nbs/images/explore.jpg, browse.jpg and inside.jpg.

    python -m pytest -q nbs/tests/browser/widget_images.py --flags browser

pytest does not collect this file by itself: the images are made anew when the widgets change.
"""

import io

import pytest
from nbdev.config import get_config
from PIL import Image
from test_widgets import BENCH, START, slide

pytestmark = pytest.mark.browser

WIDTH = 1000  # of the images, pixels


def save_output(page, name):
    """Save the output of the cell as an image of the documentation."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)
    data = page.locator(".jp-OutputArea-output").first.screenshot()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    size = WIDTH, round(image.height * WIDTH / image.width)
    path = get_config().nbs_path / "images" / f"{name}.jpg"
    image.resize(size, Image.Resampling.LANCZOS).save(path, quality=85)


def test_explore_image(opened):
    """The comparison after a fit of 40 seconds."""
    from playwright.sync_api import expect

    code = "e = explore(demo_image(), 'latent', bpp=0.4, seconds=40, threads=1)\ne"
    page = opened("explore_image", START + code, width=1500, height=1300)
    page.get_by_role("button", name="Fit", exact=True).click()
    tab = page.get_by_role("tab", name="Compare")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("ours,").first).to_be_visible()
    save_output(page, "explore")


def test_browse_image(opened):
    """The curves of a small sweep, with a point that was clicked."""
    from playwright.sync_api import expect

    page = opened("browse_image", BENCH, width=1300, height=1900)
    expect(page.locator(".ic-dot:visible")).to_have_count(9)
    page.locator(".ic-dot[title^='webp, point 3']").click()
    expect(page.locator(".jp-OutputArea table").first.locator("xpath=..")).to_contain_text("webp")
    save_output(page, "browse")


def test_inside_image(opened):
    """The activations of the second layer."""
    from playwright.sync_api import expect

    code = "inspect_file(compress(demo_image(), 'siren', bpp=0.4, seconds=20, threads=1))"
    page = opened("inside_image", START + code, width=1250, height=1000)
    page.get_by_role("tab", name="Activations").click()
    expect(page.locator(".widget-hslider:has(label:text-is('layer')):visible")).to_be_visible()
    slide(page, "layer", "ArrowRight")
    expect(page.get_by_text("neurons of layer 2")).to_be_visible()
    save_output(page, "inside")
