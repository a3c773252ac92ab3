"""The arrows and walls of the design: kept by the tree, and broken by planted faults."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "petnet"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in SETTINGS["contracts"]}
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXT = {".py", ".yaml", ".toml", ".txt", ".sh", ".md", ".cu", ".cpp", ".h", ".html", ".css", ".js"}
HEAVY = {"torch", "monai", "lightning", "pandas", "scipy", "sklearn", "cupy"}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 450, 70

# One fault per contract: a new module of petnet/ and the import in it that breaks the contract.
PLANTED = {
    "Which way the arrows point": ("cohort/planted.py", "import petnet.models.protocol"),
    "Simulation uses only the tables and the volumes": (
        "simulation/planted.py",
        "import petnet.measure",
    ),
    "Nothing below the commands uses simulation": ("learn/planted.py", "import petnet.simulation"),
    "No deep-learning library behind the wall": (
        "stats/planted.py",
        "def late():\n    import torch",
    ),
    "CuPy in one backend module only": ("radiomics/planted.py", "import cupy"),
}


def rooms():
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def lint_imports(folder):
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, flags=re.MULTILINE))
    return done.returncode, verdicts, done.stdout + done.stderr


def copy_tree(folder):
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(PACKAGE, folder / "petnet", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    tree = copy_tree(tmp_path_factory.mktemp("planted"))
    for path, statement in PLANTED.values():
        (tree / "petnet" / path).write_text(statement + "\n", "utf-8")
    return lint_imports(tree)


def test_every_contract_is_kept():
    code, verdicts, output = lint_imports(ROOT)
    assert code == 0, output
    assert verdicts == dict.fromkeys(CONTRACTS, "KEPT"), output


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_planted_import_breaks(contract, planted):
    code, verdicts, output = planted
    assert code != 0
    assert verdicts[contract] == "BROKEN", output


def test_a_room_without_a_place_breaks(tmp_path):
    room = copy_tree(tmp_path) / "petnet" / "attic"
    room.mkdir()
    (room / "__init__.py").write_text("", "utf-8")
    code, verdicts, output = lint_imports(tmp_path)
    assert code != 0
    assert verdicts["Which way the arrows point"] == "BROKEN", output


def test_the_walls_name_every_room_they_are_for():
    below_commands = rooms() - {"commands", "simulation"}
    walls = {
        ("Nothing below the commands uses simulation", "source_modules"): below_commands,
        ("Simulation uses only the tables and the volumes", "forbidden_modules"): (
            rooms() - {"simulation", "cohort", "ingest", "stats"}
        ),
        ("No deep-learning library behind the wall", "source_modules"): (
            rooms() & {"radiomics", "segmentation", "measure", "stats"}
        ),
    }
    for (contract, side), needed in walls.items():
        named = {module.removeprefix("petnet.") for module in CONTRACTS[contract][side]}
        assert needed <= named, f"{contract}: {side} lacks {sorted(needed - named)}"


@pytest.mark.parametrize(
    "code",
    [
        "import petnet",
        "from petnet.cli import main; main(['--help'])",
        "from petnet.cli import main; main(['train', '--help'])",
    ],
)
def test_import_and_help_load_nothing_heavy(code):
    script = (
        "import sys\n"
        f"try:\n    exec({code!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('loaded:', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]


def test_files_and_functions_are_short():
    long = []
    for path in SOURCES:
        text = path.read_text("utf-8")
        name = path.relative_to(ROOT)
        if (lines := text.count("\n")) > MAX_FILE_LINES:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = body_lines(node)
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    assert not long, f"over {MAX_FILE_LINES} lines a file or {MAX_FUNCTION_LINES} a function"


def body_lines(function):
    """Lines of a function without its docstring, which may be as long as it needs to be."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def test_no_task_is_known_to_the_code():
    """Tasks are configuration; only a simulator knows of the disease that it draws."""
    names = {path.stem for path in (ROOT / "configs" / "task").glob("*.yaml")}
    known = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    files = [*(ROOT / "petnet").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if "simulation" not in path.parts
        for match in known.finditer(path.read_text(encoding="utf-8"))
    }
    # a trial of the first days, and the script that makes the cohort of the real patients
    allowed = {"scripts/trials.py: her2", "scripts/sts_cohort.py: sarcoma_lung_mets"}
    assert len(names) >= 10
    assert found <= allowed


def test_no_path_of_one_machine():
    of_a_home = re.compile(r"(?<![\w.~}$])/(?:wo" + r"rk|Us" + r"ers|home)/\w+")
    files = [ROOT / name for name in ("README.md", "CHANGELOG.md", "pyproject.toml")]
    for folder in ("petnet", "configs", "scripts", "tests"):
        files += [p for p in (ROOT / folder).rglob("*") if p.suffix in TEXT and p.is_file()]
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in files
        for hit in of_a_home.finditer(path.read_text("utf-8"))
    ]
    assert not found
