"""Build the documentation site without Quarto: nbdev prepares the notebooks, smalldocs renders them.

    pip install -e '.[dev,docs]'
    python nbs/scripts/build_docs.py [FOLDER]      # in the root of the project; the site lands in FOLDER/_docs (_site/_docs)

The sources stay what Quarto expects, so nbdev_docs builds the same pages where Quarto is installed.
"""
import json, re, shutil, subprocess, sys
from pathlib import Path
import yaml
from nbdev.config import get_config
from nbdev.quarto import nbdev_sidebar, refresh_quarto_yml
from nbdev.serve import proc_nbs

NOT_PAGES = shutil.ignore_patterns("*.bak", "tests", "scripts")


def prepare():
    "Let nbdev process all notebooks afresh: its cache does not see a changed package. Gives the folder they land in"
    cfg = get_config()
    refresh_quarto_yml()
    nbdev_sidebar.__wrapped__(path=cfg.nbs_path)
    return Path(proc_nbs(cfg.nbs_path, n_workers=1, force=True))


def simplify_config(folder):
    "Drop the two keys of the Quarto configuration that smalldocs does not know"
    path = folder/"_quarto.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["format"].pop("commonmark", None)
    config["format"]["html"].pop("keep-md", None)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def page_name(nb, path):
    "Take `output-file` out of the front matter of `nb` and follow it: 00_image.ipynb becomes image.ipynb"
    first = nb["cells"][0]
    front = "".join(first["source"])
    found = re.search(r"^output-file: *(\S+)\.html$", front, re.M)
    if first["cell_type"] != "raw" or not found: return path.name
    first["source"] = re.sub(r"^output-file:.*\n", "", front, flags=re.M)
    return found[1] + ".ipynb"


def stage(prepared, folder):
    "Copy the `prepared` pages to `folder` as smalldocs wants them: final names, and links that also work from disk"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder, ignore=NOT_PAGES)
    simplify_config(folder)
    site = yaml.safe_load((folder/"nbdev.yml").read_text(encoding="utf-8"))["website"]["site-url"].rstrip("/") + "/"
    names, pages = {}, {p: json.loads(p.read_text(encoding="utf-8")) for p in folder.rglob("*.ipynb")}
    for path, nb in pages.items(): names[path.name] = page_name(nb, path)
    numbered = re.compile(r"(?<![\w])(" + "|".join(re.escape(old) for old in names if old != names[old]) + r")\b") if names else None
    for path, nb in pages.items():
        up = "../" * len(path.relative_to(folder).parent.parts)
        path.unlink()
        path.with_name(names[path.name]).write_text(relink(json.dumps(nb), site, up, names, numbered), encoding="utf-8")
    bar = folder/"sidebar.yml"
    bar.write_text(numbered.sub(lambda m: names[m[1]], bar.read_text(encoding="utf-8")), encoding="utf-8")


def relink(text, site, up, names, numbered):
    "Make links to the site relative, and links to notebooks follow their new names; links to the repository stay"
    text = text.replace(site, up)
    return re.sub(r"\]\((?![a-z]+:)[^)\s]*\)", lambda link: numbered.sub(lambda m: names[m[1]], link[0]), text)


def build(folder):
    "Prepare, stage, render, check; gives the exit code of the check"
    stage(prepare(), folder)
    smalldocs = shutil.which("smalldocs", path=str(Path(sys.executable).parent)) or "smalldocs"
    subprocess.run([smalldocs, "render", "."], cwd=folder, check=True)
    return subprocess.run([smalldocs, "check", "."], cwd=folder).returncode


if __name__ == "__main__":    # needed: nbdev starts processes that import this file
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else "_site").resolve()))
