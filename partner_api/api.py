"""What the application may call: an operator's settings, and the description of our addresses."""

from partner_api.agencies.openapi import OPERATIONS as AGENCY_OPERATIONS
from partner_api.agencies.service.clients import (
    add_agency_client,
    add_agency_official_key,
    list_agency_clients,
    list_raised_alarms,
)
from partner_api.agencies.subjects import entry_subject
from partner_api.openapi import OPERATIONS as PARTNER_OPERATIONS
from partner_api.service.forgetting import forget_old
from partner_api.service.limits import set_limit
from partner_api.service.webhooks import register_webhook, replay_webhooks

OPERATIONS = {**PARTNER_OPERATIONS, **AGENCY_OPERATIONS}

__all__ = [
    "OPERATIONS",
    "add_agency_client",
    "add_agency_official_key",
    "entry_subject",
    "forget_old",
    "list_agency_clients",
    "list_raised_alarms",
    "register_webhook",
    "replay_webhooks",
    "set_limit",
]
