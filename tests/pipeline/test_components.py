import asyncio

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import Context
from pipeline.clock import now
from pipeline.components import build_channel, build_channels, build_connector
from pipeline.guard import _groups
from pipeline.roles.notify import _fallback_of
from pipeline.settings import ChannelSettings, ComponentSettings, Settings
from schemas.errors import FatalError
from schemas.language import use_language
from sinks.base import Channel

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.fixture(autouse=True)
def english() -> object:
    use_language("en")
    yield
    use_language(None)


def connector(**section: object) -> object:
    context = Context(httpx.AsyncClient(), now, asyncio.sleep)
    return build_connector("cars", ComponentSettings(**section), context)


def channel(**section: object) -> object:
    return build_channel("crm", ComponentSettings(**section), httpx.AsyncClient())


def test_an_unknown_connector_is_named_with_the_nearest_one() -> None:
    with pytest.raises(FatalError, match=r"sources\.cars\.use: there is no fil; .* file\?"):
        connector(use="fil", path="x.csv")


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    with pytest.raises(FatalError, match=r"Unknown key sources\.cars\.maping; .* mapping\?"):
        connector(use="file", path="x.csv", maping="y.toml")


def test_a_missing_option_is_named() -> None:
    with pytest.raises(FatalError, match=r"sources\.cars\.path: Field required"):
        connector(use="file")


def test_a_wrong_option_beside_a_secret_does_not_show_it() -> None:
    with pytest.raises(FatalError) as caught:
        channel(use="webhook", url="no address", secrets=[SecretStr(SECRET)])

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_channel_is_built_from_its_section() -> None:
    built = channel(use="webhook", url="http://127.0.0.1:9/hook", secrets=[SecretStr(SECRET)])

    assert SECRET not in repr(built)
    assert SECRET not in repr(vars(built))


@pytest.mark.parametrize("key", ["fallback", "escalate_to"])
@pytest.mark.parametrize("other", ["mial", "crm"])
def test_a_fallback_that_is_no_other_channel_is_named(key: str, other: str) -> None:
    channels = {
        "crm": ChannelSettings(use="terminal", **{key: other}),
        "mail": ChannelSettings(use="terminal", only_fallback=True),
    }
    with pytest.raises(FatalError, match=rf"channels\.crm\.{key}: .* {other}; known: mail"):
        build_channels(Settings(channels=channels), httpx.AsyncClient())


def test_a_channel_that_only_stands_in_is_built_but_reads_nothing() -> None:
    settings = Settings(
        channels={
            "crm": ChannelSettings(use="terminal", fallback="mail"),
            "mail": ChannelSettings(use="terminal", only_fallback=True),
        }
    )

    assert list(build_channels(settings, httpx.AsyncClient())) == ["crm", "mail"]
    assert settings.telling_channels == ["crm"]
    assert _groups("notify", settings) == ["notify-crm"]
    fallback = _fallback_of(settings, "crm", {"mail": built_terminal()})
    assert fallback is not None
    assert (fallback.name, fallback.after_seconds) == ("mail", 300)
    assert _fallback_of(settings, "mail", {}) is None


def built_terminal() -> Channel:
    return build_channel("mail", ComponentSettings(use="terminal"), httpx.AsyncClient())
