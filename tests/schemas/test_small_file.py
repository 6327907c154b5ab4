"""Small files: what is wrong with one is told in the reader's language."""

import errno
from pathlib import Path

import pytest

from schemas.language import use_language
from schemas.small_file import read_toml, unread, unwritten


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb 2", "第 2 行第 3 个字不合 TOML 的写法：名字后面缺 ="),
        ("a = 1\na = 2", "写了两次"),
        ("[a]\n[a]", "这张表写了两次"),
        ("a = [1, 2", "文件结尾不合 TOML 的写法：方括号没有合上"),
        ("a = {b = 1", "花括号没有合上"),
        ('a = "b', "引号没有合上"),
        ('a = """b', "引号没有合上"),
        ("a = 'b", "引号没有合上"),
        ('a = "b\nc = 1', "没合上引号就换行"),
        ('a = "\\d"', "反斜杠要写两个"),
        ("a = 比亚迪", "文字要用英文引号括起来"),
        ("a = “比亚迪”", "文字要用英文引号括起来"),
        ("a = 1 2", "每一项要单独一行"),
        ("[[rules]\n", "表名后面缺 ]"),
        ("名字 = 1", "中文名字要用引号括起来"),
        ("a = 2026-02-30", "不是有效的日期"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    use_language("zh")
    try:
        with pytest.raises(ValueError) as caught:
            read_toml(path)
    finally:
        use_language(None)

    assert told in str(caught.value)


def test_a_file_that_cannot_be_read_is_told_without_an_error_number(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as absent:
        read_toml(tmp_path / "absent.toml")
    with pytest.raises(IsADirectoryError) as folder:
        read_toml(tmp_path)

    assert unread(absent.value) == "没有这个文件，请检查路径"
    assert unread(folder.value) == "这是目录，不是文件"
    assert unread(OSError(5, "Input/output error")) == "Input/output error"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(), "没有这个文件夹"),
        (IsADirectoryError(), "这是文件夹，不是文件"),
        (FileExistsError(), "这是文件，不是文件夹"),
        (PermissionError(), "没有权限"),
        (OSError(errno.ENOSPC, "No space left on device"), "磁盘满了"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_why_a_file_cannot_be_written_is_half_a_sentence(error: OSError, told: str) -> None:
    assert unwritten(error).startswith(told)
