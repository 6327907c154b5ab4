import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.endpoints import elasticsearch_client
from pipeline.settings import ElasticsearchSettings, Settings, load_settings
from schemas.errors import FatalError
from schemas.language import use_language

SECRET = "hunter2-绝密"

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TINGCHAO_"):
            monkeypatch.delenv(name)
    use_language("en")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


@pytest.fixture(autouse=True)
def language_again() -> object:
    yield
    use_language(None)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "conf/tingchao.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path | None = None) -> str:
    with pytest.raises(FatalError) as caught:
        load_settings(path)
    error: BaseException | None = caught.value
    while error is not None:  # neither the message nor what a traceback would print of it
        assert SECRET not in str(error) + repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return str(caught.value)


# --- where they come from ---------------------------------------------------------------------


def test_without_a_file_the_defaults_hold() -> None:
    settings = load_settings()

    assert settings.kafka.partitions == 4
    assert settings.channels["terminal"].use == "terminal"
    assert settings.folder == Path(".tingchao")


def test_the_file_in_the_current_folder_is_found(write: Write) -> None:
    write("[kafka]\npartitions = 7\n", "elsewhere/tingchao.toml")

    assert load_settings().kafka.partitions == 7


def test_the_order_is_argument_then_variable_then_folder(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[kafka]\npartitions = 1\n", "elsewhere/tingchao.toml")
    named = write("[kafka]\npartitions = 2\n", "named.toml")
    given = write("[kafka]\npartitions = 3\n", "given.toml")

    monkeypatch.setenv("TINGCHAO_SETTINGS", str(named))

    assert load_settings().kafka.partitions == 2
    assert load_settings(given).kafka.partitions == 3


def test_the_environment_overrides_single_keys_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[kafka]\npartitions = 2\nprefix = "a."\n[up]\nenrich = 3\n')
    monkeypatch.setenv("TINGCHAO_KAFKA__PARTITIONS", "9")
    monkeypatch.setenv("TINGCHAO_LANGUAGE", "en")

    settings = load_settings(path)

    assert settings.kafka.partitions == 9
    assert settings.kafka.prefix == "a.", "its neighbours stay"
    assert settings.up.enrich == 3
    assert settings.language == "en"


def test_the_supervisors_own_variables_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINGCHAO_INSTANCE", "2")
    monkeypatch.setenv("TINGCHAO_SUPERVISOR", "123")

    load_settings()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("[kafka]\npartitons = 3\n", "kafka.partitons", "kafka.partitions"),
        ("[elasticsearch]\nreplica = 3\n", "elasticsearch.replica", "elasticsearch.replicas"),
        ("[kafak]\npartitions = 3\n", "kafak", "kafka"),
        ('[rules]\nfiel = "x"\n', "rules.fiel", "rules.file"),
        ("[notify]\nmin_severty = 2\n", "notify.min_severty", "notify.min_severity"),
    ],
)
def test_an_unknown_key_is_refused_with_file_key_and_the_nearest_name(
    write: Write, text: str, key: str, near: str
) -> None:
    path = write(text)

    message = refused(path)

    assert str(path) in message
    assert f"unknown key {key};" in message
    assert f"did you mean {near}?" in message


def test_a_key_like_nothing_is_refused_without_a_guess(write: Write) -> None:
    message = refused(write("[kafka]\nxyzzyq = 1\n"))

    assert "kafka.xyzzyq" in message
    assert "did you mean" not in message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[kafka]\npartitions = 0\n", "kafka.partitions"),
        ('[kafka]\nprefix = "no dot"\n', "kafka.prefix"),
        ('[elasticsearch]\nprefix = "no-dash"\n', "elasticsearch.prefix"),
        ("[up]\ningest = 2\n", "up.ingest"),
        ('[sources.weibo]\npath = "x"\n', "sources.weibo.use"),
        ('language = "fr"\n', "language"),
        ("kafka = 3\n", "kafka"),
    ],
)
def test_a_wrong_value_is_refused_by_name(write: Write, text: str, named: str) -> None:
    path = write(text)

    message = refused(path)

    assert named in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TINGCHAO_KAFKA__PARTITIONS", "many"),
        ("TINGCHAO_KAFKA__PARTITONS", "4"),
        ("TINGCHAO_UP", "3"),
        ("TINGCHAO_KAFKA", "{not json"),
    ],
)
def test_a_wrong_variable_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    message = refused()

    assert name.split("__")[-1].lower().removeprefix("tingchao_") in message.lower()
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("TINGCHAO_KAFAK__BOOTSTRAP", "TINGCHAO_KAFKA__BOOTSTRAP"),
        ("TINGCHAO_FOLDR", "TINGCHAO_FOLDER"),
        ("TINGCHAO_ZZZ__KEY", None),
    ],
)
def test_a_misspelt_section_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, better: str | None
) -> None:
    monkeypatch.setenv(name, "x")

    message = refused()

    assert name in message
    assert better is None or better in message


def test_a_secret_may_have_a_name_that_begins_like_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TINGCHAO_PASSWORD", "x")
    monkeypatch.setenv("TINGCHAO_INSTANCE", "2")

    load_settings()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none.toml") in refused(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"[kafka", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    assert str(path) in refused(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(tmp_path)


def test_errors_are_chinese_first(write: Write) -> None:
    use_language("zh")

    assert "是不是 kafka.partitions？" in refused(write("[kafka]\npartitons = 3\n"))


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'[kafka]\nsasl_password = "{SECRET}"\n',
        f'[elasticsearch]\napi_key = "{SECRET}"\n',
        f'[elasticsearch]\npassword = "{SECRET}"\n',
        f'[channels.team]\nuse = "webhook"\nsecrets = ["{SECRET}"]\n',
        f'[channels.team]\nuse = "webhook"\nsecret = "{SECRET}"\n',
        f'[sources.x]\nuse = "file"\naccess_token = "{SECRET}"\n',
    ],
)
def test_a_secret_in_the_file_itself_is_refused(write: Write, text: str) -> None:
    message = refused(write(text))

    assert "{ env =" in message
    assert "{ file =" in message


def shown(settings: Settings) -> str:
    return "".join(
        [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    )


def test_a_secret_comes_from_a_variable_or_a_file_beside_and_is_never_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_SECRET", SECRET)
    write(SECRET + "\n", "conf/secrets/es")
    path = write(
        '[kafka]\nsecurity = "SASL_SSL"\nsasl_username = "me"\n'
        'sasl_password = { env = "THE_SECRET" }\n'
        '[elasticsearch]\npassword = { file = "secrets/es" }\n'
        '[channels.team]\nuse = "webhook"\n'
        'secrets = [{ env = "THE_SECRET" }, { file = "secrets/es" }]\n'
    )

    settings = load_settings(path)

    for secret in (settings.kafka.sasl_password, settings.elasticsearch.password):
        assert secret is not None
        assert secret.get_secret_value() == SECRET
    both: list[SecretStr] = settings.channels["team"].options["secrets"]
    assert [secret.get_secret_value() for secret in both] == [SECRET, SECRET]
    assert SECRET not in shown(settings)


def test_a_secret_given_by_variable_is_never_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = '[kafka]\nsecurity = "SASL_SSL"\nsasl_username = "me"\n'
    path = write(login + '[channels.team]\nuse = "webhook"\n')
    monkeypatch.setenv("TINGCHAO_KAFKA__SASL_PASSWORD", SECRET)
    monkeypatch.setenv("TINGCHAO_CHANNELS__TEAM__SECRET", SECRET)
    monkeypatch.setenv("TINGCHAO_CHANNELS__TEAM__SECRETS", json.dumps([SECRET]))
    monkeypatch.setenv("TINGCHAO_WATCH__TOKEN", SECRET)
    monkeypatch.setenv("TINGCHAO_ENRICH__OPTIONS", json.dumps({"x": {"api_key": SECRET}}))

    settings = load_settings(path)

    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == SECRET
    assert settings.channels["team"].options["secret"].get_secret_value() == SECRET
    assert SECRET not in shown(settings)


def test_a_mistake_elsewhere_does_not_show_the_secret(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_SECRET", SECRET)
    path = write(
        '[kafka]\nsecurity = "SASL_SSL"\nsasl_username = "me"\n'
        'sasl_password = { env = "THE_SECRET" }\npartitions = -1\n'
    )

    assert "kafka.partitions" in refused(path)


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ('{ env = "NOT_SET_ANYWHERE" }', "NOT_SET_ANYWHERE"),
        ('{ file = "missing" }', "missing"),
        ("{ env = 5 }", "sasl_password"),
        ("{ file = [] }", "sasl_password"),
    ],
)
def test_a_secret_that_is_not_there_is_named(write: Write, reference: str, named: str) -> None:
    path = write(f"[kafka]\nsasl_password = {reference}\n")

    message = refused(path)

    assert named in message
    assert "kafka.sasl_password" in message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": f"http://me:{SECRET}@localhost:9200"}, "username"),
        ({"url": f"localhost:9200/{SECRET}"}, "elasticsearch.url"),
        ({"url": "http://localhost:9200", "password": SECRET}, "username"),
    ],
)
def test_an_index_that_is_wrongly_described_is_refused_without_showing_the_secret(
    changes: dict[str, str], named: str
) -> None:
    settings = Settings(elasticsearch=ElasticsearchSettings.model_validate(changes))

    with pytest.raises(FatalError) as caught:
        elasticsearch_client(settings)

    assert named in str(caught.value)
    assert SECRET not in str(caught.value) + repr(caught.value.__context__)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ('[elasticsearch]\nurl = "https://me:{}@index.example:9200"\n', "elasticsearch.url"),
        ('[kafka]\nbootstrap = "kafka://me:{}@broker.example:9092"\n', "kafka.bootstrap"),
        ('[channels.a]\nuse = "webhook"\nurl = "https://{}@hook.example/x"\n', "channels.a.url"),
        ('[sources.a]\nuse = "x"\nurls = ["https://me:{}@feed.example/"]\n', "sources.a.urls"),
    ],
)
def test_an_address_with_a_password_is_refused_and_not_shown(
    write: Write, section: str, named: str
) -> None:
    assert f"{named} holds a user or password" in refused(write(section.format(SECRET)))


@pytest.mark.parametrize(
    ("kafka", "said"),
    [
        ({"security": "SASL_SSL"}, "needs sasl_username and sasl_password"),
        ({"security": "SASL_SSL", "sasl_username": "me"}, "needs sasl_username and sasl_password"),
        ({"sasl_username": "me"}, "does not log in"),
        ({"security": "SSL", "sasl_username": "me"}, "does not log in"),
        ({"ca_file": "/ca.pem"}, "does not encrypt"),
        ({"security": "SASL_PLAINTEXT", "sasl_username": "me", "ca_file": "x"}, "needs"),
        ({"security": "SSL", "key_file": "/key.pem"}, "without certificate_file"),
    ],
)
def test_safety_that_would_not_be_used_is_refused(
    write: Write, kafka: dict[str, str], said: str
) -> None:
    lines = "".join(f'{name} = "{value}"\n' for name, value in kafka.items())

    assert said in refused(write(f"[kafka]\n{lines}"))


# --- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pick"),
    [
        ('folder = "x"\n', lambda s: s.folder),
        ('[rules]\nfile = "x"\n', lambda s: s.rules.file),
        ('[services]\nartefacts = "x"\n', lambda s: s.services.artefacts),
        ('[kafka]\nsecurity = "SSL"\nca_file = "x"\n', lambda s: s.kafka.ca_file),
        ('[kafka]\nsecurity = "SSL"\ncertificate_file = "x"\n', lambda s: s.kafka.certificate_file),
        (
            '[kafka]\nsecurity = "SSL"\ncertificate_file = "y"\nkey_file = "x"\n',
            lambda s: s.kafka.key_file,
        ),
        ('[elasticsearch]\nca_file = "x"\n', lambda s: s.elasticsearch.ca_file),
        ('[sources.a]\nuse = "replay"\npath = "x"\n', lambda s: s.sources["a"].options["path"]),
        ('[sources.a]\nuse = "file"\nmapping = "x"\n', lambda s: s.sources["a"].options["mapping"]),
        (
            '[sources.a]\nuse = "mailbox"\nca_file = "x"\n',
            lambda s: s.sources["a"].options["ca_file"],
        ),
        (
            '[channels.a]\nuse = "mail"\nca_file = "x"\n',
            lambda s: s.channels["a"].options["ca_file"],
        ),
    ],
)
def test_a_relative_path_is_meant_relative_to_the_file(
    write: Write, text: str, pick: Callable[[Settings], object]
) -> None:
    path = write(text)

    assert Path(str(pick(load_settings(path)))) == path.parent / "x"


def test_an_absolute_path_stays(write: Write) -> None:
    assert load_settings(write('folder = "/var/lib/x"\n')).folder == Path("/var/lib/x")


def test_a_path_from_a_variable_is_meant_from_where_one_stands(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINGCHAO_FOLDER", "here")

    assert load_settings(write('folder = "there"\n')).folder == Path("here")


@pytest.mark.parametrize("zone", ["Mars/Base", "../x", ""])
def test_a_time_zone_that_does_not_exist_is_refused(tmp_path: Path, zone: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f'time_zone = "{zone}"\n', encoding="utf-8")

    assert "time_zone" in refused(path)


def test_a_file_saved_with_a_byte_order_mark_and_an_empty_variable_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.toml"
    path.write_text('\ufefftime_zone = "UTC"\n', encoding="utf-8")
    monkeypatch.setenv("TINGCHAO_LANGUAGE", "")

    assert load_settings(path).time_zone == "UTC"
