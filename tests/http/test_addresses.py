"""Which addresses may be called."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tokenworks.http.addresses import is_public, tls_context

PRIVATE = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1
169.254.169.254 169.254.0.1 100.64.0.1 100.127.255.254 192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1
198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:100.64.0.1 ::10.0.0.1 ::127.0.0.1
fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1 2001:db8::1 3fff::1 100::1 5f00::1
64:ff9b::10.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1::a00:1
2002:a00:1:: 2002:7f00:1::1 2002:a9fe:a9fe:: 2001:0:4136:e378:8000:63bf:f5ff:fffe 2001:10::1 2001:20::1
4000::1 e000::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 169.253.1.1
192.0.1.1 192.167.1.1 198.17.1.1 198.20.1.1 223.255.255.255
2606:4700:4700::1111 2a00:1450:4001:80b::200e 64:ff9b::8.8.8.8 ::ffff:8.8.8.8 2002:808:808::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_extra_roots_are_added_and_certificates_checked(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    plain, more = tls_context(None), tls_context(str(tmp_path / "roots.pem"))
    assert len(more.get_ca_certs()) == len(plain.get_ca_certs()) + 1
    for context in (plain, more):
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
