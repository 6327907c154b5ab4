import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.wechat_crypto import keyed_hash
from connectors.wechat_events import FOLLOWER_ACTS, JOBS, follower_event
from connectors.wechat_messages import (
    HostileXml,
    read_pushed,
    read_xml,
    to_draft,
    without_people,
)
from schemas.errors import RejectedError
from schemas.post import PostDraft
from tests.connectors.wechat_server import xml

SECRET = SecretStr("a secret for the tests")
NOW = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
OPENID = "oFollower-of-yunfan_0001"


def draft(**fields: str | int) -> PostDraft:
    common: dict[str, str | int] = {
        "FromUserName": OPENID,
        "CreateTime": 1717200000,
        "MsgId": 4711,
    }
    return to_draft(read_pushed(xml(**common | fields).encode()), "公众号", SECRET, NOW)


def test_a_text_message_becomes_a_post() -> None:
    post = draft(MsgType="text", Content="云帆S7的空调\n不制冷😡")

    assert post == PostDraft(
        id="wechat:message-4711",
        platform="wechat",
        kind="message",
        text="云帆S7的空调\n不制冷😡",
        author=post.author,
        published_at=datetime(2024, 6, 1, tzinfo=UTC),
        source="公众号",
    )
    assert post.author.id == keyed_hash(SECRET, OPENID)
    assert OPENID not in post.to_line().decode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"MsgType": "image", "PicUrl": "http://mmbiz.qpic.cn/a", "MediaId": "m"}, "[图片]"),
        ({"MsgType": "voice", "MediaId": "m", "Format": "amr"}, "[语音]"),
        ({"MsgType": "voice", "MediaId": "m", "Recognition": "刹车异响"}, "刹车异响"),
        ({"MsgType": "video", "MediaId": "m", "ThumbMediaId": "t"}, "[视频]"),
        ({"MsgType": "shortvideo", "MediaId": "m", "ThumbMediaId": "t"}, "[视频]"),
        ({"MsgType": "location", "Location_X": "23.1", "Location_Y": "113.3"}, "[位置]"),
        (
            {"MsgType": "link", "Title": "召回", "Description": "赤霄", "Url": "https://a.cn/1"},
            "召回\n赤霄",
        ),
        ({"MsgType": "link"}, "[链接]"),
        ({"MsgType": "text"}, ""),
    ],
)
def test_every_type_has_words(fields: dict[str, str], text: str) -> None:
    assert draft(**fields).text == text


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("广东省深圳市南山区科技园南路 1 号 3 栋 502", "[位置] 广东省深圳市"),
        ("中国福建省厦门市思明区演武路", "[位置] 福建省厦门市"),
        ("新疆维吾尔自治区乌鲁木齐市", "[位置] 新疆维吾尔自治区乌鲁木齐市"),
        ("北京市朝阳区望京街 10 号", "[位置] 北京市"),
        ("香港特别行政区中西区皇后大道中", "[位置] 香港特别行政区"),
        # No city, or none that surely is one
        ("四川省凉山彝族自治州西昌市三岔口", "[位置] 四川省"),
        ("浙江省好又多超市解放路店", "[位置] 浙江省"),
        ("广东省东门市场 3 号", "[位置] 广东省"),
        ("广东省幸福城市花园小区 3 栋", "[位置] 广东省"),
        # No province: it may be anything
        ("南山区科技园南路 1 号", "[位置]"),
        ("深圳市南山区", "[位置]"),
        ("我家", "[位置]"),
        ("", "[位置]"),
    ],
)
def test_of_a_place_the_province_and_city_stay(label: str, kept: str) -> None:
    post = draft(MsgType="location", Location_X="23.134521", Location_Y="113.358803", Label=label)

    assert post.text == kept
    assert b"23.13" not in post.to_line() and b"113.35" not in post.to_line()


def test_where_a_link_leads_is_kept_and_where_a_picture_is_not() -> None:
    link = draft(MsgType="link", Title="召" * 2_000, Url="https://a.cn/1")
    assert (link.url, len(link.title or "")) == ("https://a.cn/1", 1_000)
    assert draft(MsgType="link", PicUrl="http://a.cn/p").url is None
    assert draft(MsgType="image", PicUrl="http://a.cn/p").url is None
    assert draft(MsgType="image", PicUrl="http://a.cn/p").media == ("image",)
    assert draft(MsgType="image", Url="http://a.cn/p").url is None
    assert draft(MsgType="link", Url="javascript:alert(1)").url is None


def test_a_message_out_of_an_article_belongs_to_it() -> None:
    post = draft(MsgType="text", Content="好", MsgDataId=2247483650, Idx=2)
    assert post.parent_id == post.root_id == "wechat:article-2247483650_2"
    assert draft(MsgType="text", Content="好", MsgDataId="x y", Idx=2).root_id is None


@pytest.mark.parametrize("created", ["", "明天", "9" * 30, "-1e9", "1e400"])
def test_a_broken_time_costs_no_words(created: str) -> None:
    post = draft(MsgType="text", Content="好", CreateTime=created)

    assert (post.text, post.published_at) == ("好", NOW)


def test_without_an_id_the_same_message_still_has_the_same() -> None:
    first, again, other = (
        draft(MsgType="text", Content=content, MsgId="") for content in ("好", "好", "坏")
    )
    assert first.id == again.id != other.id
    assert draft(MsgType="text", Content="好", MsgId="a b\tc").id.startswith("wechat:message-")


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({"MsgType": "hologram", "Content": "?"}, "mapping", "hologram"),
        ({"MsgType": "event", "Event": "from_the_future"}, "mapping", "from_the_future"),
        ({"Content": "没有类型"}, "mapping", "不认识"),
        ({"MsgType": "text", "Content": "好", "FromUserName": ""}, "schema", "FromUserName"),
        ({"MsgType": "text", "Content": "#" * 1_001}, "schema", "#"),
        ({"MsgType": "text", "Content": "长" * 100_001}, "schema", "text"),
    ],
)
def test_what_is_no_message_says_why(fields: dict[str, str], kind: str, says: str) -> None:
    with pytest.raises(RejectedError, match=says) as caught:
        draft(**fields)
    assert caught.value.kind == kind


def test_repetitions_and_others_are_told_apart() -> None:
    def identity(**fields: str | int) -> str:
        return read_pushed(xml(**fields).encode()).identity

    event: dict[str, str | int] = {
        "MsgType": "event",
        "FromUserName": OPENID,
        "CreateTime": 1,
        "Event": "CLICK",
        "EventKey": "菜单一",
    }
    assert identity(MsgId=1, CreateTime=1) == identity(MsgId=1, CreateTime=2)
    different = [
        identity(MsgId=1),
        identity(MsgId=2),
        identity(**event),
        identity(**event | {"EventKey": "菜单二"}),
        identity(**event | {"Event": "VIEW"}),
        identity(**event | {"CreateTime": 2}),
        identity(**event | {"FromUserName": "oOther"}),
    ]
    assert len(set(different)) == len(different)
    assert identity(Content="既没有编号也不是事件") == ""


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE xml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><Content>&b;</Content></xml>',
        b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Content>&a;</Content></xml>',
        b'<!DOCTYPE xml SYSTEM "http://127.0.0.1/x.dtd"><xml/>',
        b'<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><xml/>',
        "<!DOCTYPE xml><xml/>".encode("utf-16"),
    ],
)
def test_hostile_xml_is_refused(body: bytes) -> None:
    with pytest.raises(HostileXml):
        read_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<xml>",
        b"<xml><Content>\x00</Content></xml>",
        b"<xml><Content>&nbsp;</Content></xml>",
        b"<xml><Content>\xff\xfe</Content></xml>",
        b'<?xml version="1.0" encoding="no-such"?><xml/>',
        b'<?xml version="1.0" encoding="gb18030"?><xml/>',
        b"\xff" * 100,
    ],
)
def test_what_is_no_xml_is_one_sentence(body: bytes) -> None:
    with pytest.raises(RejectedError, match="不是 XML") as caught:
        read_xml(body)
    assert caught.value.kind == "schema"


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 150_000 + b"</a>" * 150_000,
        b"<xml>" + b"<Content/>" * 100_000 + b"</xml>",
        b"<xml " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>",
    ],
)
def test_deep_and_wide_xml_takes_no_time(body: bytes) -> None:
    began = time.process_time()

    read_xml(body)

    assert time.process_time() - began < 2


def test_spaces_and_unknown_elements_do_no_harm() -> None:
    pushed = read_pushed(
        b"<xml>\n <MsgType> <![CDATA[ Text ]]> </MsgType><Content><![CDATA[ a <b> & c ]]></Content>"
        b"<New><Inner>1</Inner></New><Content>second</Content></xml>"
    )

    assert pushed.type == "text"
    assert pushed.fields["Content"] == "a <b> & c"
    assert pushed.fields["New"] == ""


def test_a_parked_push_names_no_person() -> None:
    raw = (
        xml(FromUserName=OPENID, MsgType="hologram", Note=f"by {OPENID}")
        + "<ExternalUserID>wmExternal0001</ExternalUserID><FromUserName> <![CDATA[oCut"
    ).encode()

    told = without_people(raw, SECRET, OPENID).decode()

    assert not any(native in told for native in (OPENID, "wmExternal0001", "oCut"))
    assert told.count(keyed_hash(SECRET, OPENID)) == 2
    assert keyed_hash(SECRET, "wmExternal0001") in told
    assert "hologram" in told
    assert without_people(b"<a>1</a>", SECRET, "", "1") == b"<a>1</a>"


def test_of_a_strange_id_nothing_is_left() -> None:
    assert b"oPerson" not in without_people(b"<UserID>oPerson[1]</UserID>", SECRET)


def test_a_parked_push_names_no_place_and_no_picture() -> None:
    places = {"Location_X": "23.134521", "Label": "南山区科技园南路 1 号", "Latitude": "23.2"}
    raw = xml(**places, Poiname="我家", PicUrl="http://mmbiz.qpic.cn/a", Scale=20).encode()

    told = without_people(raw + b"<Longitude>113.3", SECRET).decode()

    assert not any(one in told for one in (*places.values(), "我家", "mmbiz", "113.3"))
    assert "<Scale>20</Scale>" in told and "<Label></Label>" in told


@pytest.mark.parametrize("part", [b"<UserID ", b"<Label ", b"<Label>", b"<UserID>", b" "])
def test_parking_takes_no_time(part: bytes) -> None:
    raw = b"<UserID>" + part * (1024 * 1024 // len(part)) + b"["
    began = time.process_time()

    without_people(raw, SECRET)

    assert time.process_time() - began < 2


# --- the messages of other projects' test suites, skipped where they are absent ------------------


def test_every_recorded_message_is_understood_counted_or_parked(shared_data: Path) -> None:
    file = shared_data / "wechat/vectors.json"
    messages = json.loads(file.read_text(encoding="utf-8"))["messages"]
    became: Counter[str] = Counter()
    kinds = set()
    for one in messages:
        pushed = read_pushed(one["xml"].encode())
        if one["msgtype"] is not None:
            assert (pushed.type, pushed.event or None) == (one["msgtype"], one["event"])
        kinds.add((pushed.type, pushed.event))
        if pushed.type == "event" and (name := pushed.event.lower()) in JOBS | FOLLOWER_ACTS.keys():
            if name in FOLLOWER_ACTS:
                event = follower_event(pushed, "公众号", SECRET, NOW)
                assert (event.act, event.native) == (FOLLOWER_ACTS[name], name)
                assert pushed.sender not in event.model_dump_json()
            became["event" if name in FOLLOWER_ACTS else "counted"] += 1
            continue
        try:
            post = to_draft(pushed, "公众号", SECRET, NOW)
        except RejectedError as error:
            assert error.kind == "mapping", one["xml"]
            became["parked"] += 1
        else:
            assert post.published_at != NOW
            became[pushed.type] += 1
            assert post.text
    assert len(messages) == became.total() == 91
    assert {
        key: became[key] for key in ("text", "image", "voice", "video", "location", "link")
    } == {
        "text": 2,
        "image": 2,
        "voice": 2,
        "video": 1,
        "location": 2,
        "link": 2,
    }
    assert (became["event"], became["counted"]) == (36, 7)
