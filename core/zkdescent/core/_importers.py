"""Load the user's own functions: ``FILE.py:function`` or ``package.module:function``."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from zkdescent.core._schema import is_reference
from zkdescent.core.errors import ConfigError, ToolMissing, nearest, suggestion

EXTRA_OF = {
    "torch": "train",
    "sklearn": "train",
    "matplotlib": "train",
    "onnx": "prove",
    "onnxruntime": "prove",
    "ezkl": "prove",
}


def load_callable(reference: str, directory: Path, *, key: str = "reference") -> Callable[..., Any]:
    """Import the function that a project file names.

    A file is looked up beside the project file, and may import other files beside it. It is
    compiled anew on each call, so an edited file is never stale.

    Args:
        reference: ``FILE.py:function`` or ``package.module:function``.
        directory: the project's directory.
        key: the key of the project file that holds the reference, for messages.

    Raises:
        ConfigError: malformed reference, missing file, module or function, or an exception while
            importing, with the place in the user's file where it was raised.
        ToolMissing: the user's file imports an optional package that isn't installed.
    """
    if not is_reference(reference):
        raise ConfigError(
            f"{key} does not name a function",
            expected="'FILE.py:function' or 'package.module:function'",
            got=reference,
        )
    source, _, name = reference.rpartition(":")
    with _importing(reference, directory, key):
        if source.endswith(".py"):
            module = _import_file(directory / source, directory, key=key)
        else:
            module = importlib.import_module(source)
    if not hasattr(module, name):
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise ConfigError(
            f"{key} names a function that {source} does not define",
            expected=f"a function {name!r}",
            path=directory / source if source.endswith(".py") else source,
            hint=suggestion(name, public, what="functions there"),
        )
    found = getattr(module, name)
    if not callable(found):
        raise ConfigError(
            f"{key} names something that can't be called",
            expected="a function",
            got=f"{name} of type {type(found).__name__}",
            path=source,
        )
    return found  # type: ignore[no-any-return]


def _import_file(path: Path, directory: Path, *, key: str) -> ModuleType:
    if not path.is_file():
        beside = [str(p.relative_to(directory)) for p in sorted(directory.glob("*.py"))]
        raise ConfigError(
            f"{key} names a file that does not exist",
            expected=path.name,
            path=path,
            hint=suggestion(str(path.relative_to(directory)), beside, what="files there"),
        )
    mark = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module_name = f"_zkdescent_user_{path.stem}_{mark}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:  # pragma: no cover - only for suffixes other than .py
        raise ConfigError(f"{key} names a file that Python cannot import", path=path)
    module = importlib.util.module_from_spec(spec)
    # Registered, because dataclasses and pickle look a class's module up by name. Compiled from
    # source here and not by the loader, whose byte-code cache takes an edit within the same
    # second for no edit, and writes __pycache__ into the user's folder.
    sys.modules[module_name] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


@contextlib.contextmanager
def _importing(reference: str, directory: Path, key: str) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    except ConfigError:
        raise
    except ModuleNotFoundError as error:
        raise _module_missing(error, reference, key) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{key} could not be imported: {reference} raised {type(error).__name__}",
            got=str(error) or type(error).__name__,
            path=where_raised(error),
            hint="the traceback (-v) shows the line of your file",
        ) from error
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(directory))


def _module_missing(
    error: ModuleNotFoundError, reference: str, key: str
) -> ConfigError | ToolMissing:
    missing = (error.name or "").partition(".")[0]
    if missing in EXTRA_OF:
        return ToolMissing(
            f"{reference} needs {missing}, which is not installed",
            path=where_raised(error),
            hint=f"pip install 'zkdescent[{EXTRA_OF[missing]}]'",
        )
    near = nearest(missing, [*sys.stdlib_module_names, *EXTRA_OF])
    return ConfigError(
        f"{key} could not be imported: {reference} needs a module that isn't there",
        expected=error.name,
        path=where_raised(error),
        hint=f"did you mean {near!r}?" if near else "install it, or put it beside the project file",
    )


def where_raised(error: BaseException) -> str | None:
    """Return ``FILE:LINE`` of the innermost frame of an exception, for messages."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames_of_user = [frame for frame in frames if "importlib" not in frame.filename]
    return f"{frames_of_user[-1].filename}:{frames_of_user[-1].lineno}" if frames_of_user else None
