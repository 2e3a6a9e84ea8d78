"""What a sandbox is told: the corp's ids and secrets, and how to hand them to a bot."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_letters, digits

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.clock import Clock, SystemClock
from bot.errors import Invalid

SOURCES = ("app", "contacts", "archive", "kf")
FAMILY_SOURCES = {
    "external_contact": "app",
    "external_chat": "app",
    "external_tag": "app",
    "app": "app",
    "contacts": "contacts",
    "archive": "archive",
    "kf": "kf",
}
"""Which of the bot's addresses hears which family of events, unless told otherwise."""


@dataclass(frozen=True)
class SandboxSettings:
    """The corp as the sandbox plays it.

    Attributes:
        archive_keys_dir: Folder of private keys ``<version>.pem``; the sandbox uses the public
            half.
        archive_version: Key version of new archive records.
        source_keys: Token and EncodingAESKey of a callback source that has its own.
        family_sources: Event family to callback source.
        token_life: Seconds of an access token (real, monotonic).
        dispatch_seconds: How long after creation a mass-send task answers 41063 (real).
        group_lag_seconds: How long after a change ``groupchat/get`` may still show the group as it
            was when it was last read (real; WeCom needs about 2 s).
        notify_seconds: At most one archive notification in this span (real). WeCom waits 15 s;
            a demo and tests want to see it sooner.
        staff_per_minute: Application messages a member may get in a minute; more are silently
            dropped.
        unanswered_consent: What the consent calls say of a customer who never answered;
            None leaves them out (the documentation does not tell).
        clock_file: Where ``/sandbox/api/clock`` writes; None: the clock cannot be moved.
    """

    corp_id: str = "ww0000000000000001"
    corp_name: str = "示范银行"
    agent_id: int = 1000002
    app_secret: str = "app-secret"  # noqa: S105  # a made-up corp's; generate() draws real ones
    contact_secret: str = "contact-secret"  # noqa: S105  # as above
    kf_secret: str = "kf-secret"  # noqa: S105  # as above
    archive_secret: str = "archive-secret"  # noqa: S105  # as above
    callback_token: str = "sandboxtoken"  # noqa: S105  # as above
    callback_aes_key: str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    source_keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    family_sources: dict[str, str] = field(default_factory=lambda: dict(FAMILY_SOURCES))
    archive_keys_dir: Path | None = None
    archive_version: int = 1
    relay_token: str = "relay-token"  # noqa: S105  # as above
    seed: int = 20261201
    clock: Clock = field(default_factory=SystemClock)
    clock_file: Path | None = None
    group_lag_seconds: float = 0.0
    token_life: int = 7200
    dispatch_seconds: float = 1.0
    notify_seconds: float = 1.0
    welcome_seconds: float = 20.0
    staff_per_minute: int = 30
    staff_per_hour: int = 1000
    unanswered_consent: str | None = "Disagree"

    @classmethod
    def generate(
        cls, folder: Path, clock: Clock | None = None, seed: int = 20261201
    ) -> SandboxSettings:
        """Draw fresh secrets and an archive key pair.

        Args:
            folder: Where ``archive-keys/1.pem`` is written (kept when it exists).
            clock: The world's clock; the machine's own by default.
            seed: Decides ids and faults.
        """
        keys = folder / "archive-keys"
        if not (keys / "1.pem").exists():
            write_archive_key(keys, 1)
        # 43 letters and digits, as the console draws it (its last character has two spare bits).
        aes = "".join(secrets.choice(ascii_letters + digits) for _ in range(43))
        return cls(
            app_secret=secrets.token_urlsafe(32),
            contact_secret=secrets.token_urlsafe(32),
            kf_secret=secrets.token_urlsafe(32),
            archive_secret=secrets.token_urlsafe(32),
            callback_token=secrets.token_hex(16),
            callback_aes_key=aes,
            archive_keys_dir=keys,
            relay_token=secrets.token_urlsafe(24),
            seed=seed,
            clock=clock or SystemClock(),
        )

    def with_clock(self, clock: Clock, clock_file: Path | None = None) -> SandboxSettings:
        """The same corp on another clock."""
        return replace(self, clock=clock, clock_file=clock_file)

    def callback_keys(self, source: str) -> tuple[str, str]:
        """Token and EncodingAESKey of one source."""
        return self.source_keys.get(source, (self.callback_token, self.callback_aes_key))

    def archive_public_keys(self) -> dict[int, rsa.RSAPublicKey]:
        """Public keys by version, from the folder; empty without one."""
        if self.archive_keys_dir is None:
            return {}
        return {
            int(file.stem): load_private_key(file).public_key()
            for file in sorted(self.archive_keys_dir.glob("*.pem"))
        }

    def bot_environment(self, base_url: str) -> dict[str, str]:
        """The bot's settings that wire it to a sandbox at ``base_url``."""
        wired = {
            "WECOM_BASE_URL": base_url,
            "WECOM_CORP_ID": self.corp_id,
            "WECOM_AGENT_ID": str(self.agent_id),
            "WECOM_AGENT_SECRET": self.app_secret,
            "WECOM_CONTACT_SECRET": self.contact_secret,
            "WECOM_KF_SECRET": self.kf_secret,
            "WECOM_CALLBACK_TOKEN": self.callback_token,
            "WECOM_CALLBACK_AES_KEY": self.callback_aes_key,
            "WECOM_ARCHIVE_SECRET": self.archive_secret,
            "WECOM_ARCHIVE_KEYS_DIR": str(self.archive_keys_dir or ""),
            "WECOM_ARCHIVE_RELAY_URL": f"{base_url}/relay",
            "WECOM_ARCHIVE_RELAY_TOKEN": self.relay_token,
        }
        for source, (token, aes_key) in self.source_keys.items():
            wired[f"WECOM_CALLBACK_TOKEN_{source.upper()}"] = token
            wired[f"WECOM_CALLBACK_AES_KEY_{source.upper()}"] = aes_key
        return wired


def write_archive_key(folder: Path, version: int) -> Path:
    """Make an RSA-2048 key pair and keep the private half as ``<version>.pem``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = folder / f"{version}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    file.chmod(0o600)
    return file


def load_private_key(file: Path) -> rsa.RSAPrivateKey:
    """Read one ``<version>.pem``."""
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Invalid(f"{file.name} 不是 RSA 私钥,请换成 RSA-2048 的 PEM 文件")
    return key
