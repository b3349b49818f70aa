"""Addresses that somebody may give to send the import where it must not go. Names are invented."""

# ruff: noqa: E501 - addresses are written as they are, side by side

from __future__ import annotations

PUBLIC = "93.184.215.14"
"""Where every name leads that is not among `LEADS`: the address of an example site; nothing is ever sent there."""
INNER = "10.0.0.7"

REFUSED_AS_WRITTEN = (
    # other schemes
    "file:///etc/passwd", "file://paper.example/etc/passwd", "gopher://paper.example:70/_GET%20/", "data:text/html,<h1>x</h1>", "dict://paper.example/d:x",
    "ftp://paper.example/a", "javascript:alert(1)", "ldap://paper.example/", "jar:https://paper.example/a!/b", "ws://paper.example/", "blob:https://paper.example/1",
    "view-source:https://paper.example/", "about:blank", "//paper.example/a", "https:paper.example/a", "https:/paper.example/a", "https:\\\\paper.example\\a", "https://",
    "https:///etc/passwd", "http+unix://%2Frun%2Fdocker.sock/info",
    # this machine and those beside it, in every way of writing
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
    "http://0x7f.0x0.0x0.0x1/", "http://127.0.0.1./", "http://0/", "http://0.0.0.0/", "http://00000177.1/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:a9fe:a9fe]/", "http://[fe80::1%25eth0]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://169.254.169.254/latest/meta-data/", "http://2852039166/latest/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://[fd00:ec2::254]/",
    "http://10.0.0.7/", "http://192.168.1.1/admin", "http://172.16.0.1/", "http://8.8.8.8/", "http://%31%32%37.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/",
    "http://\u2460\u2461\u2466.0.0.1/", "http://127\u30020\u30020\u30021/", "http://localhost/", "http://LOCALHOST/", "http://a.localhost/", "http://localhost.localdomain/",
    "http://localhost./", "http://printer/", "http://printer.local/", "http://metadata.google.internal/computeMetadata/v1/", "http://wiki.intranet/", "http://nas.lan/",
    "http://x.onion/", "http://1.0.0.127.in-addr.arpa/",
    # users, ports, and what makes one host look like another
    "https://user@paper.example/", "https://user:secret@paper.example/", "https://paper.example@10.0.0.7/", "https://paper.example:443@127.0.0.1/", "https://paper.example%40127.0.0.1/",
    "https://127.0.0.1#@paper.example/", "https://127.0.0.1?@paper.example/", "https://paper.example\\@127.0.0.1/", "https://127.0.0.1\\@paper.example/", "https://paper.example:22/",
    "https://paper.example:8080/", "https://paper.example:80/", "http://paper.example:443/", "https://paper.example:0443x/", "https://paper.example:-1/", "https://paper.example:99999999999/",
    "https://paper.example:/", "https://paper.example:443:443/", "https://paper.example /a", "https://paper.example/a b", "https://paper.example/\r\nHost: inner.example",
    "https://paper.example\r\n.evil.example/", "https://paper.example\t/", "https://paper.example/\x00", "https://paper\u2024example/", "https://\u043faper.example/", "https://pa\u00adper.example/",
    "https://paper..example/", "https://.paper.example/", "https://-paper.example/", "https://pa_per.example/", "https://paper.example\u2100.evil.example/", "https://*.example/",
    f"https://{'a' * 64}.example/", f"https://{'a.' * 130}example/", f"https://paper.example/{'a' * 3_000}", "https://paper.example/\ud800", "https://paper.example/\u2028x y",
)  # fmt: skip
"""Nothing is even resolved for these."""

LEADS = {
    "loopback.example": ("127.0.0.1",), "loopback-high.example": ("127.255.255.254",), "any.example": ("0.0.0.0",), "ten.example": (INNER,), "b.example": ("172.31.255.255",),
    "c.example": ("192.168.0.1",), "link.example": ("169.254.169.254",), "shared.example": ("100.64.0.1",), "vendor.example": ("100.100.100.200",), "host.example": ("168.63.129.16",),
    "protocol.example": ("192.0.0.192",), "docs.example": ("192.0.2.1",), "bench.example": ("198.18.0.1",), "multicast.example": ("224.0.0.1",), "reserved.example": ("240.0.0.1",),
    "broadcast.example": ("255.255.255.255",), "relay.example": ("192.88.99.1",), "six.example": ("::1",), "six-any.example": ("::",), "mapped.example": ("::ffff:127.0.0.1",),
    "mapped-public.example": ("::ffff:8.8.8.8",), "compatible.example": ("::127.0.0.1",), "link6.example": ("fe80::1",), "scoped.example": ("fe80::1%eth0",), "unique.example": ("fd00:ec2::254",),
    "site.example": ("fec0::1",), "multicast6.example": ("ff02::1",), "nat64.example": ("64:ff9b::7f00:1",), "nat64-meta.example": ("64:ff9b::a9fe:a9fe",), "nat64-local.example": ("64:ff9b:1::a00:7",),
    "teredo.example": ("2001:0:7f00:1::",), "sixtofour.example": ("2002:7f00:1::",), "docs6.example": ("2001:db8::1",), "orchid.example": ("2001:20::1",), "discard.example": ("100::1",),
    "both.example": (PUBLIC, INNER), "both-turned.example": (INNER, PUBLIC), "both6.example": (PUBLIC, "::1"), "many.example": (*(f"93.184.215.{n}" for n in range(1, 20)), "127.0.0.1"),
    "nowhere.example": (), "no-address.example": ("paper.example",), "octal.example": ("0177.0.0.1",),
}  # fmt: skip
"""Names whose addresses must not be asked; nothing is connected to for these."""

REDIRECTS = (
    "http://127.0.0.1/", "https://10.0.0.7/", "https://ten.example/", "https://link.example/latest/meta-data/", "https://both.example/", "//ten.example/", "file:///etc/passwd",
    "gopher://paper.example/", "data:text/html,x", "javascript:alert(1)", "https://user:secret@paper.example/", "https://paper.example:8443/", "https://2130706433/",
    "http://paper.example/open", "https://[::1]/", "https://localhost/", "\\\\ten.example\\a", "https://paper.example\\@10.0.0.7/", "https://pap\u00e9r.example/", "https:\\\\10.0.0.7/",
    "ldap://ten.example/", "https://[", "//[", "https://paper.example:abc/",
)  # fmt: skip
"""Where an answer of a public site leads that must not be followed."""
