"""Facts about the package are in settings.ini, shared with nbdev; here setuptools gets them."""

import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(HERE / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
lib, words = cfg["lib_name"], lambda key: shlex.split(cfg[key])

setup(
    name=lib,
    version=cfg["version"],
    description=cfg["description"],
    keywords=cfg["keywords"],
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license={"apache2": "Apache-2.0"}[cfg["license"]],
    license_files=["LICENSE"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=f">={cfg['min_python']}",
    install_requires=words("requirements"),
    extras_require={
        "dev": words("dev_requirements"),
        "docs": words("docs_requirements"),
        "cluster": words("cluster_requirements"),
        "widgets": words("widgets_requirements"),
    },
    packages=find_packages(include=[lib, f"{lib}.*"]),
    package_data={lib: ["images/*", "*.bin", "*.npz", "published.json", "py.typed"]},
    zip_safe=False,
    entry_points={"console_scripts": words("console_scripts"), "nbdev": [f"{lib}={lib}._modidx:d"]},
)
