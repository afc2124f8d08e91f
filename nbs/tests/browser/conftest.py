"""A JupyterLab and a browser, for tests that run with `--flags browser`: they need playwright and a chromium (CHROMIUM names another path)."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat as nf
import pytest
from nbformat.v4 import new_code_cell, new_notebook

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 1000 * int(
    os.environ.get("PATIENCE", 180)
)  # milliseconds that anything may take on a slow machine


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server that shares nothing with the user's own settings: (address, token, folder of its notebooks)."""
    root = tmp_path_factory.mktemp("lab")
    (home := root / "notebooks").mkdir()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(8)
    (news := root / "settings/@jupyterlab/apputils-extension").mkdir(
        parents=True
    )  # no news, no look for updates
    (news / "notification.jupyterlab-settings").write_text(
        json.dumps(dict(fetchNews="false", checkForUpdates=False))
    )
    env = dict(
        os.environ,
        JUPYTER_CONFIG_DIR=str(root / "config"),
        JUPYTER_DATA_DIR=str(root / "data"),
        JUPYTER_RUNTIME_DIR=str(root / "run"),
        JUPYTERLAB_SETTINGS_DIR=str(root / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(root / "spaces"),
        IPYTHONDIR=str(root / "ipython"),
    )
    log = root / "lab.log"
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.root_dir={home}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ],
        env=env,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE / 1000
    while True:
        try:
            urllib.request.urlopen(f"{address}/api?token={token}", timeout=1)
            break
        except OSError:
            if time.monotonic() > end or server.poll() is not None:
                pytest.fail(log.read_text())
            time.sleep(0.25)
    yield address, token, home
    server.terminate()
    server.wait(30)


@pytest.fixture(scope="session")
def chromium():
    """A browser."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(lab, chromium):
    """Open a notebook of one cell, run it, and give the page; an error in the console of the page fails the test."""
    address, token, home = lab
    pages, wrong = [], []

    def open_(name, code, width=1500, height=1250):
        from playwright.sync_api import expect

        kernel = dict(kernelspec=dict(name="python3", display_name="Python 3", language="python"))
        nf.write(new_notebook(cells=[new_code_cell(code)], metadata=kernel), home / f"{name}.ipynb")
        page = chromium.new_page(viewport=dict(width=width, height=height))
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        pages.append(page)
        page.goto(f"{address}/lab/tree/{name}.ipynb?token={token}&reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        expect(page.locator("#jp-main-statusbar")).to_contain_text(
            "| Idle"
        )  # the notebook's own indicator is too early
        page.keyboard.press("Control+b")  # no file browser: more space for the widget
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        return page

    yield open_
    for page in pages:
        page.close()
    assert not wrong, wrong


@pytest.fixture
def shot():
    """Save what a page shows into the folder SHOTS, if there is one: pictures to look at."""

    def save(page, name):
        if folder := os.environ.get("SHOTS"):
            page.screenshot(path=f"{folder}/{name}.png")

    return save
