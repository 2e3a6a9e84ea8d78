"""A config folder of a few rules that no change of the shipped ones touches."""

from __future__ import annotations

from pathlib import Path

WORDS = """\
bank: {工商银行: 工行}
held: {time_deposit: 定期}
arrive: 到账 下来
child: 孩子
outsider: 我朋友 我同事
_currencies: {USD: 美元 美金}
"""
FRAMES = """\
frames:
  - {id: inflow.arrive, type: cash.inflow, take: [amount, date, source], need: [amount, date],
     any: ['(款|钱)~9{arrive}']}
  - {id: inflow.general, type: cash.inflow, take: [amount], need: [amount], confidence: 0.68,
     any: ['(款|钱)~6到']}
  - {id: outflow.expense, type: cash.outflow, take: [amount], need: [amount],
     any: ['交(定金|学费)'], never: ['涨到']}
  - {id: other_bank.has, type: holding.other_bank, take: [amount, date, product], need: [amount],
     any: ['{bank>bank}~6有~9'], beats: [maturity.ours]}
  - {id: maturity.ours, type: holding.maturity, take: [amount, date], need: [date],
     any: ['到期']}
  - {id: children.count, type: family.children, any: ['有{num>count}个{child}']}
  - {id: birthday.mine, type: person.birthday, any: ['我农历~4生'], near: ['{num}月']}
  - {id: product.deposit, type: product.interest, value: {product: time_deposit},
     any: ['三年利息~3多少'], unless: ['贷']}
  - {id: opt_out, type: consent.opt_out, value: {scope: marketing}, any: ['别再?给我发广告']}
  - {id: gold.maybe, type: product.interest, value: {product: gold}, any: ['金豆'],
     confidence: 0.5, version: 3}
guards:
  - {id: other, scope: lead, not_types: [consent.opt_out], any: ['^{outsider}']}
"""


def write_small_rules(config: Path) -> Path:
    """Put the rules below a folder."""
    for name, text in (("lexicon/words.yaml", WORDS), ("rules/frames.yaml", FRAMES)):
        file = config / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return config
