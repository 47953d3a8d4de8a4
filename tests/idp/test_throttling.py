"""Guesses are counted by whoever makes them, not by each of the addresses that they have."""

import pytest

from idp.throttling import network_of


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_place(address: str, counted: str) -> None:
    assert network_of(address) == counted
