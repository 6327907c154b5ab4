"""The container files and the runbook: their structure, since no Docker engine runs here.

What can be run without one is run: the health check against a worker's real counters, the shell
scripts of the one-shot services against stand-ins that write down how they were called.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from pipeline import worker
from pipeline.cli import app
from pipeline.cli.common import EXIT_INTERRUPTED, EXIT_NO
from pipeline.health import HealthServer
from pipeline.loop import EXIT_BUG, EXIT_FATAL, EXIT_WATCHDOG
from pipeline.services.kafka import properties
from pipeline.settings import HealthSettings, Settings, WatchdogSettings, load_settings
from pipeline.vitals import Vitals
from pipeline.watchdog import Watchdog

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ROOT = DEPLOY.parent
RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
COMPOSE_TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"accounts", "setup"}
OURS = {name for name, service in SERVICES.items() if "build" in service}
ROLES = {name for name in OURS if name not in ONE_SHOT}
EXACT = re.compile(r":\d+\.\d+\.\d+(-[a-z]+)*$")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|API_?KEY", re.IGNORECASE)
FROM_ENVIRONMENT = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def each(names: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(names))


# --- compose ------------------------------------------------------------------------------------


def test_there_is_one_service_for_each_role() -> None:
    assert set(worker.ROLES) == ROLES


@each(set(SERVICES))
def test_images_are_pinned_to_exact_versions(name: str) -> None:
    assert EXACT.search(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_our_image_carries_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {SERVICES[name]["image"] for name in OURS} == {f"tingchao:{project['version']}"}


@pytest.mark.parametrize(
    ("service", "image", "pom"),
    [
        ("kafka", "apache/kafka", "kafka"),
        ("elasticsearch", "docker.elastic.co/elasticsearch/elasticsearch", "elasticsearch"),
        ("accounts", "docker.elastic.co/elasticsearch/elasticsearch", "elasticsearch"),
        ("kibana", "docker.elastic.co/kibana/kibana", "elasticsearch"),
    ],
)
def test_servers_have_the_versions_that_the_local_services_are_tested_with(
    service: str, image: str, pom: str
) -> None:
    text = (DEPLOY / "local" / pom / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<version>(\d+\.\d+\.\d+)</version>", text)

    assert version and SERVICES[service]["image"] == f"{image}:{version[1]}"


def test_our_image_is_built_from_files_that_exist() -> None:
    build = SERVICES["enrich"]["build"]
    context = (DEPLOY / build["context"]).resolve()

    assert context == ROOT
    assert (context / build["dockerfile"]).is_file()
    assert all(SERVICES[name]["build"] == build for name in OURS)


@each(set(SERVICES))
def test_each_service_restarts_or_runs_once(name: str) -> None:
    expected = "no" if name in ONE_SHOT else "unless-stopped"

    assert SERVICES[name]["restart"] == expected


@each(set(SERVICES) - ONE_SHOT)
def test_each_lasting_service_has_a_health_check_and_time_to_end(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    assert SERVICES[name]["stop_grace_period"]


@each(set(SERVICES))
def test_each_service_is_bounded_in_memory_and_logs(name: str) -> None:
    service = SERVICES[name]

    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@each(set(SERVICES))
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_kafka_which_asks_for_no_password_is_not_published() -> None:
    assert "ports" not in SERVICES["kafka"]


@each(set(SERVICES))
def test_passwords_come_from_the_environment_and_have_no_default(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    secrets = {key: value for key, value in environment.items() if SECRET.search(key)}

    assert all(FROM_ENVIRONMENT.fullmatch(value) for value in secrets.values())
    assert secrets or name == "kafka"


def test_elasticsearch_asks_for_passwords() -> None:
    assert SERVICES["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"


def test_each_named_volume_is_declared_and_each_declared_one_used() -> None:
    used = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.get("source") if isinstance(volume, dict) else volume.split(":")[0]
            if source and not source.startswith(("./", "/", "$")):
                used.add(source)

    assert used == set(COMPOSE["volumes"])


@each(set(SERVICES))
def test_dependencies_exist_and_can_fulfil_their_condition(name: str) -> None:
    for other, need in SERVICES[name].get("depends_on", {}).items():
        once = need["condition"] == "service_completed_successfully"
        assert once == (other in ONE_SHOT)
        assert once or (need["condition"] == "service_healthy" and "healthcheck" in SERVICES[other])


@each(ROLES)
def test_workers_wait_for_topics_and_rules(name: str) -> None:
    assert "setup" in SERVICES[name]["depends_on"]


@pytest.mark.parametrize("name", ["index", "notify"])
def test_workers_that_use_the_index_wait_for_their_account(name: str) -> None:
    assert "accounts" in SERVICES[name]["depends_on"]


@each(ROLES)
def test_each_worker_can_write_its_folder_and_shares_it_with_nobody(name: str) -> None:
    folder = SERVICES[name]["environment"]["TINGCHAO_FOLDER"]
    here = [v for v in SERVICES[name]["volumes"] if isinstance(v, dict) and v["target"] == folder]

    assert SERVICES[name]["read_only"] is True
    assert [v["type"] for v in here] == ["volume"]
    # A named one would be shared by all processes of the role. Of ingest there is only one, and
    # what it promised to senders must outlive the container.
    assert here[0].get("source") == ("ingest-data" if name == "ingest" else None)


@each(OURS)
def test_variables_for_us_are_keys_of_the_settings(name: str) -> None:
    """pydantic-settings ignores a misspelt variable without a word."""
    for variable in SERVICES[name]["environment"]:
        if variable in ("TZ", "TINGCHAO_SETTINGS"):
            continue
        model: Any = Settings
        for key in variable.removeprefix("TINGCHAO_").lower().split("__"):
            assert key in model.model_fields, variable
            model = model.model_fields[key].annotation


def test_settings_of_a_container_are_the_example_and_the_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in SERVICES["index"]["environment"].items():
        monkeypatch.setenv(variable, "hunter22" if "${" in value else value)

    settings = load_settings(DEPLOY / "tingchao.example.toml")

    assert settings.kafka.bootstrap == "kafka:9092"
    assert settings.elasticsearch.url == "http://elasticsearch:9200"
    assert settings.elasticsearch.password
    assert settings.elasticsearch.password.get_secret_value() == "hunter22"
    assert settings.folder == Path("/var/lib/tingchao")
    assert settings.rules.file == Path("/etc/tingchao/rules.toml")


@each(OURS)
def test_the_mounted_files_are_where_the_settings_look_for_them(name: str) -> None:
    environment = SERVICES[name]["environment"]
    targets = {config["source"]: config["target"] for config in SERVICES[name]["configs"]}

    assert targets == {
        "settings": environment["TINGCHAO_SETTINGS"],
        "rules": environment["TINGCHAO_RULES__FILE"],
    }


@pytest.mark.parametrize("name", sorted(COMPOSE["configs"]))
def test_the_examples_are_used_unless_others_are_named(name: str) -> None:
    default = re.fullmatch(r"\$\{TINGCHAO_[A-Z_]+:-\./(.+)\}", COMPOSE["configs"][name]["file"])

    assert default and (DEPLOY / default[1]).is_file()


def test_the_broker_is_set_as_the_local_one() -> None:
    environment = SERVICES["kafka"]["environment"]
    own = {
        "advertised.listeners",
        "controller.quorum.voters",
        "listeners",
        "log.dirs",
    }
    for key, value in properties(1, 2, Path("data")).items():
        variable = "KAFKA_" + key.upper().replace(".", "_")
        assert key in own or str(environment[variable]) == value, variable


def test_the_broker_keeps_its_data_in_the_volume() -> None:
    kafka = SERVICES["kafka"]

    assert kafka["volumes"] == [f"kafka-data:{kafka['environment']['KAFKA_LOG_DIRS']}"]


# --- what the containers run --------------------------------------------------------------------


@each(ROLES)
def test_each_worker_runs_its_role(name: str) -> None:
    assert SERVICES[name]["command"] == ["worker", name]
    follow(["worker", name])


def test_setup_checks_creates_and_publishes(tmp_path: Path) -> None:
    calls = run_script("setup", "tingchao", tmp_path)

    assert calls == [
        ["config", "check"],
        ["topics", "create"],
        ["rules", "push", SERVICES["setup"]["environment"]["TINGCHAO_RULES__FILE"]],
    ]
    for call in calls:
        follow(call)


@pytest.mark.parametrize(("name", "command"), [("setup", "tingchao"), ("accounts", "curl")])
def test_one_shots_stop_at_the_first_failure(name: str, command: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_script(name, command, tmp_path, code=22)

    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_accounts_sets_passwords_and_a_role_that_holds_them(tmp_path: Path) -> None:
    calls = run_script("accounts", "curl", tmp_path)
    sent = {call[-1].partition("/_security/")[2]: json.loads(call[-2]) for call in calls}

    assert all("elastic:ELASTIC_PASSWORD-value" in call for call in calls)
    assert sent["user/kibana_system/_password"] == {"password": "KIBANA_PASSWORD-value"}
    assert sent["user/tingchao"] == {
        "password": "TINGCHAO_PASSWORD-value",
        "roles": ["tingchao"],
    }
    assert sent["role/tingchao"]["indices"][0]["names"] == [
        "posts",
        "posts-*",
        "incidents",
        "notices",
    ]
    assert list(sent).index("role/tingchao") < list(sent).index("user/tingchao")


def run_script(name: str, command: str, folder: Path, code: int = 0) -> list[list[str]]:
    """Run a one-shot's script; ``command`` is a stand-in that notes its arguments."""
    calls = folder / "calls"
    stand_in = folder / command
    stand_in.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\nsys.exit({code})\n"
    )
    stand_in.chmod(0o755)
    (script,) = SERVICES[name]["command"]
    environment = {key: f"{key}-value" for key in SERVICES[name]["environment"]}
    subprocess.run(
        [*SERVICES[name]["entrypoint"], script.replace("$$", "$")],
        env={**environment, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in calls.read_text().splitlines()]


# --- health check -------------------------------------------------------------------------------


class Served(NamedTuple):
    """A health server of this process, noted in a work folder."""

    vitals: Vitals
    watchdog: Watchdog


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    vitals = Vitals("enrich", ["enrich"])
    watchdog = Watchdog(vitals, WatchdogSettings(), tmp_path / "note")
    server = HealthServer(vitals, watchdog)
    server.start(HealthSettings(), 1, tmp_path)
    yield Served(vitals, watchdog)
    server.close()


def check_health(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEPLOY / "healthcheck.py")],
        env={
            "TINGCHAO_FOLDER": str(folder),
            "TINGCHAO_LANGUAGE": "en",
            "PYTHONPATH": str(ROOT),
            "http_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_worker_that_lives_is_healthy(served: Served, tmp_path: Path) -> None:
    assert check_health(tmp_path).returncode == 0


def test_a_worker_that_waits_for_its_surroundings_is_healthy(
    served: Served, tmp_path: Path
) -> None:
    served.vitals.kafka_answers("Kafka does not answer")

    assert check_health(tmp_path).returncode == 0


def test_a_worker_that_hangs_is_unhealthy_and_says_why(served: Served, tmp_path: Path) -> None:
    served.watchdog.verdict = "the event loop has not answered"

    answer = check_health(tmp_path)

    assert answer.returncode == 1
    assert answer.stderr == "the event loop has not answered\n"


def test_an_old_note_does_not_hide_a_healthy_worker(served: Served, tmp_path: Path) -> None:
    (tmp_path / "run" / "enrich-1.json").write_text('{"metrics_port": 9}')
    (tmp_path / "run" / "enrich-2.json").write_text("half a no")

    assert check_health(tmp_path).returncode == 0


@pytest.mark.parametrize("notes", [{}, {"enrich-7.json": '{"metrics_port": 9}'}])
def test_nobody_who_answers_is_unhealthy(notes: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name, text in notes.items():
        (tmp_path / "run" / name).write_text(text)

    answer = check_health(tmp_path)

    assert answer.returncode == 1
    assert answer.stderr == f"No worker answers ({len(notes)} notes in {tmp_path / 'run'}).\n"


@each(ROLES)
def test_workers_are_checked_by_the_script_of_the_image(name: str) -> None:
    command, python, script = SERVICES[name]["healthcheck"]["test"]

    assert (command, python) == ("CMD", "python")
    assert script in [f"{target.rstrip('/')}/healthcheck.py" for _, target in copies()]


# --- Dockerfile ---------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split()))
        for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def copies() -> list[tuple[list[str], str]]:
    """Sources in the repository and where they go."""
    found = [rest.split() for rest in of("COPY") if not rest.startswith("--from")]
    return [(words[:-1], words[-1]) for words in found]


def test_the_base_image_is_pinned_and_small() -> None:
    bases = [re.sub(r" AS \w+$", "", rest) for rest in of("FROM")]

    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)


def test_the_image_does_not_run_as_root() -> None:
    (user,) = of("USER")
    last = [word for word, _ in instructions()][-3:]

    assert int(user.split(":")[0]) > 0
    assert last == ["USER", "ENTRYPOINT", "CMD"]


def test_everything_from_outside_is_checked_by_its_hash() -> None:
    installs = [step for rest in of("RUN") for step in rest.split("&&") if "pip install" in step]

    assert any("-r requirements.lock" in step for step in installs)
    for step in installs:
        assert "--require-hashes" in step or ("--no-index" in step and "--no-deps" in step)
        assert "-e " not in step


def test_only_what_is_published_as_source_is_built() -> None:
    """Any other package without a wheel fails the build, instead of needing a compiler."""
    (step,) = [
        step for rest in of("RUN") for step in rest.split("&&") if "requirements.lock" in step
    ]

    assert "--only-binary=:all: --no-binary=jieba,snownlp" in step


def test_the_packages_of_the_project_are_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.split(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    sources = {source for sources, _ in copies() for source in sources}

    assert packages <= sources
    assert {"pyproject.toml", project["project"]["readme"], "LICENSE"} <= sources


@pytest.mark.parametrize("source", sorted({s for sources, _ in copies() for s in sources}))
def test_what_is_copied_passes_the_ignore_file(source: str) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"  # nothing goes to the engine by accident
    assert f"!{source}" in rules
    assert source == "README.md" or (ROOT / source).exists()


def test_the_entry_is_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert of("ENTRYPOINT") == ['["tingchao"]']
    assert "tingchao" in project["scripts"]


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_the_files_say_that_they_were_not_run(name: str) -> None:
    head = (DEPLOY / name).read_text(encoding="utf-8")[:600]

    assert "NOT RUN: no Docker engine was available" in head


# --- runbook ------------------------------------------------------------------------------------


def follow(words: list[str]) -> None:
    """Walk down the command line's tree; fails at a command or an option that is not there."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while isinstance(command, typer.core.TyperGroup) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, f"tingchao {shlex.join(words)}: there is no {name}"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word not in options]
    assert not unknown, f"tingchao {shlex.join(words)}: there is no {unknown}"


CODE = [
    *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", RUNBOOK, flags=re.DOTALL)),
    *(
        line.strip()
        for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, flags=re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip()
    ),
]
COMMANDS = sorted({found[1] for code in CODE if (found := re.search(r"\btingchao (.+)", code))})
DOCKER = sorted({code for code in CODE if code.startswith("docker compose ")})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_runbook_exist(command: str) -> None:
    follow(command.split())


@pytest.mark.parametrize("command", DOCKER)
def test_docker_commands_of_the_runbook_name_services_that_exist(command: str) -> None:
    verb, *rest = command.split()[2:]
    names = [word for word in rest if not word.startswith("-") and not word[0].isdigit()]
    if verb == "exec":
        names = names[:1]
    names = [re.sub(r"=.*", "", name) for name in names]

    assert verb in {"build", "down", "exec", "logs", "ps", "restart", "run", "start", "stop", "up"}
    assert set(names) <= set(SERVICES)


def test_the_runbook_is_full_of_commands() -> None:
    """Guards the two tests above against a pattern that finds nothing."""
    assert len(COMMANDS) > 12
    assert len(DOCKER) > 8


def test_the_runbook_explains_every_exit_code() -> None:
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", RUNBOOK, flags=re.MULTILINE)}

    assert {0, EXIT_NO, 2, EXIT_BUG, EXIT_WATCHDOG, EXIT_FATAL, EXIT_INTERRUPTED} <= rows


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command on this machine")
def test_docker_itself_reads_the_compose_file() -> None:
    version = subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False, timeout=60
    )
    if version.returncode:
        pytest.skip("the docker command here has no compose plug-in")
    passwords = ("ELASTIC_PASSWORD", "KIBANA_PASSWORD", "TINGCHAO_PASSWORD")
    done = subprocess.run(
        ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"],
        env={**os.environ, **dict.fromkeys(passwords, "hunter22")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
