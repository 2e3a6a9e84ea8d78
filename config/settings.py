"""The settings of the program, read once from the environment or a ``.env`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PUBLIC_WECOM = "https://qyapi.weixin.qq.com"
_HERE = Path(__file__).resolve().parent


class Settings(BaseSettings):
    """One frozen object; every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    qunguan_data_dir: Path = Field(Path("var"), description="数据文件夹")
    qunguan_config_dir: Path = Field(_HERE, description="规则、词表、阈值所在的文件夹")
    qunguan_templates_dir: Path = Field(_HERE.parent / "templates", description="话术所在的文件夹")
    qunguan_host: str = Field("127.0.0.1", description="网页监听地址")
    qunguan_port: int = Field(8080, ge=1, le=65535, description="网页端口")
    qunguan_secret_key: SecretStr = Field(SecretStr(""), description="加密静态个人信息、签名会话")
    qunguan_secret_key_before: SecretStr = Field(
        SecretStr(""), description="更换 QUNGUAN_SECRET_KEY 时,原来的那一个"
    )
    qunguan_cipher: Literal["aes", "sm4"] = Field("aes", description="落盘加密:aes 或 sm4")
    qunguan_api_token: SecretStr = Field(
        SecretStr(""), description="JSON 接口的令牌;不设则接口关闭"
    )
    qunguan_public_url: str = Field("", description="客户和员工访问网页的地址")
    qunguan_clock: str = Field("system", description="时钟:system,或 2026-12-01T08:55:00+08:00@60")
    qunguan_log_level: str = Field(
        "info", pattern="(?i)^(debug|info|warning|error)$", description="日志级别"
    )
    qunguan_model_url: str = Field("", description="行内语言模型的地址(OpenAI 兼容);不设则不用")
    qunguan_model_key: SecretStr = Field(SecretStr(""), description="它的令牌")
    qunguan_model_name: str = Field("", description="它的名称")
    qunguan_doubts: Literal["off", "on"] = Field("off", description="用从改正学来的怀疑:off 或 on")
    database_url: str = Field("", description="不设用内置存储;postgresql:// 用于多机")
    redis_url: str = Field("", description="不设用内置队列;redis:// 用于多机")
    wecom_base_url: str = Field(PUBLIC_WECOM, description="企业微信接口地址")
    wecom_corp_id: str = Field("", description="企业 ID")
    wecom_agent_id: int = Field(0, description="自建应用 AgentId")
    wecom_agent_secret: SecretStr = Field(SecretStr(""), description="自建应用 Secret")
    wecom_contact_secret: SecretStr = Field(
        SecretStr(""), description="客户联系 Secret;不设用应用的"
    )
    wecom_kf_secret: SecretStr = Field(SecretStr(""), description="微信客服 Secret;不设用应用的")
    wecom_callback_token: SecretStr = Field(SecretStr(""), description="应用回调 Token")
    wecom_callback_aes_key: SecretStr = Field(SecretStr(""), description="应用回调 EncodingAESKey")
    wecom_callback_token_contacts: SecretStr = Field(SecretStr(""), description="通讯录回调 Token")
    wecom_callback_aes_key_contacts: SecretStr = Field(
        SecretStr(""), description="通讯录回调 EncodingAESKey"
    )
    wecom_callback_token_archive: SecretStr = Field(SecretStr(""), description="存档回调 Token")
    wecom_callback_aes_key_archive: SecretStr = Field(
        SecretStr(""), description="存档回调 EncodingAESKey"
    )
    wecom_callback_token_kf: SecretStr = Field(SecretStr(""), description="微信客服回调 Token")
    wecom_callback_aes_key_kf: SecretStr = Field(
        SecretStr(""), description="微信客服回调 EncodingAESKey"
    )
    wecom_archive_secret: SecretStr = Field(SecretStr(""), description="会话内容存档 Secret")
    wecom_archive_keys_dir: Path | None = Field(
        None, description="存档私钥文件夹,文件名 <publickey_ver>.pem"
    )
    wecom_archive_relay_url: str = Field("", description="存档中继地址;不设则在本机用 SDK")
    wecom_archive_relay_token: SecretStr = Field(SecretStr(""), description="存档中继令牌")

    @property
    def database_place(self) -> Path | str:
        """The file of the embedded store, or the address of PostgreSQL."""
        return self.database_url or self.qunguan_data_dir / "qunguan.db"

    @property
    def doubts_file(self) -> Path:
        """What was learnt from corrections."""
        return self.qunguan_data_dir / "doubts.json"

    @property
    def erasures_file(self) -> Path:
        """Who was erased, for after a restore."""
        return self.qunguan_data_dir / "erased"

    @property
    def clock_file(self) -> Path:
        """Moves the clock while running."""
        return self.qunguan_data_dir / "clock"

    def callback_secrets(self, source: str) -> tuple[str, str]:
        """Token and AES key of a callback source; a missing one falls back to the app's."""
        own = (
            getattr(self, f"wecom_callback_token_{source}", self.wecom_callback_token),
            getattr(self, f"wecom_callback_aes_key_{source}", self.wecom_callback_aes_key),
        )
        return (
            own[0].get_secret_value() or self.wecom_callback_token.get_secret_value(),
            own[1].get_secret_value() or self.wecom_callback_aes_key.get_secret_value(),
        )
