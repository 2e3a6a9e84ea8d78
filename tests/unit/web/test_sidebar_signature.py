"""The signature of the sidebar's page is the platform's."""

from __future__ import annotations

from bot.web.sidebar import signature


def test_the_published_vector_of_90506_is_met() -> None:
    ticket = (
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    )
    expected = "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
    url = "http://mp.weixin.qq.com?params=value"
    assert expected == signature(ticket, "Wm3WZYTPz0wzccnW", "1414587457", url)
