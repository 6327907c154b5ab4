"""Runs one role in this process until it is asked to stop."""

import asyncio
import gc
import importlib
import signal
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline.guard import Guard
from pipeline.settings import Settings

if TYPE_CHECKING:
    import faust

__all__ = ["ROLES", "Role", "faust_app", "run_worker"]

Role = Literal["ingest", "enrich", "index", "watch", "notify"]
ROLES: tuple[Role, ...] = get_args(Role)
FAUST_ROLES = ("enrich", "watch")


def run_worker(role: Role, settings: Settings) -> None:
    """Run one role in this process until SIGTERM or SIGINT.

    Raises:
        FatalError: it can't start; the message says what to do.
    """
    guard = Guard(role, settings)
    try:
        if role in FAUST_ROLES:
            import faust

            app = faust_app(role, settings, guard)
            guard.start()
            worker = faust.Worker(app, quiet=True, redirect_stdouts=False, override_logging=False)
            worker.spinner = None  # it writes cursor codes into the log
            worker.execute_from_commandline()
        else:
            module = _module(role)
            calm_garbage_collector()
            guard.start()
            asyncio.run(_until_signal(guard, lambda stop: module.run(settings, guard.vitals, stop)))
    finally:
        guard.close()


def faust_app(role: str, settings: Settings, guard: Guard | None = None) -> "faust.App":
    """The Faust app of ``enrich`` or ``watch``, also for the plain ``faust -A`` command.

    Raises:
        FatalError: it can't be built; the message says what to do.
    """
    module = _module(role)
    calm_garbage_collector()
    app: faust.App = module.faust_app(settings, guard or Guard(role, settings))
    return app


def _module(role: str) -> ModuleType:
    """The module of a role, and with it only the libraries that this role needs."""
    return importlib.import_module(f"pipeline.roles.{role}")


def calm_garbage_collector() -> None:
    """Collect seldom: records hold no cycles, so reference counts free them.

    By default the collector walks all live objects again and again while a batch is built; in
    ``benchmarks/line.py`` that was nearly half of enrich's time (157 against 91 us a post).
    """
    gc.collect()
    gc.freeze()  # what is imported stays
    gc.set_threshold(50_000, 20, 50)


async def _until_signal(
    guard: Guard, run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end_in_order() -> None:
        guard.vitals.stopping = True
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end_in_order)
    guard.vitals.runs_on(loop)
    await run(stop)
