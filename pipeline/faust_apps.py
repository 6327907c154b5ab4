"""The Faust apps for the plain Faust command.

::

    faust -A pipeline.faust_apps:enrich worker --without-web
    faust -A pipeline.faust_apps:watch worker --without-web

Settings come from ``TINGCHAO_SETTINGS`` and the environment, as for ``tingchao worker``. The apps
are built when they are asked for, not when this module is imported.
"""

from typing import Any

__all__ = ["enrich", "watch"]  # noqa: F822 - made by __getattr__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.settings import load_settings
    from pipeline.worker import faust_app
    from schemas.language import use_language

    settings = load_settings()
    if settings.language:
        use_language(settings.language)
    app = faust_app(name, settings)
    globals()[name] = app
    return app
