"""Write README.md from nbs/index.ipynb. Like nbdev_readme, but without Quarto.

python nbs/scripts/readme.py
"""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import yaml
from nbconvert import MarkdownExporter
from nbdev.config import get_config
from nbdev.processors import FilterDefaults
from nbdev.serve_drv import exec_nb

WIDGET = "application/vnd.jupyter.widget-view+json"


def processed(path):
    """The notebook as nbdev prepares it for the docs: symbols linked, hidden cells removed."""
    os.environ["IN_TEST"] = "1"
    with TemporaryDirectory() as d:
        exec_nb(path, Path(d) / path.name, FilterDefaults)
        return nbformat.read(Path(d) / path.name, 4)


def front_matter(cell, cfg):
    """Title and subtitle, from the header nbdev made of the first cell."""
    meta = yaml.safe_load(cell.source.strip().strip("-")) or {}
    cell.cell_type, cell.source = (
        "markdown",
        f"# {meta.get('title', cfg.title)}\n\n> {meta.get('description', '')}".rstrip(),
    )


def plain_code(cell):
    """Code without directives; empty if the source is hidden."""
    lines = cell.source.splitlines()
    cell.source = (
        ""
        if "#| echo: false" in lines
        else "\n".join(line for line in lines if not line.startswith("#|"))
    )
    for o in cell.outputs:
        if WIDGET in o.get("data", {}):
            o.data = {"text/plain": "(interactive in JupyterLab)"}


def without_divs(text):
    """Remove the boxes and images of the map, which leaves a list of links."""
    text = re.sub(
        r'^<div class="map">\n(.*?)^</div>$',
        lambda m: re.sub(r"!\[[^\]]*\]\([^)]*\) *", "", m[1]),
        text,
        flags=re.M | re.S,
    )
    return re.sub(r"^</?div[^>]*>\n*", "", text, flags=re.M)


def from_root(text, nbs):
    """Make links relative to the root, and remove attributes of Quarto."""
    text = re.sub(rf"\]\((?![a-z]+:|#|/|{re.escape(nbs)}/)", f"]({nbs}/", text)
    text = re.sub(rf'(<img [^>]*src=")(?![a-z]+:|/|{re.escape(nbs)}/)', rf"\1{nbs}/", text)
    text = re.sub(r"(\]\([^)\s]*\))\{[^}\n]*\}", r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def write_readme():
    """Render the first page and write it, with the images of its outputs, below the root."""
    cfg = get_config()
    nb = processed(cfg.nbs_path / cfg.readme_nb)
    nb.metadata["language_info"] = {"name": "python"}
    for cell in nb.cells:
        if cell.cell_type == "raw":
            front_matter(cell, cfg)
        elif cell.cell_type == "code":
            plain_code(cell)
    nbs = cfg.nbs_path.name
    exporter = MarkdownExporter(exclude_input_prompt=True, exclude_output_prompt=True)
    body, made = exporter.from_notebook_node(
        nb, resources={"output_files_dir": f"{nbs}/images", "unique_key": "index"}
    )
    for name, data in made["outputs"].items():
        (cfg.config_path / name).parent.mkdir(exist_ok=True)
        (cfg.config_path / name).write_bytes(data)
    (cfg.config_path / "README.md").write_text(from_root(without_divs(body), nbs), encoding="utf-8")


if __name__ == "__main__":
    write_readme()
