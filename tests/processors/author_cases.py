"""Authors and posts with the kind of their writer, all invented.

``KNOWN`` was looked at while the words of ``processors/author_words.py`` were chosen. ``HELD_BACK``
was written before them and is only counted: a word must not be added because a row here needs it.
``LATER`` and ``LATEST`` were written afterwards, to look for what the words miss; each was judged
once before anybody saw what they make of it. Then ``LATER`` was looked at too; ``LATEST`` is only
counted.
"""

from dataclasses import dataclass

__all__ = ["HELD_BACK", "KNOWN", "LATER", "LATEST", "Case"]


@dataclass(frozen=True)
class Case:
    """One writer with one post."""

    kind: str
    name: str
    verified: bool | None
    followers: int | None
    text: str


def _cases(table: str) -> list[Case]:
    """Rows of ``kind | name | v (verified), x (not), - (unknown) | followers | text``."""
    cases = []
    for row in table.strip().splitlines():
        kind, name, verified, followers, text = (part.strip() for part in row.split("|", 4))
        known = {"v": True, "x": False, "-": None}
        cases.append(
            Case(
                kind,
                name,
                known[verified],
                None if followers == "-" else int(followers),
                text or "今天的天气不错",
            )
        )
    return cases


KNOWN = _cases(
    """
person | 记者家属 | x | 320 | 他又加班到半夜，家里的灯给他留着
person | 晚报读者 | x | 45 | 看到报道才知道启澜又召回了
person | 公安局旁边的小王 | x | 88 | 停车位越来越难找
person | 我爱看新闻 | x | 12 | 客服电话打了三次都占线
person | 怒怼4S店 | x | 260 | 定金到现在没退
person | 启澜车主老周 | x | 510 | 开了两年，油耗还行
person | 被经销商坑了的阿梅 | x | 33 | 说好的保养三次变成一次
person | 吃瓜日报 | x | 90 | 哈哈哈哈笑死
person | 消防员的女朋友 | x | 1500 | 等他平安回来
person | 林晓月 | v | 23000 | 新戏杀青，谢谢大家
person | 用户7748392011 | x | 3 | 昨天提了车，座椅有点硬，别的都好
person | 手机用户5820193 | x | 0 | 请问这个版本什么时候更新
person | 小鹿乱撞2019 | x | 140 | 周末去了新开的店，蛋糕一般
person | 阿杰 | - | - | 我们公司楼下的咖啡涨价了
person | 李师傅修了三十年 | x | 76 | 孙子今天上学了
person | 海边的卡车司机 | x | 430 | 一箱油从南跑到北
person | 想去电视台上班 | x | 66 | 面试又没过
person | 法院门口卖煎饼 | x | 21 | 下雨天生意不好
person | momo | x | 5 | 有没有人知道售后电话是多少
person | 汽车杂志收藏者 | x | 210 | 又淘到一本九十年代的
person | 退休老交警 | x | 900 | 说句公道话，这个路口设计有问题
person | 王小明律师 | v | 52000 | 合同里的这一条其实无效
person | 江城一只猫 | x | 301 | 在4S店等了一下午，销售说现车充足，结果要等三个月
person | Linda_Zhou | x | 180 | 本店概不退换？消费者就没有权利了吗
media | 江澜晚报 | v | 820000 | 今日多地迎来降温
media | 北川日报 | - | - | 市民热议新规
media | 云州电视台 | v | 1200000 | 晚间新闻抢先看
media | 南屿广播 | v | 56000 | 早高峰路况
media | 东临新闻网 | v | 330000 | 一辆轿车在路口起火
media | 都市快线报 | v | 470000 | 消费者反映刹车异响
media | 启明周刊 | v | 90000 | 封面故事
media | 澄江新闻 | - | 250000 | 突发，高速多车追尾
media | 海右商报官方微博 | v | 610000 | 楼市观察
media | 西岭卫视 | v | 2300000 | 今晚九点
media | 晨间新闻客户端 | v | 780000 | 快讯
official | 江澜公安 | v | 540000 | 警情通报
official | 平安北川 | v | 610000 | 反诈提醒
official | 云州消防 | v | 330000 | 夏季用电请注意
official | 南屿市市场监督管理局 | v | 12000 | 抽检结果公布
official | 东临发布 | v | 880000 | 明日起实行限行
official | 西岭交警支队 | v | 76000 | 事故处理进展
official | 启明区人民法院 | v | 9800 | 案例
official | 澄江消费者协会 | v | 23000 | 消费提示
official | 北川12345 | v | 45000 | 您的来电已受理
official | 云州网警巡查执法 | v | 99000 | 谣言不可信
industry | 老秦说车 | v | 320000 | 这台车的底盘调校有进步
industry | 电车评测室 | x | 45000 | 续航实测来了
industry | 好车之家 | v | 910000 | 新车上市
industry | 新能源情报站 | x | 12000 | 谍照曝光
industry | 数码小罗 | v | 150000 | 两台旗舰对比
industry | 玩车TV | v | 260000 | 视频来了
industry | 手机圈那些事 | x | 33000 | 参数对比
industry | 汽车行业观察 | - | 8800 | 九月销量
industry | 启澜车友会 | x | 5600 | 周日自驾报名
industry | 懂车研究所 | v | 67000 | 发动机为什么会抖
dealer | 江城启澜4S店 | x | 320 | 周末试驾有礼
dealer | 北川海鸥手机专卖店 | x | 150 | 新机到货
dealer | 启澜汽车云州经销商 | v | 2100 | 置换补贴
dealer | 南屿鑫达汽贸 | x | 430 | 现车
dealer | 启澜销售顾问小陈 | x | 870 | 优惠力度大
dealer | 阿强 | x | 90 | 本店新到现车三台，欢迎到店咨询，电话13800000000
dealer | 小高 | x | 210 | 看车热线400-000-0000，进店有礼，置换最高补贴八千
dealer | 东临诚信二手车行 | x | 640 | 准新车源
dealer | 鹏程汽车销售有限公司 | v | 900 | 展厅开放
dealer | 数码城张姐手机店 | x | 77 | 以旧换新
brand | 启澜服务 | v | 45000 | 您好，请私信车架号
brand | 启澜汽车 | v | 1900000 | 新车发布会
brand | 海鸥手机官方 | v | 760000 | 系统更新
brand | 海鸥客服 | v | 33000 | 亲，请提供订单号
brand | 白鹭饮料官方微博 | v | 120000 | 夏日新品
brand | 远峰集团 | v | 88000 | 公告
brand | 木槿家电官微 | v | 54000 | 抽奖
staff | 小雨 | x | 120 | 我在启澜上班，内部早就知道这个问题
staff | 匿名 | x | - | 作为启澜的内部员工说一句，零件换供应商了
staff | 夜班工人 | x | 44 | 我们厂这个月又停线了，启澜的订单少了
staff | 启澜前员工阿海 | x | 650 | 当年加班到凌晨
staff | 风吹麦浪 | x | 230 | 本人海鸥手机在职员工，年终奖砍半
staff | 在启澜上班的大刘 | x | 310 | 食堂又涨价
staff | 追光 | x | 12 | 我司这次裁员，海鸥研发走了一半人
bot | 用户6602917745 | x | 1 | 加微信领取优惠券，限时免费领，名额有限
bot | 用户3391028475 | x | 0 | 启澜太棒了，强烈推荐，闭眼入，谁用谁知道
bot | 甜甜8830192746 | x | 2 | 兼职日结，日赚三百，看我主页
bot | 手机用户2200918 | x | 0 | #启澜##新车##汽车##推荐##好物##种草##热门#
bot | 涨粉小助手 | x | 35 | 互粉互关，秒回，点击链接
bot | qw8837261 | x | 0 | 点击链接领取红包，扫码领，内部价
bot | 小仙女 | x | 6 | #转发##抽奖##热门##汽车##手机##美妆##好物# 冲
"""
)

HELD_BACK = _cases(
    """
person | 前记者老陈 | x | 760 | 离开这行三年了，还是习惯早起
person | 日报社楼下的面馆常客 | x | 53 | 今天的面有点咸
person | 派出所对面的阿婆 | x | 40 | 电动车又丢了
person | 不看电视台 | x | 18 | 综艺越来越无聊
person | 投诉汽贸公司 | x | 4 | 交了定金不给车，半年了
person | 海鸥手机用户小何 | x | 122 | 升级以后发热
person | 4S店受害者联盟小张 | x | 97 | 谁来管管
person | 奶茶晚报 | x | 230 | 今日份快乐
person | 警察叔叔我在这 | x | 61 | 钱包找回来了，感谢
person | 周子航 | v | 410000 | 演唱会见
person | 用户1029384756 | x | 2 | 空调吹出来一股味道，有人跟我一样吗
person | 微博用户_8a7d | x | 0 | 支持维权
person | 豆豆妈妈2015 | x | 260 | 孩子坐后排说太颠
person | 老吴 | - | - | 我在医院上班，每天开车四十公里，很满意
person | 修车摊的儿子 | x | 310 | 我爸说这个毛病修不好
person | 广播体操第八套 | x | 145 | 今天又迟到了
person | 我家住在消防队隔壁 | x | 20 | 警报响了一夜
person | 城管来了快跑 | x | 1700 | 晚上出摊吗
person | Kevin的日常 | x | 330 | 新手机拍照真不错
person | 新闻系大三学生 | x | 88 | 作业写不完
person | 检察官的猫 | x | 2400 | 喵
person | 张伟医生 | v | 88000 | 高血压患者注意三点
person | 陈北北 | x | 75 | 店员让我加微信，说有优惠券，结果就是个群发的
person | 半夏 | x | 640 | “欢迎到店”说得好听，去了没人理
person | 开车的老郑 | x | 510 | 第三次去4S店了，还是没修好
media | 青澳早报 | v | 560000 | 今晨大雾
media | 陇川都市报 | v | 730000 | 记者实地走访
media | 沧海时报 | - | - | 社论
media | 蓟北广播电视台 | v | 210000 | 直播预告
media | 临溪交通广播 | v | 98000 | 绕行提示
media | 华澜网 | v | 640000 | 独家
media | 澜湾融媒 | v | 150000 | 视频新闻
media | 财富前线周报 | v | 83000 | 三季报
media | 直击现场新闻频道 | v | 420000 | 现场画面
media | 浙西在线 | v | 190000 | 招考信息
media | 青年记者站 | v | 30000 | 采访手记
official | 青澳警方 | v | 410000 | 通报
official | 平安陇川 | v | 220000 | 夜查酒驾
official | 蓟北消防救援支队 | v | 98000 | 火灾扑灭
official | 临溪市监局 | v | 7600 | 约谈企业
official | 沧海市人民政府 | v | 150000 | 会议
official | 华澜高速交警 | v | 66000 | 封路信息
official | 澜湾检察 | v | 8700 | 公益诉讼
official | 青澳12315 | v | 21000 | 调解成功
official | 陇川应急管理局 | v | 12000 | 预警
official | 蓟北市消保委 | v | 33000 | 比较试验
official | 临溪生态环境 | v | 18000 | 空气质量
industry | 大嘴侃车 | v | 180000 | 这价格香吗
industry | 极客数码测评 | x | 26000 | 屏幕对比
industry | 电动车之家 | v | 340000 | 销量排行
industry | 车圈内幕君 | x | 19000 | 听说要降价
industry | 机智堂科技 | v | 77000 | 发布会总结
industry | 海鸥手机吧 | x | 41000 | 本周精华
industry | 试驾日记本 | v | 52000 | 山路体验
industry | 汽车工业协会 | v | 23000 | 产销数据
industry | 选车指南 | - | 15000 | 十五万买什么
industry | 卡友俱乐部 | x | 6600 | 油价
dealer | 青澳启澜汽车4S中心 | x | 220 | 到店有礼
dealer | 海鸥手机授权体验店陇川店 | x | 180 | 预约
dealer | 临溪宏运车行 | x | 95 | 收车
dealer | 启澜金牌销售小赵 | x | 410 | 月底冲量
dealer | 蓟北顺通汽车服务有限公司 | v | 330 | 保养套餐
dealer | 大军 | x | 130 | 店内现车充足，全款分期都可以，欢迎来店试驾，地址北环路8号
dealer | 莎莎 | x | 55 | 需要报价的私信我，订车热线13900000000，送全车膜
dealer | 沧海二手车交易市场 | x | 1200 | 车源更新
dealer | 老马汽修厂 | x | 88 | 专修变速箱
dealer | 华澜海鸥专营店 | - | - | 上新
brand | 海鸥手机 | v | 2400000 | 影像大片
brand | 启澜汽车客户服务中心 | v | 21000 | 已为您登记
brand | 青禾乳业官方微博 | v | 76000 | 牧场直播
brand | 云顶空调官方旗舰店 | v | 43000 | 预售
brand | 星砂科技股份有限公司 | v | 15000 | 公告
brand | 启澜官微 | v | 530000 | 周末愉快
brand | 绿洲出行客服 | v | 12000 | 正在为您核实
staff | 小橘子 | x | 77 | 我在海鸥手机上班三年，测试根本不充分
staff | 不能说的秘密 | x | 9 | 本人启澜内部员工，这批电池有问题
staff | 追风 | x | 210 | 我是启澜工厂的工人，总装线天天赶工
staff | 海鸥离职员工 | x | 40 | 劳动仲裁赢了
staff | 深夜码农 | x | 560 | 我们公司海鸥手机的系统就是我组里做的
staff | 启澜打工人 | x | 130 | 又加班
staff | 清风 | x | 18 | 刚从启澜离职，说点内幕
bot | 用户9938471029 | x | 0 | 刷单兼职，一单一结，加V了解
bot | 用户8847201938 | x | 1 | 海鸥手机性价比超高，入手不亏，强烈推荐大家购买
bot | 漂亮宝贝77481920 | x | 3 | 免费领取试用装，私信我，数量有限
bot | 新用户55019284 | x | 0 | 开户送彩金，点击下方网址
bot | 手机用户9918273 | x | 0 | #手机##海鸥##数码##推荐##热门##好物分享##必买#
bot | 互粉大队长 | x | 120 | 有粉必回，诚信互关
bot | 柠檬 | x | 4 | #热门话题##抽奖##转发##好物##手机##汽车##护肤##减肥#
bot | jh20394857 | x | 1 | 低价代开，先办事后付款，联系QQ
"""
)

LATER = _cases(
    """
person | 老李头 | - | - | 坛子里有没有同城的，周末一起跑山
person | xiaoma_cn | - | - | 求助，仪表亮故障灯怎么办
person | 风一样的男子1988 | - | - | 提车作业来了，先上几张图
person | 星海晨报今天发了吗 | x | 62 | 等一个说法
person | 交警同志辛苦了 | x | 15 | 早高峰真堵
person | 我是你的小记者 | x | 230 | 打卡第三天
person | 小区物业管家 | x | 44 | 停车费又涨了
person | 卖火柴的小女孩 | x | 980 | 今天好冷
person | 没有客服的世界 | x | 31 | 转人工转了十分钟
person | 电台情歌 | x | 410 | 单曲循环
person | 发布会迷路人 | x | 29 | 没抢到票
person | 刘铁柱 | v | 6100 | 第一次上台讲话有点紧张
person | 李娜娜Nana | v | 820000 | 新的一天，加油
person | 检验科小护士 | x | 340 | 夜班
person | 快递小哥阿东 | x | 77 | 单子太多跑不完
person | 一颗柠檬精 | x | 8200 | 今天也是努力的一天
person | 王车长 | x | 12000 | 带娃去海边
person | 张海超话题 | x | 53 | 追剧
person | 报告老师 | x | 36 | 作业没带
person | 老司机带带我 | x | 180 | 第一次上高速
person | 群众呼声 | x | 90 | 我们小区的充电桩坏了半年没人管
person | 李工 | - | - | 我是做装修的，开车到处跑，启澜空间够用
person | 匿名用户 | - | - | 讲真，海鸥手机的信号一直不行
person | 大宝贝 | x | 66 | 本店员工态度很差，别去了，地址在北环路
person | 阿波 | x | 150 | 我爸在启澜工作，他说质量还可以
person | 饭饭 | x | 43 | 朋友推荐我买的，真的太好用了，值得拥有
media | 星海新闻综合频道 | v | 64000 | 今晚关注
media | 陵川发现客户端 | v | 39000 | 快讯
media | 财知道网 | v | 120000 | 公司公告速览
media | 第一眼视频 | v | 870000 | 监控拍下惊险一幕
media | 秦岭观察 | v | 56000 | 深度
media | 人间杂志 | v | 300000 | 本期故事
media | 海岸时报社 | - | - | 社论
media | 瞭远新闻周刊 | v | 1500000 | 封面
media | 城市晚八点 | v | 230000 | 记者在现场
media | 汽车商报 | v | 41000 | 行业速递
official | 星海市公安局交通警察支队 | v | 120000 | 管制通告
official | 陵川区消防 | v | 43000 | 演练
official | 平安秦北 | v | 87000 | 抓获嫌疑人
official | 国家缺陷产品管理中心 | v | 88000 | 召回信息
official | 星海铁警 | v | 32000 | 春运
official | 南澳网警 | v | 21000 | 辟谣
official | 星海税务 | v | 15000 | 申报期提醒
official | 陵川县融媒体与政务服务中心 | v | 6000 | 办事指南
official | 星海质量监督 | v | 9000 | 抽查
official | 秦北市场监管 | v | 26000 | 立案调查
industry | 皮皮聊车 | v | 150000 | 动力总成解析
industry | 科技狐狸 | v | 430000 | 芯片跑分
industry | 车迷帮 | x | 27000 | 报价整理
industry | 懂点家电 | v | 65000 | 空调怎么选
industry | 阿Ken玩机 | x | 88000 | 刷机教程
industry | 星海摩友联盟 | x | 7300 | 周末集合
industry | 新能源汽车产业研究 | v | 12000 | 装机量
industry | 启澜车友圈 | x | 3300 | 用车技巧
industry | 二手车鉴定师老段 | x | 56000 | 泡水车怎么看
industry | 美妆成分党 | v | 210000 | 防晒测评
dealer | 星海启澜汽车销售服务有限公司 | - | - | 节日不打烊
dealer | 启澜汽车星海北环店 | x | 130 | 到店有礼
dealer | 陵川海鸥手机体验店 | x | 96 | 新品预约
dealer | 启澜小陆专业卖车 | x | 540 | 本月优惠
dealer | 秦北通达名车 | x | 220 | 准新车
dealer | 小何 | x | 33 | 启澜L6现车到店，优惠两万，置换补贴五千，感兴趣的私信我，电话13700000000
dealer | 老高手机维修 | x | 120 | 换屏换电池
dealer | 天天 | x | 18 | 本店承接各类车型改装，欢迎来电
brand | 启澜汽车星海服务 | v | 8700 | 关怀活动
brand | 海鸥官方旗舰店 | v | 350000 | 预售
brand | 飞雁航空客服 | v | 67000 | 航班动态
brand | 海鸥影像 | v | 120000 | 摄影大赛
brand | 金穗食品有限公司 | v | 9800 | 声明
brand | 星海银行官方微博 | v | 430000 | 提醒
staff | 深海 | x | 21 | 我就是海鸥的员工，这次调薪没有我们组
staff | 小马 | x | 98 | 在启澜干了五年，今天提了离职
staff | 木木 | x | 45 | 我在启澜工厂上班，这批件我们返工过
staff | 海鸥内部员工爆料 | x | 610 | 先看再说
staff | 匿名用户 | - | - | 本人在海鸥手机做测试工程师，说说真实情况
staff | 启澜小透明员工 | x | 57 | 打卡下班
bot | 用户4410293847 | x | 0 | 姐妹们冲，谁用谁知道，真的太好用了
bot | 豆花88392017 | x | 2 | 副业兼职，加V详聊，在家赚钱
bot | 小雅代开 | x | 12 | 各类票据，包过，先办事后付款
bot | ab7720193 | x | 0 | 点击链接领取红包，限时免费
bot | 星星互关 | x | 240 | 互关秒回
bot | 手机用户88201923 | x | 0 | #好物##启澜##海鸥##手机##汽车##种草##开箱##转发#
"""
)

LATEST = _cases(
    """
person | 南山南北海北 | - | - | 这代的座椅真不如上代
person | tony老师 | x | 640 | 今天剪了八个头
person | 小王子日记 | x | 310 | 存钱买车第三十天
person | 环卫工老张 | x | 55 | 凌晨四点的街
person | 报社实习生 | x | 130 | 第一天上班迷路了
person | 消防栓成精 | x | 420 | 又有人挡我
person | 全村的希望 | - | - | 刚提的车就亮故障灯，4S店说是正常现象
person | 张三丰 | v | 15000 | 书法作品一幅
person | 公司门口的流浪狗 | x | 87 | 谁家的
person | 车车车车 | x | 34 | 有没有推荐的脚垫
person | 快乐星球台长 | x | 210 | 周五快乐
person | 局外人 | x | 2600 | 看完了那本书
person | 孟警长家的猫 | x | 3300 | 今天拆家
person | 等公交的大爷 | x | 17 | 这趟车又晚点
person | 圈圈圆圆 | x | 9200 | 减肥第十天
person | 杨帆远航 | v | 7700 | 讲座海报
person | 店小二不二 | x | 65 | 打烊了
person | Emma在路上 | x | 1500 | 自驾第六天，油耗六个半
person | 天天向上0512 | x | 12 | 海鸥手机电池换一块多少钱
person | 记者站岗的夜晚 | x | 8 | 失眠
person | 阿俊 | - | - | 我们单位食堂换了承包商
person | 老白 | x | 230 | 销售私信我报价了，比官网便宜三千，靠谱吗
person | 米米 | x | 19 | 海鸥手机的工程师上门检查了，说没问题
person | 大漠 | x | 74 | 听内部员工说下个月降价，真的假的
person | 橙子 | x | 48 | 强烈推荐这家面馆
person | 飞飞 | x | 61 | 客服让我加微信处理，加了又不回
media | 湖东晨刊 | v | 310000 | 今日导读
media | 岭上传媒 | v | 88000 | 直播回放
media | 四方资讯台 | v | 64000 | 早间信息
media | 湖东广电新闻 | v | 120000 | 民生
media | 经济瞭望报 | v | 220000 | 独家报道
media | 岭上生活网 | v | 45000 | 本地消息
media | 财经夜读 | v | 510000 | 市场复盘
media | 青橙视频 | v | 930000 | 现场画面曝光
media | 湖东交通台 | - | - | 路况
media | 环海时讯 | v | 76000 | 国际要闻
official | 湖东市应急局 | v | 8800 | 预警
official | 岭上警事 | v | 67000 | 案情
official | 湖东城市管理 | v | 12000 | 整治
official | 平安岭上 | - | - | 防骗
official | 岭上区卫生健康局 | v | 7100 | 接种
official | 湖东反诈 | v | 34000 | 骗局
official | 中国岭上 | v | 90000 | 政务公开
official | 湖东市消费维权中心 | v | 5200 | 消费提示
official | 岭上人社 | v | 13000 | 招聘会
official | 湖东高速 | v | 41000 | 路况管制
industry | 一哥说机 | x | 67000 | 上手体验
industry | 车主指南针 | v | 33000 | 保养周期表
industry | 硬核拆车坊 | v | 240000 | 拆给你看
industry | 手机参数控 | x | 14000 | 曝光新机
industry | 海鸥社区 | - | 28000 | 固件下载
industry | 汽车洋葱圈 | v | 190000 | 行业快评
industry | 电动星球 | v | 270000 | 充电测试
industry | 湖东车友俱乐部 | x | 2100 | 活动召集
industry | 家电老兵 | x | 52000 | 冰箱选购
industry | 奶爸评车 | x | 7600 | 安全座椅接口
dealer | 湖东启澜旗舰店 | - | - | 试驾
dealer | 岭上众诚汽车 | x | 320 | 贷款购车
dealer | 海鸥授权服务中心岭上店 | x | 110 | 换电池
dealer | 启澜湖东销售王磊 | x | 230 | 本月冲量
dealer | 岭上轮胎批发 | x | 88 | 到货
dealer | 阿龙 | x | 44 | 店里新到一批启澜，价格可谈，欢迎到店看车，电话0571-88888888
dealer | 花花 | x | 70 | 海鸥手机现货，以旧换新，全款分期都行，私信我
dealer | 湖东二手手机回收 | x | 150 | 高价收
brand | 启澜汽车招聘 | v | 12000 | 校招启动
brand | 海鸥 | v | 3100000 | 新品
brand | 沁泉矿泉水官微 | v | 34000 | 有奖
brand | 北斗星辰股份有限公司 | - | - | 公告
brand | 乐途旅行客户服务 | v | 22000 | 已受理
brand | 启澜服务 | - | - | 您好
staff | 落叶 | x | 31 | 本人在启澜研发工作，标定时间被压缩了一半
staff | 海鸥在职员工吐槽 | x | 15 | 周报写不完
staff | 晴天 | x | 27 | 上周刚从海鸥手机离职，品控没人管
staff | 咸鱼 | x | 66 | 我们车间都知道，启澜那批螺栓有问题
staff | 无名 | - | - | 身为启澜老员工，心寒
staff | 七月 | x | 90 | 在海鸥上了三年班，说点实话
bot | 用户7719203948 | x | 0 | 限时免费领，戳链接，名额有限
bot | 发财猫99281730 | x | 5 | 网赚项目，日入过千，扫码
bot | 用户2039481726 | x | 1 | 启澜真的不踩雷，良心推荐，赶紧入手
bot | 涨粉工作室 | x | 80 | 刷赞刷评论
bot | vip88273619 | x | 0 | 开户送彩金
bot | 小甜甜 | x | 3 | #抽奖##红包##热门##转发##关注##互动##福利#
"""
)
