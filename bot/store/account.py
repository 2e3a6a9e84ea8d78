"""Everything that can be said about a message, out of one query (U2).

Who wrote it, who approved it, why this customer, by which consent, by which rules, and what the
channel answered: each is a row of one ordered account.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.store.db import Db, Row

PARTS = ("written", "approved", "chosen", "consent", "decided", "sent", "answered")
"""The parts of an account in their order; each may have several rows."""

# The version whose words a task carries, else the one it was planned for. A text without a
# version row is one that the release pins, and the release is its author and its approval.
_ACCOUNT = """
WITH asked AS (
  SELECT p.*, t.status AS task_status, t.wecom_msgid, t.reason AS task_reason, t.called_at,
    t.accepted_at, t.created_at AS tasked_at, v.id AS version_id, v.author,
    v.created_at AS written_at, coalesce(nullif(t.version, ''), p.version) AS stamp
  FROM push p LEFT JOIN send_task t ON t.id = p.task_id
  LEFT JOIN campaign_version v ON v.name = p.campaign
    AND v.stamp = coalesce(nullif(t.version, ''), p.version)
  WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
)
SELECT id AS push_id, 1 AS part, written_at AS at, coalesce(author, 'release') AS who,
  campaign AS what, stamp AS detail FROM asked
UNION ALL
SELECT q.id, 2, a.at, a.actor, a.vote, a.duty FROM asked q
  JOIN approval a ON a.version_id = q.version_id
UNION ALL
SELECT id, 2, NULL, 'release', 'approve', stamp FROM asked WHERE version_id IS NULL
UNION ALL
SELECT id, 3, due_at, sender, occasion, cycle || ' ' || step FROM asked
UNION ALL
SELECT q.id, 3, s.at, '', 'by_rule', q.inputs || ' ' || s.rule FROM asked q
  JOIN selection s ON s.id = q.selection_id WHERE q.inputs <> '[]'
UNION ALL
SELECT q.id, 3, b.at, '', 'offer', b.offer_code FROM asked q
  JOIN benefit b ON b.push_id = q.id WHERE b.status <> 'free'
UNION ALL
SELECT q.id, 4, c.at, c.employee, c.purpose,
    c.channel || ' ' || c.proof || CASE WHEN c.notice_version = '' THEN ''
      ELSE ' notice:' || c.notice_version END FROM asked q
  JOIN consent c ON c.external_userid = q.external_userid AND c.purpose = 'marketing'
  WHERE q.purpose <> 'service' AND c.at <= coalesce(q.tasked_at, q.changed_at)
    AND NOT EXISTS (SELECT 1 FROM consent n WHERE n.external_userid = c.external_userid
      AND n.purpose = c.purpose AND n.at > c.at AND n.at <= coalesce(q.tasked_at, q.changed_at))
UNION ALL
SELECT id, 4, NULL, '', 'service', '' FROM asked WHERE purpose = 'service'
UNION ALL
SELECT q.id, 5, d.at, 'gate', d.answer, d.rules FROM asked q JOIN decision d ON d.push_id = q.id
UNION ALL
SELECT id, 6, coalesce(accepted_at, called_at, tasked_at), sender, task_status,
  coalesce(wecom_msgid, '') FROM asked WHERE task_status IS NOT NULL
UNION ALL
SELECT id, 7, coalesce(confirmed_at, changed_at), 'wecom', status,
  coalesce(reason, task_reason, '') FROM asked
ORDER BY push_id, part, at NULLS FIRST
"""


def account(db: Db, push_ids: Iterable[int]) -> dict[int, list[Row]]:
    """The accounts of some pushes, each in the order of ``PARTS``.

    Columns: ``part`` (its place in ``PARTS``, from 1), ``at`` (epoch milliseconds, NULL where
    the release stands for it), ``who`` (userid, ``release``, ``gate`` or ``wecom``), ``what``
    (a slug), ``detail``.
    """
    wanted = list(push_ids)
    found: dict[int, list[Row]] = {push_id: [] for push_id in wanted}
    for row in db.rows(_ACCOUNT, ids=json.dumps(wanted)):
        found[row["push_id"]].append(row)
    return found
