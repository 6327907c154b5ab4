"""What becomes of a mail: its writer's words in whatever dialect, and nothing about the writer."""

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.mailbox_mails import MailReader
from connectors.wechat_crypto import keyed_hash
from schemas.errors import RejectedError
from schemas.language import use_language
from schemas.post import PostDraft
from tests.bounds import MOST_SECONDS, examples, refused_or

SECRET = SecretStr("a long random text of ours")
ARRIVED = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
WORDS = "云帆 X1 的屏幕碎了，客服不理。"


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


def read(raw: bytes, *, automatic: bool = False, whole: bool = True) -> PostDraft | str:
    return MailReader("投诉", SECRET, automatic).read(raw, ARRIVED, whole=whole)


def draft(raw: bytes, *, whole: bool = True) -> PostDraft:
    told = read(raw, whole=whole)
    assert isinstance(told, PostDraft), told
    return told


def mail(
    body: bytes, *headers: str, type: str = "text/plain; charset=utf-8", coding: str = "8bit"
) -> bytes:
    head = [
        "From: =?utf-8?b?5byg5LiJ?= <Zhang.San@Mail.Example>",
        "Message-ID: <4711@mail.example>",
        "Date: Sat, 01 Jun 2024 11:58:00 +0800",
        f"Content-Type: {type}",
        f"Content-Transfer-Encoding: {coding}",
        *headers,
    ]
    return "\r\n".join(head).encode("utf-8", errors="surrogateescape") + b"\r\n\r\n" + body


def said(text: str, subject: str = "投诉") -> str:
    return draft(mail(text.encode(), f"Subject: {subject}")).text


def hashed(unique: str) -> str:
    return keyed_hash(SECRET, unique)


def test_a_complaint_is_a_message_of_somebody_without_a_name() -> None:
    whole = draft(mail(WORDS.encode(), "Subject: =?gbk?B?zba439K7z8I=?="))

    assert whole.id == f"mail:{hashed('4711@mail.example')}"
    assert (whole.platform, whole.kind, whole.text) == ("mail", "message", WORDS)
    assert (whole.author.id, whole.author.name) == (hashed("zhang.san@mail.example"), None)
    assert whole.published_at == datetime(2024, 6, 1, 3, 58, tzinfo=UTC)
    assert (whole.parent_id, whole.root_id, whole.url) == (None, None, None)
    assert whole.title == base64.b64decode("zba439K7z8I=").decode("gbk")
    assert b"@" not in whole.to_line()


@pytest.mark.parametrize("coding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-8", "utf-8"),
        ("gb2312", "gbk"),  # as many mailers say, whatever they write
        ("GBK", "gb18030"),
        ("gb18030", "gb18030"),
        ("big5", "big5"),
        ("x-unknown", "gbk"),
        ("us-ascii", "gbk"),
        ("utf-8", "gbk"),
        ("hex", "utf-8"),  # a codec of Python's, but none of texts
        ("gb2312", "utf-8"),
    ],
)
def test_chinese_is_read_in_every_charset(label: str, codec: str, coding: str) -> None:
    text = "螢幕碎了，客服不理我們。" if codec == "big5" else "屏幕碎了镕，客服“不理”我们朱镕基。"
    raw = text.encode(codec)
    if coding == "base64":
        raw = base64.encodebytes(raw)
    elif coding == "quoted-printable":
        raw = b"".join(f"={byte:02X}".encode() for byte in raw)

    assert draft(mail(raw, type=f"text/plain; charset={label}", coding=coding)).text == text


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("=?utf-8?Q?=E5=B1=8F=E5=B9=95?=", "屏幕"),
        # cut between the bytes of a sign, as old mailers do
        ("=?gb2312?B?xsE=?= =?gb2312?B?xLs=?=", "屏幕"),
        ("=?utf-8?B?5bGP5g==?= =?utf-8?B?uZU=?=", None),
        ("=?utf-8?B?5bGP5bk=?= =?utf-8?B?lQ==?=", "屏幕"),
        ("屏幕", "屏幕"),  # no encoding at all
        ("屏幕".encode("gbk").decode("utf-8", "surrogateescape"), "屏幕"),
        ("=?utf-8?B?%%%?=", None),
        ("=?hex?Q?=41?=", "A"),
        ("Re: =?utf-8?Q?=E5=B1=8F?= X1", "Re: 屏 X1"),
        ("", None),
    ],
)
def test_subjects_are_read_or_stay_as_they_are(header: str, title: str | None) -> None:
    found = draft(mail(WORDS.encode(), f"Subject: {header}")).title

    assert found == title or (title is None and header)


@pytest.mark.parametrize(
    "quote",
    [
        '------------------ 原始邮件 ------------------\n发件人: "客服" <a@b.example>\n您好',
        "-----原始邮件-----\n您好",
        "-----Original Message-----\nHello",
        "---- 回复的原邮件 ----\n| 发件人 | 客服<a@b.example> |\n您好",
        "发件人：客服 <a@b.example>\n发送时间：2024年6月1日 10:00\n收件人：张三\n\n您好",
        "________________\nFrom: a@b.example\nSent: Saturday\nTo: z@b.example\n\nHi",
        "在 2024年6月1日，客服 <a@b.example> 写道：\n您好",
        '在 2024-06-01 10:00:00，"客服" <a@b.example> 写道：\n> 您好\n>> 您好',
        'At 2024-06-01 10:00:00, "客服" <a@b.example> wrote:\n>您好',
        "On Sat, Jun 1, 2024 at 10:00 AM 客服\n<a@b.example> wrote:\n\n您好",
        "> 您好\n> 请问",
    ],
)
def test_quoted_mails_are_cut_off_unless_nothing_is_left(quote: str) -> None:
    assert said(f"{WORDS}\n\n第二段。\n\n{quote}") == f"{WORDS}\n\n第二段。"
    assert "您好" in said(quote) or "H" in said(quote)
    mine = "在 2024 年买的云帆坏了"
    assert said(f"{mine}\n{quote}") == mine


@pytest.mark.parametrize(
    "text",
    [
        "客服写道：不能退。\n我不同意。",  # no quote: there is neither a date nor an address
        "发件人：写错了，请更正。\n谢谢",
        "价格 -- 太高 --\n质量 > 价格",
        "To: 客服\n请退款",
        "回复: 请发到 zhang@mail.example，谢谢",
    ],
)
def test_what_only_looks_like_a_quote_stays(text: str) -> None:
    assert said(text) == text


def test_answers_between_quotes_stay() -> None:
    text = "在 2024年6月1日，客服 <a@b.example> 写道：\n> 您试过重启吗？\n试过。\n> 几次？\n三次。"

    assert said(text) == "试过。\n三次。"


def test_a_forwarded_mail_is_told_with_what_it_forwards_but_no_addresses() -> None:
    head = '发件人: 李四 <li@b.example>\n收件人: a@b.example, "王" <b@b.example>;\n主题: 退款'
    text = f"请处理\n-----原始邮件-----\n{head}\n\n屏幕碎了"

    assert said(text, "转发: 退款") == "请处理\n-----原始邮件-----\n主题: 退款\n\n屏幕碎了"


def parts(*contents: tuple[str, bytes], kind: str = "mixed") -> bytes:
    body = b"".join(
        b"--b\r\nContent-Type: " + type.encode() + b"\r\n\r\n" + content + b"\r\n"
        for type, content in contents
    )
    return mail(body + b"--b--\r\n", type=f'multipart/{kind}; boundary="b"')


def test_plain_text_wins_over_html_and_attachments_are_not_read() -> None:
    html = f"<p>{WORDS}<b>！</b></p><blockquote>您好</blockquote><script>x</script>".encode()
    plain = ("text/plain; charset=utf-8", WORDS.encode())
    page = ("text/html; charset=utf-8", html)
    paper = ('text/plain; name="a.txt"\r\nContent-Disposition: attachment', b"no words of mine")

    assert draft(parts(plain, page, kind="alternative")).text == WORDS
    assert draft(parts(page, paper)).text == f"{WORDS}！"
    assert draft(parts(paper, plain)).text == WORDS
    assert draft(parts(("text/html; charset=utf-8", b"<blockquote>a</blockquote>"))).text == "a"


def test_a_mail_of_attachments_tells_their_names() -> None:
    picture = ("image/jpeg; name*=utf-8''%E5%B1%8F%E5%B9%95.jpg", b"\xff\xd8")
    bill = ('application/pdf; name="=?gbk?B?t6LGsQ==?=.pdf"', b"%PDF")
    inner = ("message/rfc822", b"Subject: a\r\n\r\nwords of somebody else")
    blank = ("text/plain; charset=utf-8", b" \r\n")

    assert draft(parts(blank, picture, bill, inner)).text == (
        "[图片] 屏幕.jpg\n[附件] 发票.pdf\n[附件]"
    )


def test_a_subject_alone_is_the_text_and_nothing_at_all_is_refused() -> None:
    alone = draft(mail(b"", "Subject: 退款"))

    assert (alone.text, alone.title) == ("退款", None)
    with pytest.raises(RejectedError, match="without subject and text"):
        read(mail(b" \r\n"))


def test_threads_are_told_by_hashes() -> None:
    answer = draft(mail(b"a", "In-Reply-To: <2@x> (sent before)", "References: <1@x>\r\n <2@x>"))
    alone = draft(mail(b"a", "In-Reply-To: <4711@mail.example>", "References: garbage"))

    assert answer.parent_id == f"mail:{hashed('2@x')}"
    assert answer.root_id == f"mail:{hashed('1@x')}"
    assert (alone.parent_id, alone.root_id) == (None, None)


def test_a_mail_without_an_id_is_the_same_at_every_look_and_no_other() -> None:
    def one(body: bytes, date: str = "Date: Sat, 01 Jun 2024 11:58:00 +0800\r\n") -> str:
        return draft(f"From: a@x.example\r\n{date}\r\n".encode() + body).id

    assert one(b"a") == one(b"a")
    assert len({one(b"a"), one(b"b"), one(b"a", ""), one(b"a", "Message-ID: <>\r\n")}) == 3
    assert draft(b"\r\nno header at all").author.id == "unknown"


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Sat, 01 Jun 2024 11:58:00 +0800", datetime(2024, 6, 1, 3, 58, tzinfo=UTC)),
        ("Sat, 01 Jun 2024 11:58:00", datetime(2024, 6, 1, 11, 58, tzinfo=UTC)),
        ("2024年6月1日", ARRIVED),
        ("Sat, 99 Jun 2024 11:58:00 +0800", ARRIVED),
        ("Sat, 01 Jun 10000 11:58:00 +0800", ARRIVED),
        ("Sat, 01 Jun 2024 11:58:00 +99999999", ARRIVED),
        ("", ARRIVED),
    ],
)
def test_a_date_that_is_none_is_the_servers(date: str, at: datetime) -> None:
    assert draft(f"Date: {date}\r\n\r\na".encode()).published_at == at


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Auto-Submitted: auto-replied (vacation)", "auto-reply"),
        ("Auto-Submitted: no", None),
        ("X-Autoreply: yes", "auto-reply"),
        ("Precedence: bulk", "bulk"),
        ("Precedence: list\r\nList-Id: <service.yunfan.example>", None),
        ("Return-Path: <>", "bounce"),
        ("Return-Path: <a@x.example>", None),
    ],
)
def test_what_machines_write_is_counted_unless_it_is_wanted(header: str, kind: str | None) -> None:
    raw = mail(b"I am on holiday", header)

    told = read(raw)
    assert told == kind if kind else isinstance(told, PostDraft)
    assert isinstance(read(raw, automatic=True), PostDraft)
    report = mail(b"--b--", type="multipart/report; boundary=b; report-type=delivery-status")
    assert read(report) == "bounce"


def test_a_mail_whose_end_was_not_fetched_is_told_if_its_text_is_whole() -> None:
    message = EmailMessage()
    message.set_content(WORDS)
    message.add_attachment(b"x" * 10_000, maintype="image", subtype="png", filename="a.png")
    raw = bytes(message)

    assert draft(raw[:-5_000], whole=False).text == WORDS
    with pytest.raises(RejectedError, match="first MiB"):
        read(mail(WORDS.encode()), whole=False)
    with pytest.raises(RejectedError, match="first MiB"):
        read(parts(("image/png", b"x" * 100))[:-20], whole=False)
    with pytest.raises(RejectedError, match="100000 characters"):
        read(mail(b"x" * 100_001))


MIB = 1024 * 1024
HOSTILE = {
    "parts in parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 20_000,
    "mails in mails": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "some nested, many lines": (
        b"".join(
            b"Content-Type: multipart/mixed; boundary=a%d\r\n\r\n--a%d\r\n" % (n, n)
            for n in range(90)
        )
        + b"\n" * 900_000
    ),
    "as many steps as may be": (
        b"".join(
            b"Content-Type: multipart/mixed; boundary=a%d\r\n\r\n--a%d\r\n" % (n, n)
            for n in range(99)
        )
        + b"--b\n" * 9_600
    ),
    "fewer nested, more lines": (
        b"".join(
            b"Content-Type: multipart/mixed; boundary=a%d\r\n\r\n--a%d\r\n" % (n, n)
            for n in range(9)
        )
        + b"--b\n" * 99_000
    ),
    "empty lines": b"\n" * MIB,
    "parameters": b"Content-Type: text/plain" + b";" * MIB,
    "quotes": b"Content-Type: text/plain; a=" + b'";' * (MIB // 2),
    "encoded words": b"Subject: " + b"=?a?q?" * (MIB // 6),
    "comments": b"From: " + b"(" * MIB + b"\r\nDate: " + b"(" * MIB,
    "folded": b"Subject: a" + b"\r\n a" * (MIB // 4),
    "headers": b"a: b\r\n" * (MIB // 6),
    "quoted lines": b"\r\n" + b"On 2024 @ wrote\n" * (MIB // 16),
    "spaces": b"\r\n" + b"on 2024" + b" " * MIB,
    "rules": b"\r\n" + b"-" * MIB + b"x",
    "html": b"Content-Type: text/html\r\n\r\n" + b"<p>" * (MIB // 3),
    "punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n-" + b"a" * MIB,
    "uuencoded": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 6 a\n" + b"M\n" * 400_000,
    "addresses": b"\r\nFrom: " + b"a@b,a " * (MIB // 6) + b"!",
    "ids": b"References: " + b"<" * MIB,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_mail_made_to_hurt_is_cheap(name: str) -> None:
    begun = time.thread_time()
    refused_or(lambda: read(HOSTILE[name][:MIB]))
    assert time.thread_time() - begun < MOST_SECONDS


@examples(150)
@given(
    st.lists(
        st.sampled_from(
            [
                *(line + b"\r\n" for line in mail(WORDS.encode()).split(b"\r\n")),
                *parts(("text/html", b"<p>a</p>"), ("message/rfc822", b"a: b")).splitlines(True),
                b"Content-Type: multipart/alternative; boundary*0=b\r\n",
                b"Content-Type: text/plain; charset*=hex''%41; name*1*=x''%ff\r\n",
                b"Content-Transfer-Encoding: base64\r\n",
                b"Subject: =?utf-16?B?2D0=?= =?idna?Q?=ff?=\r\n",
                b"Date: Mon, 1 Jan 99999 99:99:99 +9999\r\n",
                b"\xff\xfe\x00: \x00\r\n",
                b"\r\n",
            ]
        )
        | st.binary(max_size=20),
        max_size=30,
    ).map(b"".join),
    st.booleans(),
)
def test_any_bytes_are_a_draft_or_refused(raw: bytes, whole: bool) -> None:
    told = refused_or(lambda: read(raw, whole=whole))

    if isinstance(told, PostDraft):
        assert PostDraft.from_line(told.to_line()) == told
