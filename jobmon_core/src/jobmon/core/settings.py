"""Reads the settings: `JOBMON__SECTION__KEY` in the environment, over the settings file, over the defaults.

The file is the one that `JOBMON__CONFIG_FILE` names, else `jobmon.yaml` in the user's configuration
directory if there is one. An entry point calls `load_settings` once and passes the result down; importing
this module reads nothing. Every misspelt name is an error: a setting that silently does nothing is worse
than none. Options of clusters, `JOBMON__CLUSTERS__NAME__OPTION`, are read as texts with their names in lower
case; the cluster's plugin knows them, see `ClusterKind.read_options`.
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
CLUSTERS = "clusters"

_OPTION = f"{PREFIX}{CLUSTERS}__".upper()

_TYPES: dict[str, dict[str, Any]] = {
    section.name: {key.name: key.type for key in msgspec.structs.fields(section.type)}
    for section in msgspec.structs.fields(Settings)
    if section.name != CLUSTERS
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
    place = f"settings file {file}"
    sections = _mapping(_read(file), place) if file else {}
    options = [*_options_from_file(sections.pop(CLUSTERS, None), place), *_options_from_environment(environ)]
    values: dict[str, dict[str, Any]] = {section: {} for section in [*_TYPES, CLUSTERS]}
    for section, key, value in [*_from_file(sections, place), *_from_environment(environ)]:
        values[section][key] = value
    for cluster, option, text in options:
        values[CLUSTERS].setdefault(cluster, {})[option] = text
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
        if not name.startswith(PREFIX) or name.startswith(_OPTION) or name == CONFIG_FILE:
            continue
        if name not in _VARIABLES:
            valid = [*_VARIABLES, CONFIG_FILE, f"{_OPTION}NAME__OPTION"]
            raise _unknown("the environment", "variable", name, valid)
        section, key = _VARIABLES[name]
        yield section, key, _converted(text, section, key, f"environment variable {name}", strict=False)


def _options_from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Cluster, option, text. An option has no double underscore in its name; a cluster may have."""
    for name, text in environ.items():
        if name.startswith(_OPTION):
            cluster, _, option = name.removeprefix(_OPTION).lower().rpartition("__")
            if not cluster or not option:
                raise ConfigError(f"environment variable {name}: options of clusters are {_OPTION}NAME__OPTION")
            yield cluster, option, text


def _from_file(sections: Mapping[Any, Any], place: str) -> Iterator[tuple[str, str, Any]]:
    for section, keys in sections.items():
        if section not in _TYPES:
            raise _unknown(place, "section", section, [*_TYPES, CLUSTERS])
        for key, value in _mapping(keys, f"{place}: {section}").items():
            if key not in _TYPES[section]:
                raise _unknown(f"{place}: {section}", "key", key, _TYPES[section])
            yield section, key, _converted(value, section, key, f"{place}: {section}.{key}", strict=True)


def _options_from_file(clusters: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """Cluster, option, the value as the text that the environment would have."""
    for cluster, options in _mapping(clusters, f"{place}: {CLUSTERS}").items():
        for option, value in _mapping(options, f"{place}: {CLUSTERS}.{cluster}").items():
            if not isinstance(value, str | int | float):
                raise ConfigError(f"{place}: {CLUSTERS}.{cluster}.{option} is {value!r}; it must be one value")
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield str(cluster).lower(), str(option).lower(), text


def _read(file: Path) -> Any:
    import yaml  # here, because most processes have no settings file and need not pay for it

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # YAML's dates are no YAMLErrors
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
