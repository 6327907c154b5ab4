"""What all commands share: the app, settings, output, errors and exit codes.

Exit codes: 0 done; 1 done, and the answer is no (the audit does not add up, the demo's crisis was
not found); 2 wrong usage; 70 a bug; 78 a person has to act first (settings, a service that is not
running); 130 interrupted.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from pipeline.cli.usage import UsageError, told
from pipeline.logs import quiet_logs
from pipeline.loop import EXIT_FATAL
from pipeline.masking import masked
from pipeline.settings import Settings, load_settings
from schemas.errors import FatalError, TingchaoError
from schemas.language import say, use_language

__all__ = [
    "EXIT_NO",
    "JsonOption",
    "app",
    "console",
    "local_time",
    "login_name",
    "print_json",
    "run",
    "settings_file_of",
    "settings_of",
    "time_of",
    "wait_for",
]

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

T = TypeVar("T")

#: Control characters but tab and line break, as their pictures or a dot: the same length.
_CONTROLS = {
    code: chr(0x2400 + code) if code < 0x20 else "·"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\t\n"
}


class SafeConsole(Console):
    """Shows what strangers wrote without letting it move the cursor or rename the window."""

    def print(self, *objects: Any, **more: Any) -> None:
        """As rich does, with control characters made visible."""
        super().print(*(_without_controls(one) for one in objects), **more)

    def render_str(self, text: str, **more: Any) -> Text:
        """Also the cells of tables."""
        return super().render_str(text.translate(_CONTROLS), **more)


def _without_controls(shown: Any) -> Any:
    if isinstance(shown, Text):
        shown = shown.copy()
        shown.plain = shown.plain.translate(_CONTROLS)
    return shown


# A pipe has no width; a table that is cut to 80 columns would hide what a script looks for.
WIDTH = None if sys.stdout.isatty() else 160

# What people wrote is printed as it stands: not ":100:" as an emoji, not "[b]" as a style.
console = SafeConsole(highlight=False, markup=False, emoji=False, width=WIDTH)
errors = SafeConsole(stderr=True, highlight=False, markup=False, emoji=False)

app = typer.Typer(
    name="tingchao",
    help=say(
        "听潮：实时社交聆听。帖子进来，可检索的文档、富化的 topic 和危机警报出去。",
        "Tingchao: real-time social listening. Posts in; searchable documents, an enriched topic "
        "and crisis alarms out.",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

JsonOption = Annotated[
    bool,
    typer.Option("--json", help=say("以 JSON 输出，供程序读取。", "Print JSON, for programs.")),
]


@dataclass
class _Chosen:
    settings_file: Path | None = None


@app.callback()
def _root(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help=say(
                "设置文件（TOML）；默认 TINGCHAO_SETTINGS，再默认当前目录的 tingchao.toml。",
                "Settings file (TOML); default TINGCHAO_SETTINGS, then tingchao.toml here.",
            ),
        ),
    ] = None,
) -> None:
    context.obj = _Chosen(settings)


def settings_of(context: typer.Context) -> Settings:
    """The settings of this call; also fixes the language."""
    chosen = context.find_root().obj
    settings = load_settings(chosen.settings_file if isinstance(chosen, _Chosen) else None)
    if settings.language:
        use_language(settings.language)
    return settings


def settings_file_of(context: typer.Context) -> Path | None:
    """The settings file that was named on the command line."""
    chosen = context.find_root().obj
    return chosen.settings_file if isinstance(chosen, _Chosen) else None


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    quiet_logs()
    try:
        # What a command returns is its exit code: 0, or that of ``typer.Exit``.
        return int(app(list(arguments), prog_name="tingchao", standalone_mode=False) or 0)
    except UsageError as error:
        return _print_usage(error)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except TingchaoError as error:
        errors.print(masked(str(error)), markup=False, soft_wrap=True)
        return EXIT_FATAL
    except KafkaError as error:  # it answered, and fell silent on the way
        reason = type(error).__name__
        errors.print(
            say(
                f"Kafka 中途不再应答（{reason}）；请检查它是否在运行，然后再试一次。",
                f"Kafka fell silent on the way ({reason}); see whether it runs, then try again.",
            ),
            soft_wrap=True,
        )
        return EXIT_FATAL
    except KeyboardInterrupt:
        errors.print(say("已中断。", "Interrupted."))
        return EXIT_INTERRUPTED


def _print_usage(error: Any) -> int:
    """Say what is wrong with the command line; returns the exit code."""
    if (sentence := told(error)) is not None:
        errors.print(sentence, soft_wrap=True)
    else:
        error.show()
    return EXIT_USAGE


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work)


def print_json(data: Any) -> None:
    """One JSON document on standard output; times in ISO form."""
    text = json.dumps(data, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write(text + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def local_time(at: datetime | None, settings: Settings, form: str = "%m-%d %H:%M") -> str:
    """A time as people read it."""
    return at.astimezone(ZoneInfo(settings.time_zone)).strftime(form) if at else "–"


def time_of(option: str, value: str | None, settings: Settings) -> datetime | None:
    """The time that an option gives, in the settings' zone where it names none.

    Raises:
        FatalError: it is no time.
    """
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise FatalError(
            say(
                f"{option} 看不懂 {value}；请写成 2026-10-01 或 2026-10-01T08:00。",
                f"{option} cannot read {value}; write 2026-10-01 or 2026-10-01T08:00.",
            )
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(settings.time_zone))


def login_name() -> str:
    """Who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "tingchao"
