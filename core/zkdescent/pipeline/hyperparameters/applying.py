"""Write a setting into the project file: comments stay, and the old file is kept beside it."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.items import InlineTable, Table

from zkdescent.core._files import write_bytes_atomic
from zkdescent.core.config import OPTIMIZER_DEFAULTS, Project, parse_config
from zkdescent.core.errors import ArtefactError, ConfigError
from zkdescent.pipeline.hyperparameters.findings import Setting, TuneResult
from zkdescent.pipeline.hyperparameters.space import declared


def snippet(setting: Setting) -> str:
    """Return the lines of the project file that declare a setting."""
    lines = [
        "[train]",
        f'optimizer = "{setting.optimizer}"',
        f"learning_rate = {setting.learning_rate!r}",
        f"batch_size = {setting.batch_size}",
        *([f"l1 = {setting.l1!r}"] if setting.l1 else []),
        *([f"l2 = {setting.l2!r}"] if setting.l2 else []),
        "",
        "[circuit]",
        f"fraction_bits = {setting.fraction_bits}",
    ]
    return "\n".join(lines) + "\n"


def apply_setting(project: Project, result: TuneResult, number: int) -> Path:
    """Write setting ``number`` of a search into the project file; return where the old one is.

    Raises:
        ConfigError: there is no such setting, or it can't be proven.
        ArtefactError: the file can't be written.
    """
    setting = next((s for s in result.settings if s.number == number), None)
    if setting is None or setting.metric is None:
        raise ConfigError(
            "no setting of the search has this number" if setting is None
            else "this setting can't be proven",
            expected=f"a number of the front: {', '.join(map(str, result.front))}",
            got=number if setting is None else setting.error,
        )  # fmt: skip
    text = project.file.read_text(encoding="utf-8")
    changed = edited(text, setting)
    # The file must say what was evaluated, whatever it looked like before.
    if parse_config(changed, path=project.file) != declared(project, setting).config:
        raise ConfigError(
            "the setting can't be written into this project file",
            path=project.file,
            hint=f"write it by hand:\n{snippet(setting)}",
        )
    backup = _unused(project.file.with_name(project.file.name + ".bak"))
    try:
        write_bytes_atomic(backup, text.encode(), scratch=project.directory)
        write_bytes_atomic(project.file, changed.encode(), scratch=project.directory)
    except OSError as error:
        raise ArtefactError(
            "the project file can't be written",
            got=error.strerror or str(error),
            path=project.file,
        ) from error
    return backup


def edited(text: str, setting: Setting) -> str:
    """Return the text of a project file with a setting in it; everything else stays."""
    document = tomlkit.parse(text)
    train, circuit = _table(document, "train"), _table(document, "circuit")
    if train.get("optimizer", "sgd") != setting.optimizer:
        for key in {key for keys in OPTIMIZER_DEFAULTS.values() for key in keys} & set(train):
            del train[key]
    train["optimizer"] = setting.optimizer
    train["learning_rate"] = setting.learning_rate
    train["batch_size"] = setting.batch_size
    for key in ("l1", "l2"):
        if getattr(setting, key) or key in train:
            train[key] = getattr(setting, key)
    circuit["fraction_bits"] = setting.fraction_bits
    return tomlkit.dumps(document)


def _table(document: tomlkit.TOMLDocument, name: str) -> Table | InlineTable:
    if name not in document:
        document[name] = tomlkit.table()
    found = document[name]
    assert isinstance(found, Table | InlineTable)  # the file was parsed as a project before
    return found


def _unused(path: Path) -> Path:
    """The path, or the first with a number behind it that is free."""
    for number in range(1, 10_000):
        if not path.exists():
            return path
        path = path.with_name(f"{path.name.rstrip('0123456789')}{number}")
    raise ArtefactError("there are too many old project files", path=path)
