"""What the application may call: an operator's settings, and the description of our addresses."""

from partner_api.openapi import OPERATIONS
from partner_api.service.limits import set_limit
from partner_api.service.webhooks import register_webhook

__all__ = ["OPERATIONS", "register_webhook", "set_limit"]
