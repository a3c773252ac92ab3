"""The wheel, the pins, the image and the set-up script."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import petnet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra)]
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy of what git would carry, so that nothing is written into the tree."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("petnet", "configs", "scripts", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_every_file_of_the_package_and_its_configs(wheel):
    wanted = {
        path.relative_to(base).as_posix()
        for base, folder in ((ROOT, "petnet"), (ROOT, "configs"))
        for path in (base / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted = {f"petnet/{name}" if name.startswith("configs/") else name for name in wanted}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted
    for pattern in (
        r"petnet/py\.typed",
        r"petnet/configs/config\.yaml",
        r"petnet/configs/task/\w+\.yaml",
        r"petnet/radiomics/kernels/\w+\.cu",
        r"petnet/reporting/templates/.+",
    ):
        assert any(re.fullmatch(pattern, name) for name in held), pattern


def test_wheel_metadata(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    read = message_from_bytes(wheel.read(metadata))
    assert read["Name"] == "petnet"
    assert read["Version"] == petnet.__version__
    assert read["License-Expression"] == "Apache-2.0"
    assert read.get_all("License-File") == ["LICENSE"]
    assert read["Requires-Python"] == ">=3.11"
    folder = metadata.rpartition("/")[0]
    assert "Apache License" in wheel.read(f"{folder}/licenses/LICENSE").decode()
    assert "petnet = petnet.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_changelog_has_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{petnet.__version__}]" in changelog


def pins():
    found = {}
    for line in (ROOT / "scripts" / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
            assert canonicalize_name(name) not in found, f"{name} is pinned twice"
            found[canonicalize_name(name)] = version
    return found


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_requirement_is_pinned(text):
    requirement = Requirement(text)
    pin = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin), f"{text} but pinned {pin}"


def test_image_takes_the_pins_and_drops_root():
    text = (ROOT / "Dockerfile.cuda").read_text("utf-8")
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    final = [step for step, _ in steps][::-1].index("FROM")
    last = dict(steps[-final:])
    assert re.fullmatch(r"\d+:\d+", last["USER"])
    assert not last["USER"].startswith("0")
    assert last["ENTRYPOINT"] == '["petnet"]'
    installs = [what for step, what in steps if step == "RUN" and "pip install" in what]
    assert installs
    assert all("-c scripts/constraints.txt" in what for what in installs)
    assert ".[cuda13]" in installs[-1]
    assert "==" not in text
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [w for step, what in steps if step == "COPY" for w in what.split()[:-1]]
    assert {f"!{name}" for name in copied if not name.startswith(("-", "/"))} <= set(ignored)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses(script):
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)


# A Python that makes "environments" of copies of itself and only notes what pip is asked for.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m pip install "*) echo "$*" >>"$PIP_CALLS"; echo "no route"; exit "${PIP_FAILS:-0}" ;;
  "-c import pip") ;;
  *torch.cuda*) ;;
  *) exec 'REAL' "$@" ;;
esac
"""


class SetUp:
    """A checkout with spaces in its path, a false Python and a false NVIDIA driver."""

    def __init__(self, folder):
        self.root = folder / "a check out"
        self.calls = folder / "pip calls"
        self.bin = folder / "bin"
        for made in (self.root / "scripts", self.bin):
            made.mkdir(parents=True)
        shutil.copy(ROOT / "pyproject.toml", self.root)
        for name in ("setup.sh", "constraints.txt"):
            shutil.copy(ROOT / "scripts" / name, self.root / "scripts")
        self.python = self.command("fake-python", FAKE_PYTHON.replace("REAL", sys.executable))
        self.driver("exit 9")

    def command(self, name, text):
        path = self.bin / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)
        return path

    def driver(self, says):
        self.command("nvidia-smi", f"#!/bin/sh\n{says}\n")

    def run(self, *arguments, **environment):
        """Return the exit code, what it said and what pip was asked for."""
        self.calls.write_text("", "utf-8")
        defaults = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "PIP_CALLS": str(self.calls),
            "PETNET_PYTHON": str(self.python),
        }
        done = subprocess.run(
            ["bash", self.root / "scripts" / "setup.sh", *arguments],
            cwd="/",
            env=defaults | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr, self.calls.read_text("utf-8").splitlines()


@pytest.fixture
def setup(tmp_path):
    return SetUp(tmp_path)


TORCH = f"torch=={pins()['torch']}"


def test_setup_without_a_driver_then_again(setup):
    code, said, calls = setup.run()
    assert code == 0, said
    assert [call.split()[-1] for call in calls] == [TORCH, "."]
    assert "-c scripts/constraints.txt -e ." in calls[1]
    assert setup.run() == (0, "", [])


def test_setup_adds_the_development_tools_once(setup):
    setup.run()
    assert setup.run("dev")[2][-1].endswith("-e .[dev]")
    assert setup.run("dev") == (0, "", [])
    assert setup.run() == (0, "", []), "what has more is enough"


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/constraints.txt"])
def test_setup_runs_again_when_the_pins_change(setup, name):
    setup.run()
    with (setup.root / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert len(setup.run()[2]) == 2


@pytest.mark.parametrize(
    ("version", "extra"), [("580.65.06", ".[cuda13]"), ("535.54", ".[cuda12]"), ("470.1", ".")]
)
def test_setup_takes_the_cuda_that_the_driver_can_run(setup, version, extra):
    setup.driver(f"echo {version}; echo {version}")
    code, said, calls = setup.run()
    assert code == 0, said
    assert calls[-1].endswith(f"-e {extra}")


def test_setup_takes_torch_from_the_named_index(setup):
    calls = setup.run(PETNET_TORCH_INDEX="file:///some/index")[2]
    assert f"--index-url file:///some/index {TORCH}" in calls[0]
    assert "index" not in calls[1]
    calls = setup.run(PETNET_TORCH_INDEX="file:///another")[2]
    assert "--force-reinstall" in calls[0], "the same version, another build"


def test_setup_that_failed_says_so_and_is_not_taken_for_done(setup):
    code, said, _ = setup.run(PIP_FAILS="1")
    assert code == 1
    assert "no route" in said
    assert "error: pip could not install" in said
    assert len(setup.run()[2]) == 2


def test_setup_refuses_an_old_python(setup):
    old = setup.command("old", "#!/bin/sh\ncat >/dev/null\necho 'is Python 3.9'\n")
    code, said, calls = setup.run(PETNET_PYTHON=str(old))
    assert (code, calls) == (1, [])
    assert f"PETNET_PYTHON={old} is Python 3.9" in said


def test_setup_refuses_an_unknown_accelerator(setup):
    code, said, _ = setup.run(PETNET_ACCELERATOR="rocm")
    assert code == 1
    assert "expected auto, cpu, cuda12 or cuda13 but got 'rocm'" in said
