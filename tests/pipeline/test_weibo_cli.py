"""``tingchao weibo-token``, and what ``tingchao connect`` says about a token that ends soon."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import clock
from tests.connectors.weibo_server import WeiboServer
from tests.pipeline.line_rig import Answer, cli
from tests.pipeline.loopback import Front

REDIRECT = "https://a.example/"


@pytest.fixture
def server() -> WeiboServer:
    return WeiboServer(clock.now)


@pytest.fixture
def front(server: WeiboServer) -> Iterator[Front]:
    front = Front(server.handle)
    yield front
    front.close()


def weibo_token(front: Front, *arguments: str | Path, secret: str = "s3cret") -> Answer:
    app = ("--client-id", "77", "--redirect-uri", REDIRECT, "--host", front.url)
    return cli("weibo-token", *app, *arguments, WEIBO_APP_SECRET=secret, TINGCHAO_LANGUAGE="en")


def test_a_code_becomes_a_file_that_only_its_owner_can_read(
    server: WeiboServer, front: Front, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("the old one")

    page = weibo_token(front)
    said = weibo_token(front, "code-1", "--to", file)

    assert f"{front.url}/oauth2/authorize?client_id=77&redirect_uri=https%3A%2F%2Fa" in page.out
    assert said.code == 0, said.err
    assert file.read_text() == server.token
    assert file.stat().st_mode & 0o777 == 0o600
    assert "2030-01-01" in said.out
    assert "restart ingest" in said.out
    assert server.token not in said.out + said.err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("code", "secret", "says"),
    [
        ("code-1", "wrong", "21324"),
        ("code-2", "s3cret", "21325"),
        ("code-1", "", "WEIBO_APP_SECRET"),
    ],
)
def test_without_a_token_the_old_one_stays(
    front: Front, tmp_path: Path, code: str, secret: str, says: str
) -> None:
    file = tmp_path / "token"
    file.write_text("the old one")

    said = weibo_token(front, code, "--to", file, secret=secret)

    assert said.code == 78
    assert says in said.err
    assert "Traceback" not in said.err
    assert file.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("place", ["", "nowhere/token"])
def test_a_file_that_cannot_be_written_costs_no_code(
    server: WeiboServer, front: Front, tmp_path: Path, place: str
) -> None:
    said = weibo_token(front, "code-1", "--to", tmp_path / place)

    assert said.code == 78
    assert "can't be written" in said.err
    assert server.codes == {"code-1"}


def test_a_trial_says_that_the_token_ends_soon(
    server: WeiboServer, front: Front, tmp_path: Path
) -> None:
    server.expires_at = clock.now() + timedelta(days=2)
    settings = tmp_path / "tingchao.toml"
    settings.write_text(
        f'''language = "en"
folder = "work"
[sources.own]
use = "weibo"
host = "{front.url}"
access_token = {{ env = "OUR_TOKEN" }}
watch = [{{ what = "mentions" }}]
'''
    )

    said = cli("--settings", settings, "connect", "own", "--check", OUR_TOKEN=server.token)

    assert said.code == 0, said.err
    assert "expires in 2.0 days" in said.out
    assert "restart ingest" in said.out
