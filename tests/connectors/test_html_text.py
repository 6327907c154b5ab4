import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.html_text import MAX_GAPS, MAX_TAGS, html_to_text
from tests.bounds import MOST_SECONDS, examples


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("云帆不错", "云帆不错"),
        ("  两头\xa0有 空 格  ", "两头 有 空 格"),
        ("一行\n二行", "一行\n二行"),
        ("<p>一段</p><p>二段</p>", "一段\n\n二段"),
        ("一<br>二<br/>三", "一\n二\n三"),
        ("一\n二<b>三</b>", "一 二三"),
        ("<p>刹<b>车</b>失<a href='https://a.example'>灵</a></p>", "刹车失灵"),
        ('气死了<img alt="[怒]" src="a.png">啊', "气死了[怒]啊"),
        ('<img src="a.png"><img alt>', ""),
        ("<ul><li>一<li>二</ul>", "一\n\n二"),
        ("<table><tr><td>型号<td>QL6<tr><th>价</th><td>9</td></table>", "型号 QL6\n\n价 9"),
        ("a<script>alert(1)</script><style>b{}</style>c<!-- d -->e", "ace"),
        ("<head><title>t</title></head><body>x", "x"),
        ("x<noscript>n</noscript><template>t</template><iframe>f</iframe>", "x"),
        ("&lt;b&gt; &amp; &#20113;&#x5e06; &nbsp;&keinwort;", "<b> & 云帆 &keinwort;"),
        ("&amp;lt;", "&lt;"),
        ("价格<5000，5>3", "价格<5000，5>3"),
        ("<p>a\x00b\x00</p>\x00", "ab"),
        ("<p>没有结束", "没有结束"),
        ("没有结束<a href='", "没有结束"),
        ("</p></div>x", "x"),
        ("<p>x</p>\n\n\n\n<p>y</p>", "x\n\ny"),
        ("<svg><text>图</text></svg>", "图"),
        ("<p>半个\ud83d表情</p>", "半个\ufffd表情"),
        ("半个\ud83d", "半个\ufffd"),
        ("😀<p>𠮷野家", "😀\n𠮷野家"),
    ],
    ids=repr,
)
def test_the_words_as_a_reader_sees_them(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize("filler", ["<i>" * (MAX_TAGS + 1), "<i " + "a " * MAX_GAPS + ">"])
def test_html_beyond_reason_still_gives_its_words(filler: str) -> None:
    html = (
        f"<p>刹车<b>失灵</b></p><p>两\n段</p>一&amp;二<br>三<td>四<5<script>a</script>"
        f"<!-- b --><STYLE>c</style >{filler}末"
    )

    assert html_to_text(html) == "刹车失灵\n\n两 段\n一&二\n三 四<5末"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 9_999 + "x",
        "<div>" * 500_000 + "x",
        "<b><p>" * 4_999 + "x",
        "<a><div>" * 4_999 + "x",
        "<i>" * 4_999 + "</i><p>x" * 2_500,
        "<table><b>" * 4_999 + "x",
        "<a " + " ".join(f"a{n}" for n in range(MAX_GAPS - 2)) + ">x",
        "<a " + " ".join(f"a{n}" for n in range(500_000)) + ">x",
        "<a " + "".join(f"a{n}='>'" for n in range(100_000)) + ">x",
        "<a " + "/".join(f"a{n}" for n in range(100_000)) + ">x",
        "<" * 2_000_000,
        "<!--" * 500_000,
        "<script>" * 300_000,
        "<script></script" * 20_000 + " " * 100_000,
        "&" * 2_000_000,
        "&#" + "9" * 5_000 + ";",
        "<" * (MAX_TAGS + 1) + "&#" + "9" * 5_000 + ";",
        "<p>" + "字" * 2_000_000,
        "<p>" + " \n" * 1_000_000,
        "<a href='" + "x" * 2_000_000,
    ],
    ids=lambda html: html[:24],
)
def test_what_is_made_to_hurt_is_cheap(html: str) -> None:
    begun = time.thread_time()

    html_to_text(html)

    assert time.thread_time() - begun < MOST_SECONDS


PIECES = st.sampled_from(
    "< > </ / = \" ' & ; # &# &lt; <p> </p> <b> <table> <td> <br> <!-- --> <script> </script> "
    "<svg> <title> <select> <textarea> <frameset> <template> <plaintext> <![CDATA[ ]]> \x00 \ud83d "
    "云 a".split(" ")
)


@examples(300)
@given(st.lists(PIECES, max_size=60).map("".join) | st.text())
def test_it_never_fails(html: str) -> None:
    text = html_to_text(html)

    text.encode()
    assert "\x00" not in text
    assert text == text.strip()
    assert "\n\n\n" not in text
