"""The line as a whole: what has to be there before it runs, and which processes it has."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.endpoints import kafka_of
from pipeline.rules import configured_rules, publish_rules
from pipeline.services import RunningServices
from pipeline.settings import Settings
from pipeline.supervisor import Child

__all__ = ["child_environment", "children_of", "prepare", "settings_with"]


def child_environment(
    settings: Settings, running: RunningServices, settings_file: Path | None
) -> dict[str, str]:
    """What the workers need to know beyond the settings file: addresses, folder."""
    environment = {"TINGCHAO_FOLDER": str(settings.folder.resolve())}
    if settings_file:
        environment["TINGCHAO_SETTINGS"] = str(settings_file.resolve())
    if running.kafka_bootstrap:
        environment["TINGCHAO_KAFKA__BOOTSTRAP"] = running.kafka_bootstrap
    if running.elasticsearch_url:
        environment["TINGCHAO_ELASTICSEARCH__URL"] = running.elasticsearch_url
    return environment


def settings_with(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The settings with the addresses of running services filled in."""
    kafka, index = settings.kafka, settings.elasticsearch
    if address := environment.get("TINGCHAO_KAFKA__BOOTSTRAP"):
        kafka = kafka.model_copy(update={"bootstrap": address})
    if url := environment.get("TINGCHAO_ELASTICSEARCH__URL"):
        index = index.model_copy(update={"url": url})
    return settings.model_copy(update={"kafka": kafka, "elasticsearch": index})


async def prepare(settings: Settings) -> None:
    """Topics, and the rule file's rules where one is configured."""
    kafka = kafka_of(settings)
    await kafka.create_topics()
    if (rules := configured_rules(settings)) is not None:
        await publish_rules(kafka, rules)


def children_of(settings: Settings, *, without: tuple[str, ...] = ()) -> list[Child]:
    """The processes that the settings ask for."""
    return [
        Child(role, instance)
        for role, count in settings.up.model_dump().items()
        if role not in without
        for instance in range(1, count + 1)
    ]
