"""The package imports downwards only, and needs nothing but what it declares."""

import ast
import pkgutil
import re
import shlex
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
from nbdev.config import get_config

CFG = get_config()
ROOT, LIB = CFG.config_path, CFG.lib_path
MODULES = sorted(p for p in LIB.rglob("*.py") if p.name[0] != "_")
IDS = [p.relative_to(LIB).with_suffix("").as_posix().replace("/", ".") for p in MODULES]
DEV_ONLY = [
    "nbdev",
    "fastcore",
    "execnb",
    "ghapi",
    "fastgit",
    "IPython",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "jupyter_core",
    "jupyterlab",
    "notebook",
    "nbformat",
    "nbconvert",
    "hypothesis",
    "pytest",
]
HOMES = [
    "home",
    "root",
    "Users",
    "tmp",
    "work",
    "mnt",
    "srv",
    "media",
    "workspace",
]  # first folders of paths that exist on one machine only
PRIVATE = re.compile(r"(?<![\w.:/~>)}\]-])/(?:" + "|".join(HOMES) + r")/\w|[A-Z]:\\+Users\\")


def imports(path):
    """Top-level names a module imports from outside, and paths of modules of the package."""
    outside, inside = set(), set()
    package = path.relative_to(LIB.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            names = [".".join(filter(None, (above, node.module)))]
            names += [f"{names[0]}.{a.name}" for a in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            module = LIB.joinpath(*rest).with_suffix(".py") if rest else None
            if top != LIB.name:
                outside.add(top)
            elif module and module.exists():
                inside.add(module)
    return outside, inside


def number(path):
    """Numbers of the folder and of the notebook that a module was made from."""
    m = re.search(
        r"File to edit: \S*?(\d\d)_\w+/(\d\d)_\w+\.ipynb", path.read_text(encoding="utf-8")
    )
    assert m, f"{path.name} was not made from a numbered notebook"
    return int(m[1]), int(m[2])


def test_numbers_are_unique():
    """No two modules have the same place in the order of imports."""
    assert len({number(p) for p in MODULES}) == len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_imports_point_down(path):
    """A module uses only modules of lower folders, or of lower numbers in its own folder."""
    upward = [p.relative_to(LIB).as_posix() for p in imports(path)[1] if number(p) >= number(path)]
    assert not upward, f"{path.name} imports {upward}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_leaves_are_not_imported(path):
    """Nothing but the widgets themselves imports the command line, the Pillow plugin or widgets."""
    leaves = {"cli", "pillow", "widgets"}
    own = path.relative_to(LIB).parts[0]
    found = {p.relative_to(LIB).with_suffix("").parts[0] for p in imports(path)[1]} & leaves - {own}
    assert not found, f"{path.name} imports {found}"


def test_public_names_exist():
    """Every name that the package promises is there, documented, and no name of a module."""
    package = __import__(LIB.name)
    for name in package.__all__:
        assert getattr(package, name).__doc__, name
        assert not (LIB / name).exists() and not (LIB / f"{name}.py").exists(), (
            f"{name} is a module, too"
        )
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'compres'"):
        _ = package.compres


def test_type_checkers_see_public_names():
    """The imports for type checkers are the public names, from the same modules."""
    package = __import__(LIB.name)
    tree = ast.parse((LIB / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {n.module: {a.name for a in n.names} for n in block.body}
    assert all(a.asname == a.name for n in block.body for a in n.names)
    assert seen == {home: set(names) for home, names in package._HOMES.items()}


def test_import_is_light():
    """The package alone loads no module of its own."""
    code = f"""import sys, {LIB.name}
assert not [m for m in sys.modules if m.startswith({LIB.name!r} + '.')]"""
    run_code(code)


@pytest.mark.parametrize(
    "use, heavy",
    {
        "from implicit_compress import decompress": "torch numba scipy click pooch",
        "from implicit_compress import file_info": "torch numba scipy click pooch",
        "from implicit_compress.cli.main import main": "torch numba scipy pooch",
    }.items(),
)
def test_light_uses_load_no_heavy_library(use, heavy):
    """Decoding, reading a header and the command line load no library they do not need."""
    run_code(
        f"{use}\nimport sys\nheavy = set({heavy!r}.split())\nassert not heavy & set(sys.modules)"
    )


def run_code(code):
    """Run code in a new interpreter; fails if it raises."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_runs_as_a_module():
    """`python -m` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", LIB.name, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("implicit-compress, version"), done


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_imports_are_declared(path):
    """settings.ini asks for every library that a module imports, some of them as an extra."""
    declared = {
        re.match(r"[\w.-]+", r)[0].lower()
        for r in shlex.split(
            f"{CFG.requirements} {CFG.cluster_requirements} {CFG.widgets_requirements}"
        )
    }
    homes = packages_distributions()
    missing = [
        name
        for name in imports(path)[0] - sys.stdlib_module_names
        if not declared & {d.lower() for d in homes.get(name, [])}
    ]
    assert not missing, f"{path.name} imports {missing}"


def test_package_runs_without_development_tools():
    """Every module imports where nbdev, fastcore, IPython and Jupyter do not exist."""
    names = [
        m.name for m in pkgutil.walk_packages([str(LIB)], f"{LIB.name}.") if "._" not in m.name
    ]
    assert len(names) > 50, names
    code = f"""import sys
sys.modules.update(dict.fromkeys({DEV_ONLY!r}))    # None makes an import fail
from importlib import import_module
for name in {names!r}: import_module(name)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


def sources():
    """All files that are, or are about to be, under version control; without git, all files."""
    git = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if git.returncode == 0:
        return [p for line in git.stdout.splitlines() if (p := ROOT / line).is_file()]
    hidden = {".git", ".venv", "build", "dist", "_proc", "_docs", "_site"}
    return [
        p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.relative_to(ROOT).parts)
    ]


def test_no_machine_paths():
    """No text file mentions a place that exists on one machine only."""
    found = []
    for p in sources():
        try:
            lines = p.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{p.relative_to(ROOT)}:{i}: {m[0]}"
            for i, line in enumerate(lines, 1)
            if (m := PRIVATE.search(line))
        ]
    assert not found, "\n".join(found)
