"""Reads the settings: `JOBMON__SECTION__KEY` in the environment, over the settings file, over the defaults.

The file is the one that `JOBMON__CONFIG_FILE` names, else `jobmon.yaml` in the user's configuration
directory if there is one. An entry point calls `load_settings` once and passes the result down; importing
this module reads nothing. Every misspelt name is an error: a setting that silently does nothing is worse
than none.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import platformdirs

from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ConfigError

__all__ = ["PREFIX", "Settings", "config_file", "data_dir", "load_settings", "run_dir"]

PREFIX = "JOBMON__"
CONFIG_FILE = f"{PREFIX}CONFIG_FILE"

_TYPES: dict[str, dict[str, Any]] = {
    section.name: {key.name: key.type for key in msgspec.structs.fields(section.type)}
    for section in msgspec.structs.fields(Settings)
}
_VARIABLES = {
    f"{PREFIX}{section}__{key}".upper(): (section, key) for section, keys in _TYPES.items() for key in keys
}


def load_settings(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """The settings in force. `environ` is os.environ unless given, `file` the one `config_file` finds.

    Raises ConfigError, naming the variable or the file and the nearest valid name, for an unknown setting,
    and for a value of the wrong kind.
    """
    environ = os.environ if environ is None else environ
    file = file or config_file(environ)
    values: dict[str, dict[str, Any]] = {section: {} for section in _TYPES}
    for section, key, value in _from_file(file) if file else ():
        values[section][key] = value
    for section, key, value in _from_environment(environ):
        values[section][key] = value
    return msgspec.convert(values, Settings)


def config_file(environ: Mapping[str, str]) -> Path | None:
    """The settings file: what `JOBMON__CONFIG_FILE` says, else the user's `jobmon.yaml` if it exists."""
    if named := environ.get(CONFIG_FILE):
        return Path(named).expanduser()
    file = platformdirs.user_config_path("jobmon") / "jobmon.yaml"
    return file if file.exists() else None


def data_dir(settings: Settings) -> Path:
    """Where the embedded server keeps its database, token and log."""
    return Path(settings.server.data_dir or platformdirs.user_data_path("jobmon")).expanduser().absolute()


def run_dir(settings: Settings) -> Path:
    """Where workflow runs keep the output of their commands."""
    return Path(settings.run.dir or platformdirs.user_state_path("jobmon") / "runs").expanduser().absolute()


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == CONFIG_FILE:
            continue
        if name not in _VARIABLES:
            raise _unknown("the environment", "variable", name, [*_VARIABLES, CONFIG_FILE])
        section, key = _VARIABLES[name]
        yield section, key, _converted(text, section, key, f"environment variable {name}", strict=False)


def _from_file(file: Path) -> Iterator[tuple[str, str, Any]]:
    place = f"settings file {file}"
    for section, keys in _mapping(_read(file), place).items():
        if section not in _TYPES:
            raise _unknown(place, "section", section, _TYPES)
        for key, value in _mapping(keys, f"{place}: {section}").items():
            if key not in _TYPES[section]:
                raise _unknown(f"{place}: {section}", "key", key, _TYPES[section])
            yield section, key, _converted(value, section, key, f"{place}: {section}.{key}", strict=True)


def _read(file: Path) -> Any:
    import yaml  # here, because most processes have no settings file and need not pay for it

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"settings file {file} cannot be read: {error}") from error


def _mapping(value: Any, place: str) -> dict[Any, Any]:
    """The mapping that must stand there; nothing at all is an empty one."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise ConfigError(f"{place} is {value!r}; it must be a mapping of names to values")


def _converted(value: Any, section: str, key: str, place: str, *, strict: bool) -> Any:
    kind = _TYPES[section][key]
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        default = getattr(getattr(Settings(), section), key)
        choices = f"one of {', '.join(get_args(kind))}; " if get_origin(kind) is Literal else ""
        raise ConfigError(f"{place} is {value!r}: {error} ({choices}default {default!r})") from error


def _unknown(place: str, kind: str, name: object, valid: Iterable[str]) -> ConfigError:
    nearest = get_close_matches(str(name), valid, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(valid))}"
    return ConfigError(f"{place} has the unknown {kind} {str(name)!r}; {hint}")
