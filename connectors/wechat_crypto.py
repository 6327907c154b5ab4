"""WeChat's signatures and its encrypted mode; WeCom uses the same with its corporation id.

AES-256-CBC over 16 random bytes, the length (big-endian, 32 bits), the message and the receiver's
id, filled up to blocks of 32 bytes; the key's first 16 bytes are the initialisation vector.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Annotated

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import AfterValidator, SecretStr

from schemas.language import say

__all__ = ["AesKey", "Crypto", "IdSecret", "keyed_hash", "same", "sign"]

_BLOCK = 32
_RANDOM = 16
_LENGTH = 4


def sign(*parts: str) -> str:
    """SHA-1 over the sorted parts (token, timestamp, nonce and what is encrypted), in hex."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def same(signature: str, expected: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(signature.encode(errors="replace"), expected.encode())


def keyed_hash(secret: SecretStr, native_id: str) -> str:
    """An id in place of a person's: the same for the same person, of no use without the secret."""
    key = secret.get_secret_value().encode()
    return hmac.new(key, native_id.encode(errors="replace"), hashlib.sha256).hexdigest()[:32]


class Crypto:
    """Encrypts and decrypts for one receiver: an app id, or WeCom's corporation id.

    Raises:
        ValueError: no such key.
    """

    def __init__(self, encoding_aes_key: str, receiver: str) -> None:
        key = _key(encoding_aes_key)
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._receiver = receiver.encode()

    def encrypt(self, message: bytes, random: bytes | None = None) -> str:
        """Base64 of the encrypted message; ``random`` are 16 bytes, for tests."""
        start = random if random is not None else secrets.token_bytes(_RANDOM)
        plain = start + len(message).to_bytes(_LENGTH, "big") + message + self._receiver
        fill = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher.encryptor()
        sealed = encryptor.update(plain + bytes([fill]) * fill) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def decrypt(self, encrypted: str) -> bytes:
        """The message.

        Raises:
            ValueError: encrypted with another key or for another receiver, or damaged.
        """
        try:
            sealed = base64.b64decode(encrypted, validate=True)
            decryptor = self._cipher.decryptor()
            plain = decryptor.update(sealed) + decryptor.finalize()
        except ValueError as error:
            raise ValueError(_damaged()) from error
        fill = plain[-1] if plain else 0
        if not 1 <= fill <= _BLOCK or plain[-fill:] != bytes([fill]) * fill:
            raise ValueError(_damaged())
        content = plain[_RANDOM:-fill]
        length = int.from_bytes(content[:_LENGTH], "big")
        message, receiver = content[_LENGTH : _LENGTH + length], content[_LENGTH + length :]
        if len(content) < _LENGTH + length:
            raise ValueError(_damaged())
        if not hmac.compare_digest(receiver, self._receiver):
            raise ValueError(
                say(
                    "消息是发给另一个 app_id / corp_id 的；请检查设置。",
                    "the message is meant for another app_id or corp_id; check the settings.",
                )
            )
        return message


def _key(encoding_aes_key: str) -> bytes:
    try:
        key = base64.b64decode(encoding_aes_key + "=", validate=True)
    except ValueError:
        key = b""
    if len(encoding_aes_key) != 43 or len(key) != 32:
        raise ValueError(
            say(
                "EncodingAESKey 应为 43 个字母和数字，请从公众平台复制。",
                "an EncodingAESKey has 43 letters and digits; copy it from the platform's console.",
            )
        )
    return key


def _checked_key(value: SecretStr) -> SecretStr:
    _key(value.get_secret_value())
    return value


def _checked_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError(
            say("至少需要 16 个字符。", "it needs 16 characters at least."),
        )
    return value


def _damaged() -> str:
    return say(
        "消息无法解密；请检查 encoding_aes_key。",
        "the message can't be decrypted; check encoding_aes_key.",
    )


AesKey = Annotated[SecretStr, AfterValidator(_checked_key)]
IdSecret = Annotated[SecretStr, AfterValidator(_checked_secret)]
