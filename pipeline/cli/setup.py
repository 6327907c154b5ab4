"""Commands that set things up: config, schemas."""

from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer

from pipeline.check import check_settings
from pipeline.cli.common import JsonOption, app, console, print_json, settings_of
from pipeline.schema_export import write_schemas
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import unwritten

config_app = typer.Typer(help=say("设置。", "Settings."), no_args_is_help=True)
app.add_typer(config_app, name="config")


@config_app.command(
    "check",
    help=say("检查设置、规则文件和每个组件的选项。", "Check settings, rule file and every option."),
)
def config_check(context: typer.Context) -> None:
    """Check the settings without starting anything."""
    settings = settings_of(context)
    check_settings(settings)
    console.print(say("设置没有问题。", "The settings are fine."))


@config_app.command(
    "show",
    help=say("显示生效的设置；机密已遮盖。", "Show the settings in force; secrets are masked."),
)
def config_show(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show the settings."""
    tree = _plain(settings_of(context).model_dump(mode="python"))
    if json_output:
        print_json(tree)
    else:
        console.print(tomli_w.dumps(tree), markup=False, soft_wrap=True, end="")


def _plain(value: Any) -> Any:
    """TOML knows no null, path or secret: leave out, write, mask."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


@app.command(
    "schemas",
    help=say(
        "写出每种记录的 JSON Schema 和全部 topic 的 AsyncAPI 文档。",
        "Write the JSON Schema of every record and the AsyncAPI document of all topics.",
    ),
)
def schemas_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help=say("目标文件夹。", "Target folder."))] = Path(
        "schemas-out"
    ),
    json_output: JsonOption = False,
) -> None:
    """Write the schemas."""
    settings_of(context)
    try:
        paths = write_schemas(out)
    except OSError as error:
        why = unwritten(error)
        raise FatalError(say(f"写不到 {out}：{why}。", f"Cannot write to {out}: {why}.")) from None
    if json_output:
        print_json([str(path) for path in paths])
    else:
        console.print(say(f"{len(paths)} 个文件写到 {out}。", f"{len(paths)} files in {out}."))
