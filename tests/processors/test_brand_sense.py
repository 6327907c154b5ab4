import re
from datetime import UTC, datetime

import pytest

from processors.brand_sense import _knowledge, sense_of
from processors.brands import Brands
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Author
from schemas.rules import Alias, Brand, RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)

MEANT = """
苹果：苹果手机的电池一天要充三次
苹果：苹果秋季发布会定在下周
苹果：昨晚苹果股价跌了百分之三
苹果：换了十年的苹果，这次想试试安卓
小米：小米回应门店关闭传闻
小米：小米14的屏幕真亮
小米：雷军在小米新品发布会上鞠躬
大众：大众汽车召回两万辆
大众：准备买大众，4S店优惠多少
大众：上汽大众的途观漏油
现代：北京现代工厂停产
现代：现代ix35刹车异响
现代：韩国现代集团第三季度净利润下滑
理想：理想汽车交付量创新高
理想：理想L9的空气悬架断了
理想：提了一辆理想，续航还可以
长城：长城汽车总裁道歉
长城：长城皮卡的变速箱又坏了
长安：长安CS75转向异响
长安：长安汽车一季度销量公布
红旗：红旗H9车机黑屏
红旗：红旗轿车的经销商跑路了
东风：东风汽车召回皮卡
东风：东风本田4S店乱收费
坦克：坦克300越野车底盘生锈
坦克：坦克SUV车主维权
哪吒：哪吒汽车拖欠供应商货款
哪吒：哪吒汽车裁员，员工讨薪
海豚：比亚迪海豚落地价多少，准备买车
海豚：海豚的车机升级以后更卡，续航也掉了，4S店不管
海鸥：海鸥电池续航虚标，车主投诉
海马：海马汽车宣布量产
小鹏：小鹏P7辅助驾驶撞上护栏
小牛：小牛电动车的电池鼓包了
荣耀：荣耀手机系统更新后发烫
荣耀：荣耀发布新款平板
联想：联想笔记本屏幕碎了，客服不保修
三星：三星折叠屏手机再现裂痕
三星：三星电子第二季度财报出炉
统一：统一方便面里吃出异物
统一：统一企业宣布饮料涨价
光明：光明牛奶被抽检不合格
雪花：雪花啤酒推出新包装
熊猫：熊猫电视机的屏幕坏了两次
公牛：公牛插座冒烟，客服道歉
美的：美的空调制冷太慢
老板：老板电器的油烟机漏油
李宁：李宁门店的球鞋开胶了
乔丹：乔丹体育的运动鞋质量差
平安：平安银行信用卡乱扣费
滴滴：滴滴司机绕路多收二十元
京东：京东物流把快递弄丢了
飞猪：飞猪上订的酒店不给退款
豆瓣：豆瓣评分跌破六分
百度：百度网盘会员涨价
""".split("\n")

OTHER = """
苹果：奶奶种的苹果又甜又脆
苹果：早餐吃一个苹果和两片面包
苹果：果农说今年苹果丰收，产地却滞销
小米：熬了一锅小米粥
小米：五斤小米和玉米一起种
大众：演员要为大众服务
大众：这部剧走进了大众视野
现代：现代医学还解释不了这个现象
现代：现代社会的年轻人压力大
理想：小时候的理想是当老师
理想：成绩不理想，妈妈没有骂我
理想：谈理想不如先谈生活
长城：假期爬长城的游客太多了
长城：长城脚下的村子开了民宿
长安：长安十二时辰重播了
长安：穿越回长安看一场灯会
红旗：五星红旗在赛场升起
红旗：红旗渠的水流了几十年
东风：万事俱备，只欠东风
东风：东风导弹亮相阅兵
坦克：以军坦克开进加沙
坦克：退役的坦克兵回忆战场
哪吒：哪吒闹海的动画陪我长大
哪吒：导演说哪吒的片尾藏着彩蛋，票房破纪录
海豚：海洋馆的海豚搁浅后获救
海鸥：游客在湖边喂海鸥
海马：海马是爸爸带宝宝的动物
小鹏：李小鹏夺冠那年我还小
小牛：小牛犊在牧场里跑
荣耀：王者荣耀新赛季上分
荣耀：为国争光是最高荣耀
联想：看到月亮就联想到故乡
三星：三星堆出土了新的文物
三星：这家餐厅是米其林三星
统一：全校统一校服，家长有意见
统一：统一安排考试时间
光明：前途一片光明
雪花：雪花飘在北方的天空
熊猫：大熊猫宝宝满月了
公牛：芝加哥公牛队输了比赛
美的：这是我见过最美的晚霞
老板：老板说今天不加班
李宁：体操名将李宁当年夺冠的比赛
乔丹：迈克尔·乔丹重返湖人主场
平安：祝大家平安喜乐
滴滴：屋檐的水滴滴答答
京东：东京东部发生地震
飞猪：站在风口的猪成了会飞的飞猪肉
豆瓣：郫县豆瓣酱炒回锅肉
银河：夏夜能看见银河系的中心
大唐：穿汉服逛大唐不夜城
""".split("\n")


def cases(lines: list[str]) -> list[tuple[str, str]]:
    return [(word, text) for word, _, text in (line.partition("：") for line in lines) if text]


def tags(text: str, *names: str | Alias) -> tuple[BrandTag, ...]:
    rules = RuleSet(
        id="acme",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        brands=(Brand(id="b", name="b", role="own", aliases=names),),
    )
    post = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
    )
    (enriched,) = Brands(Brands.Config(), rules).enrich([post])
    assert enriched is not None
    return enriched.brands


@pytest.mark.parametrize(("word", "text"), cases(MEANT))
def test_a_sentence_about_the_brand_is_tagged(word: str, text: str) -> None:
    (tag,) = tags(text, word)

    assert tag.aliases == (word,)
    assert [text[span.start : span.end] for span in tag.spans][:1] == [word]
    assert tag.confidence > 0.5


@pytest.mark.parametrize(("word", "text"), cases(OTHER))
def test_a_sentence_about_a_namesake_is_not(word: str, text: str) -> None:
    assert tags(text, word) == ()


def test_the_sentences_show_many_words_in_both_senses() -> None:
    meant, other = ({word for word, _ in cases(lines)} for lines in (MEANT, OTHER))

    assert len(meant & other) >= 20


def test_full_width_and_traditional_sentences_are_weighed_alike() -> None:
    assert [tag.confidence for tag in tags("蘋果手機發佈會", "苹果")] == [
        tag.confidence for tag in tags("苹果手机发布会", "苹果")
    ]
    assert tags("蘋果樹開花", "苹果") == ()


def test_a_tag_says_why() -> None:
    (tag,) = tags("苹果发布会", "苹果")

    assert tag.reason == "context: 发布会"


def test_what_the_rules_say_of_a_name_counts() -> None:
    # Given a name that only the rules know to be ambiguous
    told = Alias(word="拓川", ambiguous=True, context=("试驾",), against=("河道", "拓川镇"))

    # When it stands in three sentences, then the rule's words decide
    assert tags("周末试驾拓川", told)
    assert not tags("拓川的河道涨水", told)
    assert not tags("拓川镇的集市", told)


def test_many_words_against_a_name_are_only_many_words() -> None:
    # Given a thousand words against a name, all of which stand beside it
    beside = "".join(chr(0x4E00 + number) for number in range(40))
    against = tuple(beside[a:b] for a in range(40) for b in range(a + 1, 41))
    told = Alias(word="拓川", ambiguous=True, against=against)

    # When another place is sure, then the tag is as sure as that place
    text = "拓川汽车召回。" + "，" * 60 + "拓川" + beside
    (tag,) = tags(text, told)

    assert tag.confidence > 0.9


def test_a_name_declared_unambiguous_is_always_the_brand() -> None:
    text = "奶奶种的苹果又甜又脆"

    assert not tags(text, "苹果")
    assert tags(text, Alias(word="苹果", ambiguous=False))[0].confidence == 1


def test_a_name_that_is_no_word_is_never_weighed() -> None:
    assert sense_of(Alias(word="启澜")) is None
    assert sense_of(Alias(word="BYD")) is None


ENTRIES = sorted(_knowledge()["word"].items())


@pytest.mark.parametrize(("word", "entry"), ENTRIES, ids=[word for word, _ in ENTRIES])
def test_an_entry_makes_sense(word: str, entry: dict[str, str]) -> None:
    assert entry.keys() <= {"trade", "sense", "usual", "inside"}
    assert entry["trade"] in _knowledge()["trade"]
    assert set(entry.get("sense", "").split()) <= _knowledge()["sense"].keys()
    for longer in entry.get("inside", "").split():
        assert word in longer
        assert longer != word


def test_no_word_is_named_twice_in_the_file() -> None:
    for talk in (_knowledge()["firm"], *_knowledge()["trade"].values()):
        for words in talk.values():
            assert not re.search(r"[，,、]", words)
