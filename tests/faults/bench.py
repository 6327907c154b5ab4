"""What a row of the fault matrix works with: a line of its own, a crew, a feed, a proxy, an oracle.

A row is written with these and nothing else; see ``tests/faults/rows_*.py``.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.supervisor import Child
from schemas.errors import FatalError
from tests.faults.crew import Crew
from tests.faults.ledger import Feed, story
from tests.faults.oracle import Verdict, judge, judge_state
from tests.faults.proxy import FaultProxy
from tests.faults.sabotage import FAILPOINTS, TOKENS
from tests.faults.servers import Server
from tests.pipeline.line_rig import DEADLINE_SECONDS, Line, Receiver, eventually
from tests.pipeline.line_story import RULES

__all__ = ["Bench", "Result", "Scale"]

T = TypeVar("T")
GROUPS = ("enrich", "watch", "index", "notify-duty")
SECRET = "whsec_" + "A" * 43 + "="


@dataclass(frozen=True)
class Scale:
    """How large a row is."""

    posts: int
    session_seconds: int = 6
    """Of the consumer groups; the broker's least is 6."""
    stall_seconds: float = 10.0
    """How long a frozen process or server stays so; longer than a session."""
    outage_seconds: float = 10.0
    """How long Elasticsearch is away."""
    wait_seconds: float = DEADLINE_SECONDS


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    verdict: Verdict
    redelivered: int
    """Documents handed to Elasticsearch beyond one a line, and enriched posts written again."""
    recovery_seconds: float
    """From the last act of the fault (or the last post, where the fault is in the posts) until
    everything was read."""
    seconds: float


@dataclass
class Bench:
    """One row in one run."""

    kafka: Server
    elasticsearch: Server
    bootstrap: str
    url: str
    folder: Path
    scale: Scale
    seed: int
    line: Line = field(init=False)
    feed: Feed = field(init=False)
    proxy: FaultProxy = field(init=False)
    receiver: Receiver = field(init=False)
    crews: list[Crew] = field(default_factory=list)
    _healed: float | None = None
    _began: float = field(default_factory=time.monotonic)

    # --- setting up -------------------------------------------------------------------------------

    def begin(self, partitions: int = 4, **sections: Any) -> None:
        """A line with topics and rules; nothing runs yet."""
        self.proxy = FaultProxy.before(self.url, self.seed)
        self.receiver = Receiver()
        channel = {"use": "webhook", "url": self.receiver.url, "secrets": [{"file": "duty"}]}
        self.line = self.make_line(partitions, channels={"duty": channel}, **sections)
        self.feed = Feed(self.line, story(self.seed, self.scale.posts))

    def make_line(self, partitions: int, **sections: Any) -> Line:
        """Topics and rules under a prefix of their own."""
        name = f"f{uuid.uuid4().hex[:8]}"
        kafka = {
            "bootstrap": self.bootstrap,
            "prefix": f"{name}.",
            "partitions": partitions,
            "session_timeout_seconds": self.scale.session_seconds,
        }
        elasticsearch = {
            "url": self.proxy.url, "prefix": f"{name}-", "request_timeout_seconds": 5.0,
        }  # fmt: skip
        tree = {
            "kafka": kafka,
            "elasticsearch": elasticsearch,
            "watch": {"close_after_hours": 6},
            **sections,
        }
        folder = self.folder / name
        folder.mkdir(parents=True)
        (folder / "duty").write_text(SECRET)
        line = Line(folder, tree)
        rules = line.folder / "rules.toml"
        rules.write_text(RULES, encoding="utf-8")
        line.ok("topics", "create")
        line.ok("rules", "push", rules)
        return line

    def crew(
        self, *, failpoints: str = "", tokens: int = 0, instance: int = 1, **roles: int
    ) -> Crew:
        """Start so many processes of each role; by default one of each that reads."""
        roles = roles or {"enrich": 1, "watch": 1, "index": 1, "notify": 1}
        children = [
            Child(role, number)
            for role, count in roles.items()
            for number in range(instance, instance + count)
        ]
        variables = {}
        if failpoints:
            folder = self.line.folder / f"tokens-{len(self.crews)}"
            folder.mkdir()
            for number in range(tokens):
                (folder / str(number)).touch()
            variables = {FAILPOINTS: failpoints, TOKENS: str(folder)}
        crew = Crew(self.line, children, variables)
        self.crews.append(crew)
        return crew

    def close(self) -> None:
        """Stop everything that this row started."""
        for crew in self.crews:
            crew.close()
        if hasattr(self, "line"):
            self.line.close()
            self.proxy.close()
            self.receiver.close()

    # --- waiting ----------------------------------------------------------------------------------

    def until(self, holds: Callable[[], Any], what: str, seconds: float | None = None) -> None:
        """Wait until something holds; fail with the crews' last words."""
        try:
            eventually(holds, what, seconds or self.scale.wait_seconds)
        except AssertionError as error:
            said = "\n".join(crew.said()[-6_000:] for crew in self.crews)
            raise AssertionError(f"{error}\n{self._lags()}\n{said}") from None

    def _lags(self) -> str:
        try:
            return ", ".join(f"{group}: {self.line.behind(group)} behind" for group in GROUPS)
        except FatalError as error:
            return str(error)

    @contextmanager
    def moving(self, topic: str = "posts.enriched") -> Iterator[None]:
        """Wait until a topic has grown since the block began."""
        before = self.line.count(topic)
        yield
        self.until(lambda: self.line.count(topic) > before, f"{topic} grows")

    def joined(self, **members: int) -> None:
        """Wait until groups have exactly so many members."""
        for group, count in members.items():
            self.until(
                lambda group=group, count=count: self.line.members(group) == count,
                f"{group} has {count} members",
            )

    def drained(self, *groups: str) -> None:
        """Wait until the groups have read everything."""

        def read() -> bool:
            with suppress(FatalError, KafkaError):  # a broker on its way back
                return not self.line.behind(*groups) and not self.line.behind(*groups)
            return False

        self.until(read, f"{', '.join(groups)} have read everything", self.scale.wait_seconds)

    def healed(self) -> None:
        """The fault is over: recovery is timed from here."""
        self._healed = time.monotonic()

    # --- judging ----------------------------------------------------------------------------------

    def judge(self, *, groups: tuple[str, ...] = GROUPS, posts: bool = True) -> Verdict:
        """Wait for the line to come to rest and compare it with the ledger.

        Without ``posts`` only what ``watch`` wrote is looked at.
        """
        healed = self._healed or time.monotonic()
        self.drained(*groups)
        self._recovered = time.monotonic() - healed
        verdict = judge(self.line, self.feed, self.receiver) if posts else judge_state(self.line)
        self.verdict = verdict
        said = "\n".join(crew.said()[-6_000:] for crew in self.crews)
        assert not verdict.faults, "; ".join(verdict.faults) + "\n" + said
        return verdict

    def result(self) -> Result:
        """The row's figures, after ``judge``."""
        once = self.feed.lines + self.verdict.incidents
        again = max(0, self.proxy.sent_documents - once)
        return Result(
            self.verdict,
            redelivered=max(again, self.verdict.redelivered),
            recovery_seconds=self._recovered,
            seconds=time.monotonic() - self._began,
        )

    def nothing_refused(self) -> None:
        """Judge; and no line became a dead letter."""
        verdict = self.judge()
        letters = [(one.letter.kind, one.letter.message) for one in verdict.letters]
        assert not letters, letters[:3]

    # --- Kafka ------------------------------------------------------------------------------------

    def admin(self, work: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """Do something as the cluster's administrator."""

        async def opened() -> T:
            async with self.line.kafka.admin() as admin:
                return await work(admin)

        return asyncio.run(opened())

    def topic(self, name: str) -> str:
        """The real name of a topic."""
        return self.line.kafka.topic(name)

    def configure(self, topic: str, settings: Mapping[str, str]) -> None:
        """Replace the settings of a topic; those not named fall back to the broker's."""
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

        resource = ConfigResource(ConfigResourceType.TOPIC, self.topic(topic), dict(settings))
        [answer] = self.admin(lambda admin: admin.alter_configs([resource]))
        assert not answer.resources[0][0], answer
