"""The check that an address which other hosts can reach is protected by tokens that cannot be guessed."""

from __future__ import annotations

from stream.http.server.bind_address import BindAddress
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig

LEAST_BYTES = 16
"""Length of a token off loopback. Guessing is slowed down, but not for an attacker with many addresses."""


def check_tokens(config: HttpConfig, address: BindAddress) -> None:
    """Raise `ConfigError` if other hosts can reach `address`, and no token is set or a token is too short.

    Tokens of the tokens file cannot be checked, because it holds only their digests.
    """
    if address.loopback:
        return
    given = {"http.read_token": config.read_token, "http.control_token": config.control_token}
    tokens = {name: token.get_secret_value() for name, token in given.items() if token is not None}
    if not any(tokens.values()) and config.tokens_file is None:
        raise ConfigError(
            f"http.bind: other hosts can reach {config.bind}, so /metrics and the API need a token: set "
            "http.read_token (PARTSTREAM_HTTP__READ_TOKEN) and, to change cameras from there, http.control_token, "
            "or http.tokens_file, or bind to 127.0.0.1"
        )
    for name, token in tokens.items():
        if 0 < len(token.encode("utf-8", "surrogatepass")) < LEAST_BYTES:
            raise ConfigError(
                f"{name}: other hosts can reach {config.bind} and could guess a token of fewer than {LEAST_BYTES} "
                "bytes: make a longer one with `openssl rand -hex 24`, or bind to 127.0.0.1"
            )
