"""What banks, clinics and marketplaces call; webhooks."""
