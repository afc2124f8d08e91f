"""The notebooks run, are clean, and agree with everything that is made from them."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbdev.config import get_config
from notebook_process import run_notebook

CFG = get_config()
ROOT, NBS, LIB = CFG.config_path, CFG.nbs_path, CFG.lib_path
SECONDS = 900  # a notebook that takes longer hangs


def notebooks():
    """All notebooks that nbdev_test would run."""
    paths = sorted(
        p
        for p in NBS.rglob("*.ipynb")
        if not any(part[0] in "._" for part in p.relative_to(NBS).parts)
    )
    return [p for p in paths if not (p.parent / ".notest").exists()]


def chapters():
    """The numbered notebooks in numbered folders: the ones a module is made from."""
    return sorted(NBS.glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb"))


def modules(lib):
    """The text of every exported module, by its path below the package."""
    paths = [p for p in lib.rglob("*.py") if p.name not in ("__init__.py", "__main__.py")]
    return {p.relative_to(lib).as_posix(): p.read_text(encoding="utf-8") for p in paths}


def cells_of(path):
    """The cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def title(path):
    """Name and subtitle from the first cell of a notebook."""
    lines = "".join(cells_of(path)[0]["source"]).strip().splitlines()
    return lines[0].removeprefix("# "), " ".join(
        line.removeprefix("> ") for line in lines[1:] if line.strip()
    )


def tool(name, *args, cwd):
    """Run one of nbdev's commands, from the environment that runs this test."""
    env = {k: v for k, v in os.environ.items() if k != "IN_TEST"}
    command = shutil.which(name, path=str(Path(sys.executable).parent)) or name
    return subprocess.run(
        [command, *args],
        cwd=cwd,
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: p.relative_to(NBS).as_posix())
def test_notebook_runs(path, request):
    """A process of its own runs every cell whose flags allow it."""
    failure = run_notebook(path, request.config.getoption("flags"), SECONDS)
    if failure:
        pytest.fail(failure, pytrace=False)


def test_failing_notebook_is_reported(tmp_path):
    """A cell that raises makes its notebook fail, with the error in the message."""
    path = tmp_path / "failing.ipynb"
    cell = dict(cell_type="code", execution_count=None, id="a", metadata={}, outputs=[])
    cells = [cell | dict(source="print('before')"), cell | dict(source="assert 1 == 2, 'unequal'")]
    path.write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)))
    failure = run_notebook(path)
    assert failure is not None
    assert "exit code 1" in failure
    assert "unequal" in failure


def test_export_is_current(project_copy):
    """The modules are what the notebooks export: nothing edited by hand, nothing left behind."""
    lib = project_copy / LIB.name
    for name in modules(lib):
        (lib / name).unlink()
    tool("nbdev_export", cwd=project_copy)
    exported, committed = modules(lib), modules(LIB)
    assert sorted(exported) == sorted(committed)
    stale = [name for name in exported if exported[name] != committed[name]]
    assert not stale, f"run nbdev_export: {stale}"


def test_notebooks_are_clean(project_copy):
    """nbdev_clean has nothing to do."""
    tool("nbdev_clean", cwd=project_copy)
    dirty = [
        p.name
        for p in notebooks()
        if p.read_bytes() != (project_copy / p.relative_to(ROOT)).read_bytes()
    ]
    assert not dirty, f"run nbdev_clean: {dirty}"


def test_readme_is_current(project_copy):
    """README.md is what nbs/index.ipynb renders to."""
    tool(sys.executable, "nbs/scripts/readme.py", cwd=project_copy)
    assert (ROOT / "README.md").read_text(encoding="utf-8") == (
        project_copy / "README.md"
    ).read_text(encoding="utf-8"), "run python nbs/scripts/readme.py"


def test_page_of_modules_introduces_chapters():
    """The table of modules names every chapter with its own subtitle, in order."""
    page = text_of(NBS / "explanations" / "modules.ipynb")
    rows = [
        f"| [{name}](../{path.relative_to(NBS).as_posix()}) | {subtitle} |"
        for path in chapters()
        for name, subtitle in [title(path)]
    ]
    assert re.findall(r"^\| \[.*", page, re.M) == rows


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: p.relative_to(NBS).as_posix())
def test_notebook_is_small_and_complete(path):
    """Title and subtitle alone in the first cell, unique cell ids, below 300 kB."""
    name, subtitle = title(path)
    assert name and subtitle.endswith((".", "?", "!"))
    ids = [c["id"] for c in cells_of(path)]
    assert len(ids) == len(set(ids))
    assert path.stat().st_size < 300_000


def test_imports_have_cells_of_their_own():
    """Whoever builds the docs runs cells that hold an import: nothing else may be in them."""
    mixed = []
    for p in sorted(
        q
        for q in NBS.rglob("*.ipynb")
        if not any(part[0] in "._" for part in q.relative_to(NBS).parts)
    ):
        for cell in cells_of(p):
            source = "".join(cell["source"])
            if cell["cell_type"] != "code" or "#| export" in source or "nbdev_export()" in source:
                continue
            kinds = {isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(source).body}
            if len(kinds) > 1:
                mixed.append(f"{p.relative_to(NBS)}, cell {cell['id']}")
    assert not mixed, mixed


CITATION = re.compile(r"([A-Z]\w+)(?: et al\.| and others| and [A-Z]\w+) \(?((?:19|20)\d\d)\b")


def text_of(path):
    """The sources of all cells of a notebook."""
    return "\n".join("".join(c["source"]) for c in cells_of(path))


def pages():
    """All notebooks of the documentation, recorded benchmarks included."""
    return [p for p in sorted(NBS.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


def test_citations_are_in_the_bibliography():
    """Each cited author and year is a row of the bibliography; image licenses name no method."""
    bibliography = text_of(NBS / "explanations" / "bibliography.ipynb").splitlines()
    rows = [line.split(" | ", 1) for line in bibliography if line.startswith("| ")]
    citing = [p for p in pages() if p.name not in ("bibliography.ipynb", "02_image_sets.ipynb")]
    cited = {(*c, p.name) for p in citing for c in CITATION.findall(text_of(p))}
    missing = [
        f"{page}: {author} {year}"
        for author, year, page in sorted(cited)
        if not any(head.endswith(year) and author in head + rest for head, rest in rows)
    ]
    assert len(cited) > 20 and not missing, missing


def test_glossary_names_exist():
    """Each symbol that the glossary gives for a term is a word of the package."""
    words = set(re.findall(r"\w+", "\n".join(modules(LIB).values())))
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \|", text_of(NBS / "explanations/glossary.ipynb"), re.M
    )
    symbols = {s: term for term, column in rows for s in re.findall(r"`(\w+)`", column)}
    missing = {s: term for s, term in symbols.items() if s not in words}
    assert len(symbols) > 40 and not missing, missing


def test_links_lead_somewhere():
    """Each relative link of a page names an existing file."""
    broken = [
        f"{p.relative_to(NBS)}: {target}"
        for p in pages()
        for c in cells_of(p)
        if c["cell_type"] == "markdown"
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", "".join(c["source"]))
        if not re.match(r"[a-z]+:", target) and not (p.parent / target).exists()
    ]
    assert not broken, broken


LONGEST = 40  # lines of an exported function, and of an exported cell below its directive
LONGEST_MODULE = 300  # lines
SHOWN_CELLS = 2  # code cells below an export in which it is used
SHOWN_SHARE = 0.8  # of all public exports


def code_cells(path):
    """Sources of the code cells of a notebook."""
    return ["".join(c["source"]) for c in cells_of(path) if c["cell_type"] == "code"]


def definitions(source, kinds):
    """The definitions of some kinds in a cell, nested ones included."""
    return [n for n in ast.walk(ast.parse(source)) if isinstance(n, kinds)]


def test_exports_are_short():
    """Functions and exported cells have at most 40 lines, modules at most 300."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    cells = [(p, s) for p in chapters() for s in code_cells(p) if s.startswith("#| export")]
    long = [
        f"{p.relative_to(NBS)}: {n.name}, {n.end_lineno - n.lineno + 1} lines"
        for p, s in cells
        for n in definitions(s, functions)
        if n.end_lineno - n.lineno >= LONGEST
    ]
    long += [
        f"{p.relative_to(NBS)}: a cell of {s.count(chr(10))} lines below its directive"
        for p, s in cells
        if s.count("\n") > LONGEST and definitions(s, (*functions, ast.ClassDef))
    ]
    long += [
        f"{name}: {text.count(chr(10))} lines"
        for name, text in modules(LIB).items()
        if text.count("\n") > LONGEST_MODULE and name != "_modidx.py"
    ]
    assert len(cells) > 500 and not long, long


def test_exports_are_shown():
    """Four of five public functions and classes are used in one of the next two cells."""
    shown = []
    for path in chapters():
        cells = code_cells(path)
        for i, source in enumerate(cells):
            if not re.match(r"#\| export\s", source):
                continue
            below = [s for s in cells[i + 1 : i + 1 + SHOWN_CELLS] if not s.startswith("#| export")]
            for n in ast.parse(source).body:
                if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name[0] != "_":
                    shown.append(any(re.search(rf"\b{n.name}\b", s) for s in below))
    assert len(shown) > 500 and sum(shown) >= SHOWN_SHARE * len(shown), sum(shown) / len(shown)
