"""What the composition root may call: what an operator sets for a partner."""

from partner_api.service.limits import set_limit
from partner_api.service.webhooks import register_webhook

__all__ = ["register_webhook", "set_limit"]
