"""The words by which an author's kind is told: general elements of names, and phrases of texts.

Written for this project, from how Chinese accounts are usually named: the head of a Chinese name
stands last (江澜晚报), so most are *heads*, compared with the end of the name. No account is listed
by its own name. All are folded: lower case, simplified.
"""

from collections.abc import Mapping
from typing import Final

from schemas.enriched import AuthorKind

__all__ = [
    "ANYWHERE",
    "COMPANY",
    "DECORATIONS",
    "DEFAULT_NAMES",
    "HEADS",
    "NOT_AN_ACCOUNT",
    "OPENINGS",
    "SOLD",
    "TOPICS",
    "TRADE",
    "WEAK_HEADS",
]


def _by_word(words: Mapping[AuthorKind, str]) -> dict[str, AuthorKind]:
    return {word: kind for kind, listed in words.items() for word in listed.split()}


HEADS: Final = _by_word(
    {
        "media": "日报 晚报 早报 晨报 午报 时报 周报 快报 商报 都市报 青年报 快线报 导报 先驱报 "
        "电讯报 消费者报 经济报 法治报 法制报 工人报 农民报 教育报 周刊 月刊 杂志 画报 新闻 "
        "新闻网 新闻社 通讯社 新闻中心 新闻频道 电视台 电台 广播 广播电台 广播电视台 卫视 融媒 "
        "融媒体 融媒体中心 全媒体 新媒体中心 新闻客户端 头条新闻 财经网 记者站 编辑部 交通广播 "
        "报社 电视新闻 新闻联播 新闻热线 之声 要闻 快讯 news daily 记者 日报社 晚报社 时报社 广电 "
        "新闻传媒 画刊 新闻晨刊 头条 大事件 早知道 早班车 电视 综合频道 新闻台 经济台 都市频道 "
        "生活频道 广播网 新闻广播 音乐广播 资讯广播 参考消息 交通台 音乐台 都市台 晨刊 时讯",
        "official": "公安 公安局 公安分局 派出所 警方 警务 交警 交警大队 交警支队 特警 网警 "
        "网警巡查执法 网安 消防 消防大队 消防支队 消防总队 消防救援 消防救援支队 消防救援大队 "
        "消防救援总队 消防救援局 消防局 发布 市监局 市监 市场监管 市场监管局 市场监督管理局 "
        "市场监督 监督管理局 监管局 监管总局 工商 工商局 质监 质监局 消协 消费者协会 消保委 "
        "消委会 消费者委员会 法院 人民法院 高院 中院 检察 检察院 人民检察院 司法 司法局 税务 "
        "税务局 应急 应急管理 应急管理局 应急管理厅 卫健委 卫健 卫生健康委 疾控 疾控中心 气象 "
        "气象局 气象台 交通运输局 交通局 城管 城管局 城管执法 教育局 人社局 民政局 财政局 发改委 "
        "工信部 工信局 政府 人民政府 街道办 管委会 团委 共青团 网信办 网信 文旅 文旅局 旅游局 "
        "政务 政务服务 政府网 海关 海事 海事局 铁路 地铁 公积金 生态环境 生态环境局 环保局 住建局 "
        "医保局 药监局 市长热线 高速交警 反诈中心 辟谣平台 辟谣 省政府 市政府 区政府 12315 12345 "
        "12348 纪委 监委 总局 商务局 商务委 统计局 文明办 宣传部 铁警 铁路公安 机场公安 武警 边检 "
        "交管 交管局 车管所 出入境 监狱 戒毒所 公证处 仲裁委 社保局 人大 政协 统战部 组织部 "
        "总工会 妇联 残联 信访局 国资委 证监会 银保监会 知识产权局 自然资源局 农业农村局 水利局 "
        "林业局 卫生局 退役军人事务局 地震局 地震台网 地震台 人防办 森林消防 质量监督 "
        "缺陷产品管理中心 指挥中心 政务服务中心 政务中心 行政审批局 便民服务中心 质检总局 普法 "
        "法治宣传",
        "industry": "之家 车友会 俱乐部 车主之家 车评 车评人 说车 侃车 聊车 评车 玩车 看车 讲车 "
        "论车 谈车 扒车 撩车 测车 评测 测评 评测室 测评室 测评君 评测君 试驾 拆解 探店 情报局 "
        "情报站 内参 研究所 研究院 智库 行业观察 产业观察 观察家 车圈 手机圈 数码圈 协会 商会 "
        "学会 联合会 联盟 论坛 社区 选车指南 购车指南 购买指南 导购 车讯 汽车网 车市 车友圈 "
        "车友群 超话 说机 玩机 聊机 养车 用车 买车 挑车 选机 机圈 值得买 参数党 成分党 测评师 "
        "评测师 鉴定师 评车人 汽车人 tv 车家 车叔 车哥 车姐 车君 数码君 科技君 数码控 数码博主 "
        "汽车博主 科技博主 博主",
        "dealer": "4s 4s店 4s中心 4s专营店 经销商 经销店 专卖店 专营店 旗舰店 授权店 授权体验店 "
        "体验店 体验中心 交付中心 服务店 特约店 服务站 特约服务站 直营店 加盟店 门店 分店 总店 "
        "总代 代理商 总代理 代理 车行 二手车 二手车行 二手车市场 二手车交易市场 汽贸 汽贸城 "
        "汽车贸易 汽车销售 汽车销售服务 车城 汽车城 汽修 汽修厂 修理厂 汽车修理 维修中心 维修站 "
        "汽车维修 汽车服务 手机店 手机专卖 数码店 批发 批发部 商行 商贸 销售 销售部 销售中心 "
        "销售顾问 销售经理 销售总监 展厅 汽车销售有限公司 汽车销售服务有限公司 汽车贸易有限公司 "
        "汽贸有限公司 汽车服务有限公司 商贸有限公司 贸易有限公司 汽修有限公司 销售有限公司 租车 "
        "维修 专修 快修 修车 修手机 名车 精品车 改装店 改装厂 轮胎店 贴膜 卖场 电器行 通讯行 卖车 "
        "回收 小店 烟酒店 专柜",
        "brand": "客服 客服中心 客户服务 客户服务中心 服务中心 官方客服 官方旗舰店 官方商城 "
        "官方直营店 集团 股份 公司 有限公司 股份有限公司 集团有限公司 控股",
        "staff": "员工 前员工 离职员工 在职员工 内部员工 老员工",
        "bot": "互粉 互关 涨粉 刷粉 买粉 刷单 代刷 互赞 涨粉小助手 互粉大队 互粉群 互关群 刷单兼职",
    }
)
"""Ends of names that tell the kind. Media and officials need standing besides: people call
themselves 吃瓜日报 for fun, and real ones are verified."""

WEAK_HEADS: Final = _by_word(
    {
        "media": "网 在线 频道 视频 直播 财经 资讯 播报 视界 前线 现场 观察 热点 报道 报 fm 台 "
        "民生 视点 焦点 热线 周末 参考 发现 传媒 文化传媒 刊 讯 早读 夜读 晚读",
        "official": "警 局 厅 委员会 监督 监察 管理处 管理中心 服务大厅 办事处 支队 大队 总队",
        "industry": "圈 君 说 吧 汇 控 科技 数码 指南 百科 大全 课堂 笔记 派 志 客 汽车 手机 车 "
        "研究 参数 实验室 工作室 帮 党 迷 家电 家居 咖 坊 星球",
    }
)
"""Ends that tell the kind of a verified or much followed account only."""

TOPICS: Final = frozenset(
    "汽车 电车 新能源 车圈 车市 手机 数码 家电 科技 美妆 母婴 电商 电动 机车 摩托 卡友 卡车 极客 "
    "二手车 车迷 车友 玩家 快递 外卖 餐饮 地产 财经 半导体 芯片 白酒 奶粉".split()
)
"""Trades. With a topic, a weak head or a large following is an account of that trade."""

TRADE: Final = frozenset(
    "说车 侃车 聊车 评车 玩车 懂车 看车 选车 车评 试驾 评测 测评 开箱 拆解 情报 内幕 谍照 爆料 "
    "行业观察 汽车圈 手机圈 数码圈 车圈 那些事".split()
)
"""What accounts of a trade do."""

ANYWHERE: Final = _by_word(
    {
        "dealer": "4s店 4s中心 经销商 专卖店 专营店 授权体验店 授权店 体验店 旗舰店 销售顾问 "
        "销售经理 金牌销售 汽车销售 汽贸 授权服务 专业卖车 卖车的 卖手机的",
        "official": "政府 公安 交警 网警 警方 警务 警事 消防 应急管理 应急局 人社 卫健 卫生健康 "
        "城市管理 城管 高速 反诈 维权中心 消费维权 市场监管 市监 监督 监管 检察 法院 税务 政务 "
        "气象 疾控 海关 海事 交管 社保 医保 民政 教育局 教育厅 团委 共青团 妇联 总工会 人大 政协 "
        "司法 普法 生态环境 水务 街道 开发区 新区 审计 统计局 退役军人 纪检 宣传部 文明办 国资委 "
        "铁路 边检 便民服务 网信 文旅 自然资源 农业农村 管理局 监察",
        "staff": "内部员工 离职员工 在职员工 前员工 员工 打工人 上班 内部人 牛马",
        "media": "新闻 记者 传媒 广电 电视 广播 资讯 财经 快讯 头条 融媒 媒体 报社 视频 周刊 杂志",
        "bot": "互粉 互关 涨粉 刷粉 刷单 代刷",
    }
)
"""Words that tell the kind wherever they stand, when the rest is short: 江城4S店小陈. Of media and
officials in the names of verified accounts only, and the last one counts."""

OPENINGS: Final = _by_word({"official": "平安 共青团 中国消防 国家 网信"})
"""Beginnings; 平安 is how police accounts are named (平安 and the place)."""

SOLD: Final = ("银行", "保险", "证券", "人寿", "健康", "产险", "喜乐", "是福", "夜", "果")
"""What makes 平安 something else than a police account."""

COMPANY: Final = tuple(
    "汽车 手机 官方 服务 客服 中国 科技 集团 公司 影像 售后 公关 法务 新闻 电动 新能源 商城 招聘 "
    "校招 智能 家电 食品 乳业 饮料 销售 俱乐部 研究院 音乐 生活 助手 小助手 小店 国际 全球 大客户 "
    "企业 产品 软件 系统 云 电器 空调 银行 保险 航空 酒店 餐饮 超市".split()
)
"""What stands behind a brand in the names of its own accounts."""

DECORATIONS: Final = tuple(
    "官方微博 官方微信 官方账号 官方帐号 官方号 官方 官博 官微 微博 微信 客户端 公众号 视频号 "
    "抖音号 头条号 app v".split()
)
"""What an account hangs behind its name."""

DEFAULT_NAMES: Final = tuple("手机用户 新用户 微博用户 微信用户 快手用户 网友 用户".split())
"""What platforms call those who chose no name; digits follow."""

NOT_AN_ACCOUNT: Final = tuple(
    "家属 读者 观众 听众 粉丝 车主 用户 受害 维权 投诉 曝光 被坑 被骗 上当 退车 旁边 门口 对面 "
    "隔壁 楼下 附近 老公 老婆 妈妈 爸爸 女朋友 男朋友 媳妇 女儿 儿子 孩子 爱好者 收藏 退休 学生 "
    "系大 前记者 家的 路人 常客 我 爱看 喜欢 讨厌 想当 想去 不看 不想 不爱 怒怼 别再 怕 骗子 垃圾 "
    "黑心 再也不 无良 抵制 起诉 快跑".split()
)
"""Words of people who speak *of* an organisation, or to it."""
