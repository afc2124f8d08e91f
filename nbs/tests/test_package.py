"The package imports downwards only, and needs nothing but what it declares"
import ast, pkgutil, re, shlex, subprocess, sys
from importlib.metadata import packages_distributions
import pytest
from nbdev.config import get_config

CFG = get_config()
ROOT, LIB = CFG.config_path, CFG.lib_path
MODULES = sorted(p for p in LIB.glob("*.py") if p.name[0] != "_")
DEV_ONLY = """nbdev fastcore execnb ghapi fastgit IPython ipykernel ipywidgets jupyter_client jupyter_core jupyterlab notebook nbformat
    nbconvert hypothesis pytest""".split()
HOMES = "home root Users tmp work mnt srv media workspace".split()    # first folders of paths that exist on one machine only
PRIVATE = re.compile(r"(?<![\w.:/~>)}\]-])/(?:" + "|".join(HOMES) + r")/\w|[A-Z]:\\+Users\\")


def imports(path):
    "Top-level names a module imports from outside, and names of sibling modules"
    outside, siblings = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level: names = [f"{LIB.name}.{node.module or a.name}" for a in node.names]
        elif isinstance(node, ast.ImportFrom): names = [node.module]
        else: continue
        for name in names:
            top, *rest = name.split(".")
            if top != LIB.name: outside.add(top)
            elif rest: siblings.add(rest[0])
    return outside, siblings


def number(path):
    "Number of the notebook a module was made from"
    m = re.search(r"File to edit: \S*?(\d\d)_\w+\.ipynb", path.read_text(encoding="utf-8"))
    assert m, f"{path.name} was not made from a numbered notebook"
    return int(m[1])


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_point_down(path):
    "A room uses only rooms with a lower number"
    upward = [s for s in imports(path)[1] if number(LIB/f"{s}.py") >= number(path)]
    assert not upward, f"{path.name} imports {upward}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_are_declared(path):
    "settings.ini asks for every library that a module imports, some of them as an extra"
    declared = {re.match(r"[\w.-]+", r)[0].lower() for r in shlex.split(f"{CFG.requirements} {CFG.cluster_requirements} {CFG.widgets_requirements}")}
    homes = packages_distributions()
    missing = [name for name in imports(path)[0] - sys.stdlib_module_names
               if not declared & {d.lower() for d in homes.get(name, [])}]
    assert not missing, f"{path.name} imports {missing}"


def test_package_runs_without_development_tools():
    "Every module imports where nbdev, fastcore, IPython and Jupyter do not exist"
    names = [m.name for m in pkgutil.iter_modules([str(LIB)]) if m.name[0] != "_"]
    code = f"""import sys
sys.modules.update(dict.fromkeys({DEV_ONLY!r}))    # None makes an import fail
from importlib import import_module
for name in {names!r}: import_module({LIB.name!r} + '.' + name)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def sources():
    "All files that are, or are about to be, under version control; without git, all files"
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0: return [p for line in git.stdout.splitlines() if (p := ROOT/line).is_file()]
    hidden = {".git", ".venv", "build", "dist", "_proc", "_docs", "_site"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.relative_to(ROOT).parts)]


def test_no_machine_paths():
    "No text file mentions a place that exists on one machine only"
    found = []
    for p in sources():
        try: lines = p.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError: continue
        found += [f"{p.relative_to(ROOT)}:{i}: {m[0]}" for i, line in enumerate(lines, 1) if (m := PRIVATE.search(line))]
    assert not found, "\n".join(found)
