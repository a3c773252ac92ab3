"""`petnet VERB [group=choice] [key=value] [-m]`: one Hydra application per verb."""

from __future__ import annotations

import os

# OpenMP threads that wait by spinning are many times slower on a machine that does other work too;
# torch reads this once, when it is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import difflib
import importlib
import logging
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet import __version__
from petnet.commands.request import NOT_NEEDED, check_flags, explain, unusable
from petnet.commands.settings import check_settings
from petnet.errors import PetnetError
from petnet.files import config_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["VERBS", "config_folder", "main"]

VERBS = {
    "simulate": "write a simulated cohort with known truth",
    "convert": "turn DICOM PET/CT and delineations into a cohort, every series accounted for",
    "check": "look at every image, mask and table row of a cohort",
    "segment": "delineate lesions by thresholds or gradients from seeds, boxes or rough masks",
    "extract": "compute radiomics and lesion quantities of a cohort into one table",
    "train": "cross-validate a model on a task and keep everything in a run folder",
    "predict": "apply a trained run to a cohort",
    "report": "draw one or several runs into a self-contained HTML page",
    "diff": "say which setting, version, input or patient makes two runs differ",
    "selftest": "compare this installation with the consensus of the IBSI",
}
POSITIONAL = {"diff": "runs"}  # verbs whose plain arguments are the list of one setting
FAILED, MISTAKE, DEFECT, INTERRUPTED = 1, 2, 70, 130
EXIT_FILE = "PETNET_EXIT_FILE"
FLAGS_WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--experimental-rerun", "--info", "-i", "--shell-completion", "-sc",
)  # fmt: skip
log = logging.getLogger(__name__)


def usage() -> str:
    """Return the help page that lists the verbs."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {what}" for verb, what in VERBS.items())
    return f"""petnet {__version__}: deep radiomics for oncologic PET/CT

petnet VERB [group=choice] [key=value] [-m]

{verbs}

petnet VERB --help         groups and settings of a verb
petnet VERB --cfg job      the settings as they would be used
petnet VERB --config-dir D also look for configs in the folder D
petnet VERB -m key=a,b     once per value
debug=true                 show the traceback of an error
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: all that was asked for was done. 1: some of it failed (the status table says what).
    2: a mistake in the request. 70: a defect of petnet, with its traceback. 130: interrupted.
    """
    try:
        code = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _main(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if given else MISTAKE
    if given[0] in ("-V", "--version"):
        print(f"petnet {__version__}")
        return 0
    verb, *overrides = given
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        print(
            f"petnet: expected a verb ({', '.join(VERBS)}), but got {verb!r}{hint}",
            file=sys.stderr,
        )
        return MISTAKE
    return _run_hydra(verb, overrides)


def _run_hydra(verb: str, overrides: list[str]) -> int:
    import hydra

    application = hydra.main(
        version_base="1.3", config_path=str(config_folder()), config_name=verb
    )(_job(verb))
    spared = NOT_NEEDED.get(verb)
    asked = [f"~{spared}" if a.lower() == f"{spared}=null" else a for a in overrides]
    given = _flags_first(_named(verb, asked))
    with _process_state([f"petnet {verb}", *given]) as codes:
        try:
            check_flags(given)
            application()
            return max((int(c) for c in codes.read_text().split()), default=0)
        except SystemExit as stop:
            return MISTAKE if stop.code else 0
        except KeyboardInterrupt:
            print("petnet: interrupted; the same command goes on from here", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            raise
        except Exception as error:  # the job answers for its own: this is about the request
            return _refused(verb, given, error)


@contextmanager
def _process_state(arguments: list[str]) -> Iterator[Path]:
    """Set what Hydra reads from the process and yield the file of exit codes; then undo it all."""
    before, root, raising = sys.argv, logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers[:], root.level
    handle, codes = tempfile.mkstemp(prefix="petnet-exit-")
    os.close(handle)
    # HYDRA_FULL_ERROR: Hydra raises its errors instead of printing them and leaving
    changed = {EXIT_FILE: codes, "HYDRA_FULL_ERROR": "1"}
    former = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    sys.argv = arguments
    logging.raiseExceptions = False  # a log that cannot be written is no traceback on the screen
    try:
        yield Path(codes)
    finally:
        sys.argv, logging.raiseExceptions = before, raising
        root.handlers[:] = handlers  # Hydra's write to what is standard error now
        root.setLevel(level)
        for name, value in former.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        Path(codes).unlink(missing_ok=True)


def _refused(verb: str, given: Sequence[str], error: Exception) -> int:
    """Say in one line what Hydra says of a request in many."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if "debug=true" in given:
        traceback.print_exc()
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError)):
        error = explain(verb, given, config_folder(), error)
    elif not isinstance(error, (PetnetError, OSError)):
        return _defect(verb)
    print(f"petnet {verb}: {_message(error)}", file=sys.stderr)
    return MISTAKE


def _defect(verb: str) -> int:
    traceback.print_exc()
    print(f"petnet {verb}: this is a defect of petnet, not yours", file=sys.stderr)
    return DEFECT


def _named(verb: str, arguments: Sequence[str]) -> list[str]:
    """Turn the plain arguments of a verb, such as `petnet diff A B`, into its setting."""
    flags = [
        a.startswith("-") or value for a, value in zip(arguments, _values(arguments), strict=True)
    ]
    plain = [a for a, flag in zip(arguments, flags, strict=True) if not flag and "=" not in a]
    if verb not in POSITIONAL or not plain:
        return list(arguments)
    quoted = ["'" + a.replace("\\", "\\\\").replace("'", "\\'") + "'" for a in plain]
    rest = [a for a, flag in zip(arguments, flags, strict=True) if flag or "=" in a]
    return [*rest, f"{POSITIONAL[verb]}=[{','.join(quoted)}]"]


def _values(arguments: Sequence[str]) -> list[bool]:
    """Tell which arguments are the value of the flag before them."""
    return [k > 0 and arguments[k - 1] in FLAGS_WITH_VALUE for k in range(len(arguments))]


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Sort flags before overrides: Hydra's parser refuses overrides on both sides of a flag."""
    flags: list[str] = []
    overrides: list[str] = []
    for argument, value in zip(arguments, _values(arguments), strict=True):
        (flags if value or argument.startswith("-") else overrides).append(argument)
    return [*flags, *overrides]


def _job(verb: str) -> Callable[[DictConfig], None]:
    """Return what Hydra calls once per job; exit codes outlive launchers in other processes."""

    def job(config: DictConfig) -> None:
        code = _run_verb(verb, config)
        if EXIT_FILE in os.environ:
            with Path(os.environ[EXIT_FILE]).open("a") as stream:
                stream.write(f"{code}\n")

    return job


def _run_verb(verb: str, config: DictConfig) -> int:
    from omegaconf.errors import OmegaConfBaseException

    try:
        check_settings(verb, config)
        command: Any = importlib.import_module(f"petnet.commands.{verb}")
        return FAILED if command.run(config) else 0
    except BrokenPipeError:
        raise
    except (PetnetError, OmegaConfBaseException, OSError) as error:
        if config.get("debug"):
            traceback.print_exc()
        print(f"petnet {verb}: {_message(error)}", file=sys.stderr)
        return MISTAKE
    except Exception:
        return _defect(verb)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename or 'a file'}: file or folder"
        return f"{what}: expected one that can be read and written, but got {error.strerror}"
    return str(error if isinstance(error, PetnetError) else unusable(error)).strip()


if __name__ == "__main__":
    sys.exit(main())
