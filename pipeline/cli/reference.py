"""Writes the command reference, so that it can't drift.

::

    TINGCHAO_LANGUAGE=en python -m pipeline.cli.reference [--check]
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["PATH", "reference"]

PATH = Path(__file__).resolve().parents[2] / "deploy" / "commands.md"


def reference() -> str:
    """The reference in Markdown, in the language in force when the commands were imported."""
    import typer.main

    from pipeline.cli import app

    root: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Made by `TINGCHAO_LANGUAGE=en python -m pipeline.cli.reference`; a test compares it with "
        "the commands.",
        "",
        "Exit codes: 0 done; 1 done, and the answer is no; 2 wrong usage; 70 a bug; 78 a person "
        "has to act first; 130 interrupted.",
    ]
    for path, command in _walk(root, ("tingchao",)):
        lines += ["", f"## `{' '.join(path)}`", "", command.help or "", ""]
        lines += [f"- {_parameter(parameter)}" for parameter in _shown(command)]
    return "\n".join(lines).rstrip() + "\n"


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(inner, (*path, name))


def _shown(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.name != "help"]


def _parameter(parameter: Any) -> str:
    text = getattr(parameter, "help", None) or ""
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}` {text}".rstrip()
    return f"`{', '.join(parameter.opts)}` {text}".rstrip()


if __name__ == "__main__":
    text = reference()
    if sys.argv[1:] == ["--check"]:
        sys.exit(PATH.read_text(encoding="utf-8") != text)
    PATH.write_text(text, encoding="utf-8")
