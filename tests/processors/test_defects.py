"""Parts and faults are put together as the sentence has them."""

import pytest

from processors.defects import LIST, NO_DEFECTS, Defects, defects_of
from processors.fold import fold
from processors.word_batches import Scanner, batches_of


def find_defects(text: str) -> Defects:
    [texts] = batches_of([text])
    batch = Scanner(LIST).scan(texts)
    return defects_of(batch, batch.found[0]).get(0, NO_DEFECTS)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("变速箱异响", ("变速箱:异响",)),
        ("變速箱異響", ("变速箱:异响",)),
        ("发动机冷车启动时有明显的抖动", ("发动机:抖动",)),
        ("发动机抖动，刹车异响", ("发动机:抖动", "制动:异响")),
        ("断裂的摆臂", ("底盘:开裂",)),
        ("漆面开裂起泡", ("车漆:开裂", "车漆:掉漆")),
        ("变速箱没有异响", ()),
        ("天窗不漏水", ()),
        ("换了变速箱。楼上装修有异响", ()),
        ("新车就烧机油", ("发动机:烧机油",)),
        ("报故障码P0171，怠速抖动", ("故障码:P0171", "发动机:抖动")),
        ("型号XP0171", ()),
        ("P017", ()),
        ("异响", ()),
        ("天气真好", ()),
    ],
)
def test_a_fault_belongs_to_the_nearest_part(text: str, named: tuple[str, ...]) -> None:
    assert sorted(find_defects(fold(text)).named) == sorted(named)


def test_a_list_of_faults_has_an_end() -> None:
    parts = "发动机 变速箱 离合器 方向盘 刹车 底盘 轮胎 车门 天窗 大灯 雨刮".split()

    assert len(find_defects("".join(f"{part}异响。" for part in parts)).named) == 8
