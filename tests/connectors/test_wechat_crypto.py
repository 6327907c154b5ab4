import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.wechat_crypto import Crypto, keyed_hash, same, sign

# The worked example of the protocol: invented token, key and app id.
TOKEN = "tok"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP = "wx1234567890abcdef"
RANDOM = b"0123456789abcdef"
MESSAGE = "<xml><Content>hi</Content></xml>"
SEALED = (
    "Q3stYC6hdFzMh9T8HCvyDCEPX2Akqj/gygI/6v/7fonvwELc/mZ525i/WoR+zYxuy64rMLYSmhhsI2cfGgsMNmyaJtLG"
    "1pLQ7mloifM2k9uHTzWlPHzuT6p9ons4Beg3"
)


def test_the_plain_signature() -> None:
    assert sign(TOKEN, "1700000000", "abc") == "94cf9598733743e189a0e21e9ce5c9456591a0ff"


def test_the_encrypted_mode_byte_for_byte() -> None:
    crypto = Crypto(KEY, APP)

    assert crypto.encrypt(MESSAGE.encode(), RANDOM) == SEALED
    assert crypto.decrypt(SEALED) == MESSAGE.encode()
    signature = sign(TOKEN, "1700000000", "nonce1", SEALED)
    assert signature == "97b7c542458434f83d4a3bc178bdb7c50c6cbc9b"


@pytest.mark.parametrize("length", [0, 1, 10, 11, 12, 43, 44, 1_000])
def test_what_was_encrypted_is_decrypted(length: int) -> None:
    crypto = Crypto(KEY, APP)
    message = ("云帆" * length).encode()[:length]

    assert crypto.decrypt(crypto.encrypt(message)) == message


@pytest.mark.parametrize(
    ("encrypted", "says"),
    [
        ("", "无法解密"),
        ("不是base64", "无法解密"),
        ("AAAA", "无法解密"),
        ("A" * 64, "无法解密"),
        (SEALED[:-8] + "AAAAAAA=", "无法解密"),
        (Crypto("G" * 43, APP).encrypt(b"hi", RANDOM), "无法解密"),
        (Crypto(KEY, "wx-of-another").encrypt(b"hi", RANDOM), "另一个"),
        (Crypto(KEY, "").encrypt(b"hi", RANDOM), "另一个"),
    ],
)
def test_what_is_not_for_us_is_refused(encrypted: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Crypto(KEY, APP).decrypt(encrypted)


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY[:-1] + "!", "密" * 43])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="43"):
        Crypto(key, APP)


def test_signatures_are_compared_whatever_a_stranger_sends() -> None:
    good = sign(TOKEN, "1", "2")

    assert same(good, good)
    assert not any(same(bad, good) for bad in ("", good[:-1], good.upper(), "签名", "\ud800"))


def test_a_person_has_one_id_per_secret() -> None:
    first = keyed_hash(SecretStr("secret of ours 1"), "oABC")

    assert first == keyed_hash(SecretStr("secret of ours 1"), "oABC")
    assert first != keyed_hash(SecretStr("secret of ours 2"), "oABC")
    assert first != keyed_hash(SecretStr("secret of ours 1"), "oABD")
    assert "oABC" not in first
    assert len(first) == 32


# --- the vectors of other projects' test suites, skipped where they are absent -------------------


@pytest.fixture
def vectors(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "wechat/vectors.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_every_recorded_signature(vectors: dict[str, Any]) -> None:
    assert len(vectors["plain_signature"]) == 2
    for one in vectors["plain_signature"]:
        expected = sign(one["token"], one["timestamp"], one["nonce"])
        assert same(one["signature"], expected) is one["valid"]


def test_every_recorded_encryption(vectors: dict[str, Any]) -> None:
    assert [one["kind"] for one in vectors["encrypted"]] == ["echostr", "message", "reply"]
    for one in vectors["encrypted"]:
        crypto = Crypto(one["encoding_aes_key"], one.get("receiver", one["appid"]))
        signed = sign(one["token"], one["timestamp"], one["nonce"], one["encrypt"])
        assert signed == one["msg_signature"]
        assert crypto.decrypt(one["encrypt"]) == one["plain"].encode()
        if "random_prefix" in one:
            sealed = crypto.encrypt(one["plain"].encode(), one["random_prefix"].encode())
            assert sealed == one["encrypt"]
