"""Dead letters for people: list, show, put back."""

import base64
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.record import RETRY_HEADER
from schemas.dead_letter import DeadLetter, Retry, parse_dead_letter_line
from schemas.errors import FatalError, RejectedError
from schemas.incidents import parse_incident
from schemas.language import say
from schemas.post import Post, PostDraft
from schemas.topics import TOPICS, partition_of

__all__ = ["Listed", "obstacle", "read_dead_letters", "retry"]

#: Letters that are put back, and noted, at a time.
TOGETHER = 200


@dataclass(frozen=True)
class Listed:
    """A dead letter and whether it was put back."""

    letter: DeadLetter
    retry: Retry | None


async def read_dead_letters(kafka: Kafka) -> list[Listed]:
    """All dead letters that the topic holds, oldest first, each once."""
    letters: dict[str, DeadLetter] = {}
    retries: dict[str, Retry] = {}
    async for record in kafka.read_all("dead-letters"):
        try:
            line = parse_dead_letter_line(record.value or b"")
        except RejectedError:
            continue  # somebody else's line in our topic
        if isinstance(line, DeadLetter):
            letters.setdefault(line.id, line)
        else:
            retries[line.dead_letter_id] = line
    ordered = sorted(letters.values(), key=lambda letter: (letter.at, letter.id))
    return [Listed(letter, retries.get(letter.id)) for letter in ordered]


async def retry(
    kafka: Kafka, chosen: Sequence[Listed], corrected: bytes | None = None
) -> list[Retry]:
    """Put lines back into the topic they came from, each as a record of its own.

    ``corrected`` replaces the line (of a single chosen letter); for an item that a source gave it
    is the post as recordings hold it, and counts as seen now. The post's id makes a line that
    comes in twice one document, so a retry is exactly once in its effect; a line that fails again
    becomes a new dead letter.

    Raises:
        FatalError: a letter can't be put back; nothing was written then.
    """
    if corrected is not None and len(chosen) != 1:
        raise FatalError(
            say(
                f"改好的一行只能代替一条死信，而选中了 {len(chosen)} 条。",
                f"A corrected line replaces one dead letter, but {len(chosen)} are chosen.",
            )
        )
    for listed in chosen:
        _check(listed, corrected)
    if corrected is not None and chosen[0].letter.source not in TOPICS:
        corrected = _seen_now(corrected)
    await _check_incidents(kafka, [one.letter for one in chosen], corrected)
    writer = LineWriter(kafka)
    await writer.start()
    done: list[Retry] = []
    try:
        for start in range(0, len(chosen), TOGETHER):
            letters = [listed.letter for listed in chosen[start : start + TOGETHER]]
            done += await _put_back(writer, letters, corrected)
    finally:
        await writer.stop()
    return done


def _check(listed: Listed, corrected: bytes | None) -> None:
    if corrected is None and (sentence := obstacle(listed.letter)):
        raise FatalError(sentence)


def obstacle(letter: DeadLetter) -> str | None:
    """Why the line can't go back as it is; None when it can."""
    if letter.source not in TOPICS:
        return say(
            f"死信 {letter.id} 来自数据源 {letter.source} 的第 {letter.line} 行，"
            "没有进过 topic；请改好源文件再导入一次，或用 --with 给出改好的帖子。",
            f"Dead letter {letter.id} is line {letter.line} of source {letter.source} and "
            "never reached a topic; correct the file and import it again, or give the "
            "corrected post with --with.",
        )
    if letter.size > len(letter.raw):
        return say(
            f"死信 {letter.id} 原文有 {letter.size} 字节，只保留了开头；请用 --with 给出全文。",
            f"Dead letter {letter.id} had {letter.size} bytes and only their beginning was "
            "kept; give the whole line with --with.",
        )
    return None


async def _check_incidents(
    kafka: Kafka, letters: Sequence[DeadLetter], corrected: bytes | None
) -> None:
    """The last record of an incident is its truth for every reader: no older one may follow it."""
    wanted = {}
    for letter in letters:
        if letter.source == "incidents":
            with contextlib.suppress(RejectedError):  # still no incident: it becomes a new letter
                incident = parse_incident(letter.raw if corrected is None else corrected)
                wanted[letter.id] = incident
    if not wanted:
        return
    newest: dict[str, int] = {}
    async for record in kafka.read_all("incidents"):
        with contextlib.suppress(RejectedError):
            known = parse_incident(record.value or b"")
            newest[known.id] = max(known.revision, newest.get(known.id, 0))
    for letter_id, incident in wanted.items():
        latest = newest.get(incident.id, 0)
        if latest > incident.revision:
            raise FatalError(
                say(
                    f"死信 {letter_id} 是事件 {incident.id} 的第 {incident.revision} 版，现在已有"
                    f"第 {latest} 版；放回去会让读者退回旧版。请用 tingchao incidents show "
                    f"{incident.id} 查看最新情况。",
                    f"Dead letter {letter_id} is revision {incident.revision} of incident "
                    f"{incident.id}, which is at revision {latest} by now; putting it back would "
                    f"take readers back in time. See `tingchao incidents show {incident.id}`.",
                )
            )


def _seen_now(line: bytes) -> bytes:
    """A corrected line of a source, as ingest would have written it: a source's lines do not say
    when they were seen.
    """
    try:
        return Post.from_line(line).to_line()
    except RejectedError:
        pass  # a post that lacks only that, or no post
    try:
        draft = PostDraft.from_line(line)
    except RejectedError as error:
        raise FatalError(
            say(
                f"改好的这一行还不是帖子：{error}。", f"The corrected line is no post yet: {error}."
            )
        ) from error
    return Post(**dict(draft), observed_at=datetime.now(UTC)).to_line()


async def _put_back(
    writer: LineWriter, letters: Sequence[DeadLetter], corrected: bytes | None
) -> list[Retry]:
    """The lines first, then the notes: a death in between puts them back once more."""
    writes: dict[str, list[Entry]] = defaultdict(list)
    notes = []
    for letter in letters:
        topic = letter.source if letter.source in TOPICS else "posts.raw"
        partitions = await writer.partitions(topic)
        known = letter.partition >= 0
        partition = letter.partition if known else partition_of(letter.id, partitions)
        value = letter.raw if corrected is None else corrected
        key = base64.b64decode(letter.key) if letter.key else None  # a compacted topic asks for it
        header = (RETRY_HEADER, letter.id.encode())
        entry = Entry(partition % partitions, value, key, (header,))
        writes[topic].append(entry)
        note = Retry(
            dead_letter_id=letter.id,
            at=datetime.now(UTC),
            topic=topic,
            partition=entry.partition,
            corrected=corrected is not None,
        )
        notes.append(note)
    await writer.write(writes)
    partitions = await writer.partitions("dead-letters")
    entries = [
        Entry(partition_of(note.dead_letter_id, partitions), note.to_line()) for note in notes
    ]
    await writer.write({"dead-letters": entries})
    return notes
