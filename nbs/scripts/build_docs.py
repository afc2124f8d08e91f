"""Build the documentation site without Quarto: nbdev prepares the notebooks, smalldocs renders.

    pip install -e '.[dev,docs]'
    python nbs/scripts/build_docs.py [FOLDER]      # in the root of the project

The site is written to FOLDER/_docs (_site/_docs). It loads nothing from other hosts: formulas are
MathML, which browsers render, and fonts are those of the system.
"""

import html
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fastcore.docments
import yaml
from latex2mathml.converter import convert
from nbdev.config import get_config
from nbdev.quarto import nbdev_sidebar, refresh_quarto_yml
from nbdev.serve import proc_nbs

NOT_PAGES = shutil.ignore_patterns("*.bak", "tests", "scripts")
FOLDERS = dict(tutorials="Tutorials", benchmarks="Results", explanations="Explanations")
PACKAGES = {  # folder of a package: title of its section
    "05_runtime": "Errors, files and threads",
    "10_settings": "Settings",
    "15_image": "Images and metrics",
    "20_entropy": "Entropy coding",
    "25_transform": "Transforms",
    "30_bitstream": "File format",
    "40_siren": "SIREN codec",
    "45_wavelet": "Wavelet codec",
    "50_hybrid": "Hybrid codec",
    "60_latent": "Latent codec",
    "65_lossless": "Lossless codec",
    "70_codec": "Compress and decompress",
    "75_bench": "Benchmarks",
    "80_view": "Figures",
    "85_cli": "Command line",
    "88_pillow": "Pillow",
    "90_widgets": "Widgets",
}


def signature(symbol, eval_str=False, **kw):
    """As `inspect.signature`; names that only type checkers import stay strings."""
    try:
        return inspect.signature(symbol, eval_str=eval_str, **kw)
    except NameError:
        return inspect.signature(symbol, **kw)


fastcore.docments.signature = signature  # show_doc evaluates annotations with it


def prepare():
    """Let nbdev process all notebooks, without its cache; returns the output folder."""
    cfg = get_config()
    refresh_quarto_yml()
    nbdev_sidebar.__wrapped__(path=cfg.nbs_path)
    return Path(proc_nbs(cfg.nbs_path, n_workers=1, force=True))


def simplify_config(folder):
    """Remove the two keys of the Quarto configuration that smalldocs does not support."""
    path = folder / "_quarto.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["format"].pop("commonmark", None)
    config["format"]["html"].pop("keep-md", None)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def page_name(nb, path):
    """Take `output-file` out of the front matter and follow it: 00_io.ipynb becomes io.ipynb."""
    first = nb["cells"][0]
    front = "".join(first["source"])
    found = re.search(r"^output-file: *(\S+)\.html$", front, re.M)
    if first["cell_type"] != "raw" or not found:
        return path.name
    first["source"] = re.sub(r"^output-file:.*\n", "", front, flags=re.M)
    return found[1] + ".ipynb"


def stage(prepared, folder):
    """Copy the `prepared` pages to `folder` with final names and links that work from disk, too."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder, ignore=NOT_PAGES)
    simplify_config(folder)
    site = (
        yaml.safe_load((folder / "nbdev.yml").read_text(encoding="utf-8"))["website"][
            "site-url"
        ].rstrip("/")
        + "/"
    )
    names, pages = (
        {},
        {p: json.loads(p.read_text(encoding="utf-8")) for p in folder.rglob("*.ipynb")},
    )
    for path, nb in pages.items():
        names[path.name] = page_name(nb, path)
    numbered = (
        re.compile(
            r"(?<![\w])(" + "|".join(re.escape(old) for old in names if old != names[old]) + r")\b"
        )
        if names
        else None
    )
    for path, nb in pages.items():
        if "benchmarks" in path.relative_to(folder).parts:
            fold(nb)
        mend_docs(nb)
        up = "../" * len(path.relative_to(folder).parent.parts)
        path.unlink()
        path.with_name(names[path.name]).write_text(
            relink(json.dumps(nb), site, up, names, numbered), encoding="utf-8"
        )
    bar = yaml.safe_dump(
        dict(website=dict(sidebar=dict(contents=sidebar(pages, folder)))), sort_keys=False
    )
    (folder / "sidebar.yml").write_text(numbered.sub(lambda m: names[m[1]], bar), encoding="utf-8")


def fold(nb):
    """Collapse the code on a page of results."""
    for cell in nb["cells"]:
        if cell["cell_type"] == "code" and "code-fold" not in "".join(cell["source"]):
            cell["source"] = "#| code-fold: true\n" + "".join(cell["source"])


def mend_docs(nb):
    """Correct the documentation of nbdev: no links in code, shell commands under their names."""
    for cell in nb["cells"]:
        name = re.search(r"^show_doc\((\w+)\)", "".join(cell["source"]), re.M)
        for data in (o.get("data", {}) for o in cell.get("outputs", []) if name):
            text = "".join(data.get("text/markdown", ""))
            text = re.sub(
                r"```python.*?```",
                lambda code: re.sub(r"\[`([^`]+)`\]\([^)]*\)", r"\1", code[0]),
                text,
                flags=re.S,
            )
            if re.search(r"def Commands?\.__call__", text):
                text = command_doc(text, name[1])
            if text:
                data["text/markdown"] = text


def command_doc(text, name):
    """The documentation of a command."""
    line = f"implicit-compress{'' if name == 'main' else ' ' + name.replace('_', '-')} --help"
    text = re.sub(r"^### Commands?$", f"### {name}", text, flags=re.M)
    text = re.sub(r"```python.*?```", f"```bash\n{line}\n```", text, flags=re.S)
    text = re.sub(
        r"\x08\n(.*?)(?=\n\n|\Z)", r"```bash\n\1\n```", text, flags=re.S
    )  # click leaves such a paragraph as it is
    return re.sub(r"(?<=\w )(--\w+)(?=,)", r"`\1`", text)


def sidebar(pages, folder):
    """Content of the sidebar: folders, in the order of the first page; then packages, by number."""
    first = "".join(
        line for cell in pages[folder / "index.ipynb"]["cells"] for line in cell["source"]
    )
    found = sorted(p.relative_to(folder).as_posix() for p in pages if p.stem != "index")

    def place(name):
        return at if (at := first.rfind(f"({name})")) >= 0 else len(first)

    out = [
        dict(section=title, contents=sorted((n for n in found if n.startswith(f"{f}/")), key=place))
        for f, title in FOLDERS.items()
    ]
    unknown = {n.partition("/")[0] for n in found if n[:2].isdigit()} - set(PACKAGES)
    if unknown:
        sys.exit(f"no section of the sidebar has a title for {unknown}")
    out += [
        dict(section=title, contents=[n for n in found if n.startswith(f"{f}/")])
        for f, title in PACKAGES.items()
    ]
    return ["index.ipynb", *out]


def relink(text, site, up, names, numbered):
    """Make links to the site relative, rename links to notebooks; keep links to the repository."""
    text = text.replace(site, up)
    return re.sub(
        r"\]\((?![a-z]+:)[^)\s]*\)", lambda link: numbered.sub(lambda m: names[m[1]], link[0]), text
    )


def formula(found):
    """Convert a TeX formula in a page to MathML."""
    tex = re.sub(
        r"\\(Big|big)\\([lr])(floor|ceil)",
        lambda m: f"\\{m[1]}" + dict(lfloor="⌊", rfloor="⌋", lceil="⌈", rceil="⌉")[m[2] + m[3]],
        html.unescape(found[2]),
    )
    display = "block" if found[1] == "display" else "inline"
    return f'<span class="math {found[1]}">{convert(tex, display=display)}</span>'


def wrapped(found):
    """Wrap each line of a command box or a signature in a span: long lines can be indented."""
    lines = (
        re.sub(r"(?<= )(--?[a-z][\w-]*)", r'<span class="text-nowrap">\1</span>', found[2])
        if "bash" in found[1]
        else found[2]
    )
    lines = re.sub(r"\n((?:</span>)+)", r"\1\n", lines)
    if any(line.count("<span") != line.count("</span>") for line in lines.split("\n")):
        return found[0]
    return found[1] + "\n".join(f"<span>{line}</span>" for line in lines.split("\n")) + found[3]


def unbroken(cell):
    """A cell of a table whose numbers stay on one line with their units and deviations."""
    return re.sub(r"(?<=\d) (?=%|s\b|dB\b)|(?<=%) (?=±)|(?<=±) ", "&nbsp;", cell[0])


def without_lost_places(page):
    """The text of a page; links to a missing anchor of another page become links to the page."""

    def kept(link):
        to = page.parent / link[1] if link[1] else page
        there = (
            to.suffix != ".html"
            or not to.exists()
            or f'id="{html.unescape(link[2])}"' in to.read_text(encoding="utf-8")
        )
        return link[0] if there else f'href="{link[1] or page.name}"'

    return re.sub(r'href="(?![a-z]+:)([^"#]*)#([^"]+)"', kept, page.read_text(encoding="utf-8"))


def settle(site):
    """Remove references to other hosts from the pages of `site`."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = re.sub(
            r'<span class="math (inline|display)">\\[\[(](.*?)\\[\])]</span>',
            formula,
            text,
            flags=re.S,
        )
        text = re.sub(
            r'(<pre class="sourceCode (?:bash|python) code-with-copy"><code [^>]*>)'
            r"((?:(?!</code>).)*)(</code></pre>)",
            wrapped,
            text,
            flags=re.S,
        )
        text = re.sub(r"<td[^>]*>[^<]*</td>", unbroken, text)
        text = re.sub(r"<code>([^<]{1,24})</code>", r'<code class="text-nowrap">\1</code>', text)
        text = re.sub(r"<link [^>]*katex[^>]*>|<script [^>]*katex[^>]*></script>", "", text)
        page.write_text(text, encoding="utf-8")
    for page in site.rglob("*.html"):
        page.write_text(without_lost_places(page), encoding="utf-8")
    for theme in (site / "site_libs").rglob("*.css"):
        theme.write_text(
            re.sub(r"@import url\([^)]*//fonts[^)]*\);", "", theme.read_text(encoding="utf-8")),
            encoding="utf-8",
        )


def build(folder):
    """Prepare, stage, render, settle, check; returns the exit code of the check."""
    stage(prepare(), folder)
    smalldocs = shutil.which("smalldocs", path=str(Path(sys.executable).parent)) or "smalldocs"
    subprocess.run([smalldocs, "render", "."], cwd=folder, check=True)
    settle(folder / "_docs")
    return subprocess.run([smalldocs, "check", "."], cwd=folder).returncode


if __name__ == "__main__":  # needed: nbdev starts processes that import this file
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else "_site").resolve()))
