"""What banks, clinics and marketplaces call: signed data under consent, and word when it ends."""
