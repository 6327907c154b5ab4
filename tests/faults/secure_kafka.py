"""A real broker that lets nobody in without TLS: SCRAM on one listener, certificates on another.

It is started as every local broker is, with further listeners; the plain one, by which its start
is noticed, stays on 127.0.0.1 like the rest. Its authority, its users and its clients' certificates
are of this run.
"""

import hashlib
import secrets
import subprocess
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.services import ServicesConfig, erase, silent, start
from pipeline.services.java import find_java
from pipeline.services.kafka import properties
from pipeline.services.ports import choose
from tests.faults.certificates import Authority

__all__ = ["MECHANISMS", "PASSWORD", "STRANGER", "USER", "SecureKafka", "secure_kafka"]

USER = "tingchao"
PASSWORD = "p@ss,word=深海-7Qx"  # commas and equal signs are what SCRAM itself speaks in
STRANGER, STRANGER_PASSWORD = "stranger", "stranger-4Kz9"
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
_CLIENT = "client"
_ITERATIONS = 4096  # the least that Kafka takes: a handshake is no benchmark


@dataclass(frozen=True)
class SecureKafka:
    """Where the broker's doors are, and what opens them."""

    plain: str
    scram: str
    """``host:port`` of SASL_SSL."""
    mutual: str
    """``host:port`` of SSL that asks for a client's certificate."""
    authority: Authority
    stranger: Authority
    """Signed nothing that the broker uses or trusts."""
    certificate: Path
    key: Path

    def scram_settings(self, mechanism: str = MECHANISMS[0]) -> dict[str, Any]:
        """``[kafka]`` of a client that logs in; the password stands in a variable."""
        return {
            "bootstrap": self.scram,
            "security": "SASL_SSL",
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "sasl_password": {"env": "KAFKA_PASSWORD"},
            "ca_file": str(self.authority.file),
        }

    def mutual_settings(self) -> dict[str, Any]:
        """``[kafka]`` of a client that shows its certificate."""
        return {
            "bootstrap": self.mutual,
            "security": "SSL",
            "ca_file": str(self.authority.file),
            "certificate_file": str(self.certificate),
            "key_file": str(self.key),
        }


@contextmanager
def secure_kafka(folder: Path, artefacts: Path) -> Iterator[SecureKafka]:
    """Run the broker for as long as the block; it is ended by its own process id."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, stranger = Authority(folder, "authority"), Authority(folder, "nobody-knows")
    certificate, key = authority.sign(_CLIENT)
    first = choose("scram", configured=None, remembered=None, taken=())
    second = choose("mutual", configured=None, remembered=None, taken=(first,))
    config = ServicesConfig(
        folder=folder / "services",
        artefacts=artefacts,
        elasticsearch=False,
        kafka_properties=_properties(folder, authority, first, second),
        kafka_heap="384m",
        short_lived=True,
    )
    _let_in(config.folder / "kafka", artefacts)
    with start(config, attached=True) as running:
        assert running.kafka_bootstrap is not None
        yield SecureKafka(
            running.kafka_bootstrap,
            f"127.0.0.1:{first}",
            f"127.0.0.1:{second}",
            authority,
            stranger,
            certificate,
            key,
        )
    erase(config)


def _properties(folder: Path, authority: Authority, scram: int, mutual: int) -> Mapping[str, str]:
    certificate, key = authority.sign("server")
    store = folder / "server-store.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    listeners = f"SCRAM://127.0.0.1:{scram},MUTUAL://127.0.0.1:{mutual}"
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "SCRAM:SASL_SSL,MUTUAL:SSL",
        "listener.name.scram.sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{f"listener.name.scram.{name.lower()}.sasl.jaas.config": login for name in MECHANISMS},
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.mutual.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USER};User:CN={_CLIENT}",
    }


def _let_in(folder: Path, artefacts: Path) -> None:
    """Make the data folder with its users in it, before the broker would make one without.

    Salted here: the tool's own parser takes no password with a comma.
    """
    (home,) = artefacts.glob("kafka-*")
    folder.mkdir(parents=True)
    wanted = folder / "format.properties"
    lines = properties(9092, 9093, folder / "data")  # the ports are not kept
    wanted.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    users = [
        f"--add-scram={mechanism}=[name={user},{_salted(mechanism, password)}]"
        for mechanism in MECHANISMS
        for user, password in ((USER, PASSWORD), (STRANGER, STRANGER_PASSWORD))
    ]
    identity = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    subprocess.run(
        [
            *(str(find_java(silent).executable), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
            *("-cp", f"{home}/*", "kafka.tools.StorageTool"),
            *("format", f"--cluster-id={identity}", "-c", str(wanted), *users),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )


def _salted(mechanism: str, password: str) -> str:
    salt = secrets.token_bytes(16)
    digest = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, _ITERATIONS)
    kept = f'salt="{b64encode(salt).decode()}",saltedpassword="{b64encode(salted).decode()}"'
    return f"iterations={_ITERATIONS},{kept}"
