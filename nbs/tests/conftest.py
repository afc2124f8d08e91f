"""What all tests share: two cores at most, calm hypothesis, and `--flags` with the meaning it has for nbdev_test."""

import os
import shutil

import pytest
from hypothesis import settings
from nbdev.config import get_config

WORKERS = min(2, os.cpu_count() or 1)
os.environ.setdefault(
    "OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else str(WORKERS)
)  # before anything imports torch


FLAGS = ("slow", "cuda", "browser")
settings.register_profile(
    "calm",
    deadline=None,
    derandomize="CI" in os.environ,
    database=None,
    max_examples=50,
    print_blob=True,
)
settings.load_profile("calm")


def pytest_addoption(parser):
    """`pytest nbs/tests --flags slow` runs slow notebook cells and tests marked slow, too."""
    parser.addoption(
        "--flags",
        default="",
        help="space separated test flags to run that are normally skipped: slow cuda browser",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """As many tests at once as there are cores, two at most, one thread each; `-n 0`, `--flags` and one test by its name are for one after the other."""
    alone = (
        "PYTEST_XDIST_WORKER" in os.environ
        or config.getoption("flags")
        or config.getoption("keyword")
        or any("::" in a for a in config.args)
    )
    if config.getoption("numprocesses", None) is None and WORKERS > 1 and not alone:
        config.option.numprocesses, config.option.dist = WORKERS, "worksteal"


def pytest_configure(config):
    """Make the flags known as marks."""
    for flag in FLAGS:
        config.addinivalue_line("markers", f"{flag}: runs only with --flags {flag}")


def pytest_collection_modifyitems(config, items):
    """Skip what carries a flag that was not asked for."""
    asked = config.getoption("flags").split()
    for item in items:
        for flag in FLAGS:
            if item.get_closest_marker(flag) and flag not in asked:
                item.add_marker(pytest.mark.skip(reason=f"needs --flags {flag}"))


@pytest.fixture
def project_copy(tmp_path):
    """The project's sources in a folder of their own, where tools may write."""
    junk = shutil.ignore_patterns(
        ".git",
        ".venv",
        "_proc",
        "_docs",
        "_site",
        "build",
        "dist",
        "*.egg-info",
        "__pycache__",
        ".*_cache",
        ".hypothesis",
        ".ipynb_checkpoints",
    )
    return shutil.copytree(get_config().config_path, tmp_path / "project", ignore=junk)
