"""Progress of the local services in a terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["ShownProgress"]

_TITLES = {"kafka": "Kafka", "elasticsearch": "Elasticsearch", "java": "Java", "services": "…"}


class ShownProgress:
    """One line a service with its step and its time; plain lines where there is no terminal.

    Use as ``with ShownProgress(console) as progress: start(config, ..., progress=progress)``.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.fields[title]:<14}"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )
        self._rows: dict[str, TaskID] = {}

    def __call__(self, service: str, text: str, *, done: bool = False) -> None:
        """Show one step."""
        title = _TITLES.get(service, service)
        if not self._console.is_terminal:
            self._console.print(f"{title}: {text}", markup=False, highlight=False)
            return
        row = self._rows.get(service)
        if row is None or self._bars.tasks[row].finished:
            row = self._rows[service] = self._bars.add_task(text, total=1, title=title)
        self._bars.update(row, description=text, completed=1 if done else 0)

    def __enter__(self) -> "ShownProgress":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()
