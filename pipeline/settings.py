"""Settings: one TOML file, overridden by the environment.

The file is ``--settings FILE``, else ``TINGCHAO_SETTINGS``, else ``tingchao.toml`` in the current
folder, else there is none and the defaults hold. Every key can be set in the environment as
``TINGCHAO_SECTION__KEY``. Secrets are never written into the file itself: a secret's value is
``{ env = "NAME" }`` or ``{ file = "path" }``, or comes from the environment.
"""

import difflib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.masking import hide
from schemas.errors import FatalError
from schemas.incidents import AnyIncidentKind
from schemas.language import say
from schemas.small_file import read_small, read_toml, unread
from schemas.zone import ZoneName

__all__ = [
    "ChannelSettings",
    "ComponentSettings",
    "ElasticsearchSettings",
    "EnrichSettings",
    "HealthSettings",
    "KafkaSettings",
    "RulesSettings",
    "ServicesSettings",
    "Settings",
    "UpSettings",
    "WatchdogSettings",
    "load_settings",
]

SETTINGS_FILE = "tingchao.toml"
SETTINGS_VARIABLE = "TINGCHAO_SETTINGS"
_PREFIX = "TINGCHAO_"
MAX_SECRET_BYTES = 16 * 1024
_SECRET_NAME = re.compile(r"(password|passwd|secret|secrets|token|(^|_)key)$")
_USERINFO = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*@")
_PATHS = {
    "kafka": ("ca_file", "certificate_file", "key_file"),
    "elasticsearch": ("ca_file",),
    "services": ("artefacts",),
    "rules": ("file",),
}
_COMPONENT_PATHS = ("path", "mapping", "ca_file")


def _hidden(tree: Any) -> Any:
    """A secret option that comes from the environment arrives as plain text, or as a list of it."""
    return _hidden_at("", tree)


def _hidden_at(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden_at(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden_at(key, item) for item in value]
    return SecretStr(value) if isinstance(value, str) and _is_secret((key,)) else value


_Options = Annotated[dict[str, Any], BeforeValidator(_hidden)]
"""Options of a component, which only the component knows."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class KafkaSettings(_Section):
    """The broker; without ``bootstrap`` the local service is used."""

    bootstrap: str | None = None
    """``host:port[,host:port]`` of an existing cluster; empty starts one on this machine."""
    prefix: Annotated[str, Field(pattern=r"^([a-zA-Z0-9_-]+\.)?$")] = ""
    """Put before every topic and consumer group, e.g. ``test.``; ends with a dot."""
    partitions: Annotated[int, Field(ge=1, le=200)] = 4
    """Partitions of each topic when it is created: the most processes that can share a role."""
    replication: Annotated[int, Field(ge=1, le=5)] = 1
    """Copies of each partition; 3 on a cluster."""
    session_timeout_seconds: Annotated[int, Field(ge=6, le=300)] = 30
    """How long a silent process keeps its partitions: after a hard death, so long nobody reads
    them; a process frozen for longer loses them. The cluster must allow the value."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to talk to the cluster."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How to log in when ``security`` begins with SASL."""
    sasl_username: str | None = None
    """User of the login."""
    sasl_password: SecretStr | None = None
    """Password of the login."""
    ca_file: Path | None = None
    """Certificate authority that signed the cluster's certificate; empty: the system's."""
    certificate_file: Path | None = None
    """Client certificate, where the cluster asks for one."""
    key_file: Path | None = None
    """Key of the client certificate; without a password of its own."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What is set and would not be used looks like safety and is none."""
        sasl, tls = self.security.startswith("SASL"), self.security.endswith("SSL")
        login = self.sasl_username is not None or self.sasl_password is not None
        if sasl and not (self.sasl_username and self.sasl_password):
            raise ValueError(
                say(
                    f"security = {self.security} 需要 sasl_username 和 sasl_password",
                    f"security = {self.security} needs sasl_username and sasl_password",
                )
            )
        if login and not sasl:
            raise ValueError(
                say(
                    f"设置了 sasl_username 或 sasl_password，但 security = {self.security} 不登录；"
                    "请改为 SASL_SSL",
                    f"sasl_username or sasl_password is set, but security = {self.security} does "
                    "not log in; set it to SASL_SSL",
                )
            )
        if (self.ca_file or self.certificate_file or self.key_file) and not tls:
            raise ValueError(
                say(
                    f"设置了证书文件，但 security = {self.security} 不加密；请改为 SSL 或 SASL_SSL",
                    f"a certificate file is set, but security = {self.security} does not encrypt; "
                    "set it to SSL or SASL_SSL",
                )
            )
        if self.key_file and not self.certificate_file:
            raise ValueError(
                say(
                    "设置了 key_file，却没有 certificate_file",
                    "key_file is set without certificate_file",
                )
            )
        return self


class ElasticsearchSettings(_Section):
    """The index; without ``url`` the local service is used."""

    url: str | None = None
    """Address of an existing cluster; empty starts one on this machine."""
    prefix: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]*-)?$")] = ""
    """Put before every index name, e.g. ``test-``; ends with a dash."""
    api_key: SecretStr | None = None
    """API key (base64 form) of the cluster."""
    username: str | None = None
    """User, where no API key is used."""
    password: SecretStr | None = None
    """Password of that user."""
    ca_file: Path | None = None
    """Certificate authority that signed the cluster's certificate; empty: the system's."""
    request_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    """A request that takes longer counts as failed and is repeated."""
    shards: Annotated[int, Field(ge=1, le=50)] = 1
    """Shards of each monthly index."""
    replicas: Annotated[int, Field(ge=0, le=5)] = 0
    """Copies of each shard; at least 1 on a cluster."""


class ServicesSettings(_Section):
    """Kafka and Elasticsearch as child processes on this machine."""

    kafka_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the local broker; empty: any free one, kept for the next start."""
    kafka_heap: Annotated[str, Field(pattern=r"^\d+[mg]$")] = "512m"
    """Heap of the broker."""
    elasticsearch_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the local Elasticsearch; empty: any free one, kept for the next start."""
    elasticsearch_heap: Annotated[str, Field(pattern=r"^\d+[mg]$")] = "1g"
    """Heap of Elasticsearch."""
    elasticsearch_user: str = "nobody"
    """Who runs Elasticsearch when Tingchao is started by root, which Elasticsearch refuses."""
    artefacts: Path | None = None
    """Where the programs are kept; empty: in the work folder."""


RuleSetId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]


class RulesSettings(_Section):
    """What to listen for."""

    file: Path | None = None
    """Rule file (TOML) that ``tingchao up`` publishes when it differs from the live rules."""
    id: RuleSetId = "main"
    """Rule set that the workers follow."""
    sets: tuple[RuleSetId, ...] = ()
    """Rule sets that the workers follow where there are several, one a team; ``tingchao rules``
    means the first unless told otherwise. Empty: just ``id``."""

    @property
    def followed(self) -> tuple[str, ...]:
        """Every rule set that the workers follow, each once."""
        return tuple(dict.fromkeys(self.sets)) or (self.id,)


class EnrichSettings(_Section):
    """The chain of enrichers."""

    chain: tuple[str, ...] = (
        "keywords",
        "brands",
        "tokens",
        "sentiment",
        "emotions",
        "aspects",
        "brand_moods",
        "author",
        "intents",
        "rules",
        "departments",
        "signature",
    )
    """Enrichers in order; ``tingchao config show`` lists the known ones."""
    options: dict[str, _Options] = Field(default_factory=dict)
    """Options of each enricher, by its name."""
    remember: Annotated[int, Field(ge=1_000, le=5_000_000)] = 50_000
    """Thread roots with a brand and replies that are remembered, a partition; some 350 bytes each.

    A reply inherits the brands of a root that is remembered, or that comes while it is.
    """


SourceName = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]{1,64}$")]
"""It stands in ids and messages."""


class ComponentSettings(BaseModel):
    """One source or channel: which component, and the component's own options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str
    """Name of the connector or channel."""

    @model_validator(mode="before")
    @classmethod
    def _hide(cls, tree: Any) -> Any:
        return _hidden(tree)

    @property
    def options(self) -> dict[str, Any]:
        """All keys but ``use``."""
        return dict(self.model_extra or {})


class SourceSettings(ComponentSettings):
    """One source, and when its silence is told."""

    silent_after_minutes: Annotated[float, Field(ge=0)] | None = None
    """Without a post for so long it is told as silent; empty: learned by hour of the week; 0:
    never."""

    @property
    def silent_after(self) -> timedelta | None:
        """The same as a length of time."""
        minutes = self.silent_after_minutes
        return None if minutes is None else timedelta(minutes=minutes)


class ChannelSettings(ComponentSettings):
    """One way to reach people, and which other one stands in for it."""

    fallback: str | None = None
    """Name of the channel that tells instead, when this one can't be reached or refuses."""
    fallback_after_minutes: Annotated[float, Field(gt=0)] = 5.0
    """For how long this one is tried first."""
    only_fallback: bool = False
    """Tells nothing by itself: it is there to stand in for others, or to be escalated to."""
    escalate_to: str | None = None
    """Name of the channel that is told when nobody took an incident that this one told of."""


class NotifySettings(_Section):
    """Which incidents are told to people."""

    kinds: tuple[AnyIncidentKind, ...] = ("crisis", "complaint", "rumour", "source")
    """Kinds of incident that are worth a notice."""
    min_severity: Annotated[int, Field(ge=1, le=5)] = 1
    """Least severity."""
    urgent_severity: Annotated[int, Field(ge=1, le=6)] = 4
    """From this severity on a notice goes out at any hour; 6: each waits for the team's hours."""
    escalate_after_minutes: Annotated[float, Field(gt=0)] = 15.0
    """An incident that nobody took so long after it was told goes to ``escalate_to`` of the channel
    that told it."""
    look_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How often is looked for notices that waited long enough."""
    max_age_hours: Annotated[float, Field(gt=0)] = 24.0
    """An incident step that waited longer is not told any more (a channel added today does not
    ring for last month)."""


class HealthSettings(_Section):
    """Where each worker tells how it is: /live, /ready and /metrics."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 where another container or host asks."""
    port: Annotated[int, Field(ge=0, le=65_000)] = 0
    """0: any free port, noted in the work folder. Else the first of fixed ports: this one for
    ingest, + 100 for enrich, + 200 index, + 300 watch, + 400 notify; one more for each further
    process of a role."""
    look_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How often lag and group membership are asked of the broker."""


class WatchdogSettings(_Section):
    """When a worker that hangs ends itself (exit code 75), to be started anew."""

    loop_seconds: Annotated[float, Field(gt=0)] = 30.0
    """The event loop has not answered for so long."""
    step_seconds: Annotated[float, Field(gt=0)] = 180.0
    """Starting, joining the group, a rebalance, a take-over or a write lasts so long."""
    progress_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Nothing was committed for so long although records wait and nothing has to be tried again."""
    member_seconds: Annotated[float, Field(gt=0)] = 120.0
    """The broker has not counted the worker among its group's members for so long."""
    look_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How often the watchdog looks."""


class UpSettings(_Section):
    """How many processes ``tingchao up`` starts for each role."""

    ingest: Annotated[int, Field(ge=0, le=1)] = 1
    """0 or 1: each source must be read once."""
    enrich: Annotated[int, Field(ge=0, le=64)] = 1
    """At most as many as there are partitions."""
    index: Annotated[int, Field(ge=0, le=64)] = 1
    """At most as many as there are partitions."""
    watch: Annotated[int, Field(ge=0, le=64)] = 1
    """At most as many as there are partitions."""
    notify: Annotated[int, Field(ge=0, le=1)] = 1
    """0 or 1."""


class Settings(BaseSettings):
    """All settings; unknown keys are refused."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    language: Literal["zh", "en"] | None = None
    """Language of texts for people; empty: the locale's."""
    folder: Path = Path(".tingchao")
    """Work folder: data and logs of local services, crash notes."""
    time_zone: ZoneName = "Asia/Shanghai"
    """Zone in which people read times."""
    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    services: ServicesSettings = ServicesSettings()
    rules: RulesSettings = RulesSettings()
    enrich: EnrichSettings = EnrichSettings()
    watch: _Options = Field(default_factory=dict)
    """Options of the crisis detector."""
    notify: NotifySettings = NotifySettings()
    platforms: dict[str, str] = Field(default_factory=dict)
    """What people call the platforms of your posts: id to name."""
    sources: dict[SourceName, SourceSettings] = Field(default_factory=dict)
    """Connectors that ``ingest`` runs, by a name of your choice."""
    channels: dict[str, ChannelSettings] = Field(
        default_factory=lambda: {"terminal": ChannelSettings(use="terminal")}
    )
    """Ways to reach people, by a name of your choice."""
    health: HealthSettings = HealthSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    up: UpSettings = UpSettings()

    @property
    def telling_channels(self) -> list[str]:
        """Channels that read incidents by themselves, each in a group of its own."""
        return [name for name, one in self.channels.items() if not one.only_fallback]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file (which arrives as constructor arguments)."""
        return env_settings, init_settings


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        FatalError: the file is missing or wrong; the message names file, key and the nearest
            valid name.
    """
    chosen = path or _path_from_environment()
    _check_environment()
    tree = _read(chosen) if chosen else {}
    try:
        settings = Settings(**tree)
    except ValidationError as error:
        raise FatalError(_sentence(error, chosen)) from None  # the cause would show secrets
    except SettingsError as error:
        raise FatalError(
            say(
                f"环境变量 TINGCHAO_* 里有一节的值不是 JSON（{error}）；"
                "请用 TINGCHAO_节__键 逐个设置。",
                f"environment (TINGCHAO_*): the value of a section is no JSON ({error}); set its "
                "keys one by one as TINGCHAO_SECTION__KEY.",
            )
        ) from None
    leaves = list(_leaves(settings.model_dump(), ""))
    for name, value in leaves:
        if isinstance(value, str) and _USERINFO.search(value):
            raise FatalError(
                say(
                    f"{_source(chosen)}：{name} 的地址里写了用户名或密码，会出现在日志里；"
                    "请从地址中去掉，改用该组件自己的用户名和密码设置。",
                    f"{_source(chosen)}: {name} holds a user or password in its address, which "
                    "would stand in logs; take it out and use the settings for user and password.",
                )
            )
    hide(value.get_secret_value() for _, value in leaves if isinstance(value, SecretStr))
    return settings


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every single value with its key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value


def _check_environment() -> None:
    """Refuse a misspelt section; pydantic-settings would pass over it in silence.

    Other variables may begin alike (a secret's name, a supervisor's note), so a name without a
    section has to resemble a setting to be called misspelt.
    """
    known = list(Settings.model_fields)
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX) or name == SETTINGS_VARIABLE:
            continue
        section, has_key, key = name.removeprefix(_PREFIX).lower().partition("__")
        if section in known:
            continue
        near = difflib.get_close_matches(section, known, n=1, cutoff=0.5 if has_key else 0.8)
        if near or has_key:
            better = _PREFIX + (near[0] + has_key + key).upper() if near else None
            raise FatalError(
                say(f"环境变量 {name}：没有这个设置", f"environment: {name} is no setting")
                + _hint(better)
            )


def _path_from_environment() -> Path | None:
    named = os.environ.get(SETTINGS_VARIABLE)
    if named:
        return Path(named)
    return Path(SETTINGS_FILE) if Path(SETTINGS_FILE).is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        tree, _ = read_toml(path)
    except FileNotFoundError:
        raise FatalError(
            say(
                f"找不到设置文件 {path}；请检查路径，或去掉 --settings 使用默认设置。",
                f"Settings file {path} does not exist; check the path, or leave out --settings.",
            )
        ) from None
    except (OSError, ValueError) as error:
        why = unread(error) if isinstance(error, OSError) else str(error)
        raise FatalError(
            say(
                f"读不懂设置文件 {path}：{why}。",
                f"Settings file {path} cannot be read: {why}.",
            )
        ) from None
    resolved = _resolve_secrets(tree, path, ())
    assert isinstance(resolved, dict)
    _anchor(resolved, ("folder",), path.parent)
    for section, keys in _PATHS.items():
        _anchor(resolved.get(section), keys, path.parent)
    for components in (resolved.get("sources"), resolved.get("channels")):
        for component in components.values() if isinstance(components, dict) else ():
            _anchor(component, _COMPONENT_PATHS, path.parent)
    return resolved


def _anchor(table: Any, keys: tuple[str, ...], folder: Path) -> None:
    """A relative path in the file is meant relative to the file, not to where one stands."""
    if isinstance(table, dict):
        for key in keys:
            if isinstance(table.get(key), str):
                table[key] = str(folder / table[key])


def _resolve_secrets(value: Any, path: Path, keys: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_resolve_secrets(item, path, keys) for item in value]
    if not isinstance(value, dict):
        if keys and isinstance(value, str) and _SECRET_NAME.search(keys[-1]):
            name = ".".join(keys)
            raise FatalError(
                say(
                    f"{path}：{name} 是机密，不能直接写在设置文件里；"
                    f'请写成 {{ env = "变量名" }} 或 {{ file = "路径" }}。',
                    f"{path}: {name} is a secret and must not stand in the file itself; "
                    f'write {{ env = "NAME" }} or {{ file = "path" }}.',
                )
            )
        return value
    if set(value) == {"env"} or (set(value) == {"file"} and _is_secret(keys)):
        (named,) = value.values()
        if not isinstance(named, str):
            where = ".".join(keys)
            raise FatalError(
                say(
                    f"{path}：{where} 里的 env 或 file 要写成带引号的文字。",
                    f"{path}: env or file in {where} must be text in quotes.",
                )
            )
        found = _secret(value, path, ".".join(keys))
        return SecretStr(found) if _is_secret(keys) else found
    return {key: _resolve_secrets(item, path, (*keys, key)) for key, item in value.items()}


def _is_secret(keys: tuple[str, ...]) -> bool:
    return bool(keys and _SECRET_NAME.search(keys[-1]))


def _secret(value: dict[str, str], path: Path, name: str) -> str:
    if "env" in value:
        found = os.environ.get(value["env"])
        if found is None:
            raise FatalError(
                say(
                    f"{path}：{name} 要从环境变量 {value['env']} 读取，但它没有设置。",
                    f"{path}: {name} is to be read from the environment variable "
                    f"{value['env']}, which is not set.",
                )
            )
        return found
    file = path.parent / value["file"]
    try:
        return read_small(file, MAX_SECRET_BYTES).decode().strip()
    except (OSError, ValueError) as error:
        raise FatalError(
            say(
                f"{path}：{name} 要从文件 {file} 读取，但读不了（{error.__class__.__name__}）。",
                f"{path}: {name} is to be read from {file}, which cannot be read "
                f"({error.__class__.__name__}).",
            )
        ) from None


def _sentence(error: ValidationError, path: Path | None) -> str:
    where = _source(path)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        hint = _hint(nearest_key(first["loc"]))
        return say(f"{where}：没有 {key} 这个设置", f"{where}: unknown key {key}") + hint
    return say(f"{where}：{key} 的值不对：{message}。", f"{where}: {key}: {message}.")


def _source(path: Path | None) -> str:
    return str(path) if path else say("环境变量 TINGCHAO_*", "environment (TINGCHAO_*)")


def _hint(near: str | None) -> str:
    """The end of a sentence about a name that is none."""
    if near is None:
        return say("。", ".")
    return say(f"；是不是 {near}？", f"; did you mean {near}?")


def nearest_key(location: tuple[int | str, ...]) -> str | None:
    """The valid key that looks most like the last part of a wrong one."""
    model: Any = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = field.annotation if field else None
    known = list(getattr(model, "model_fields", {}))
    match = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return ".".join([*map(str, location[:-1]), match[0]]) if match else None
