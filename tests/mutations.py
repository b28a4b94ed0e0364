"""Feeds out of a seed: whole ones in every format and with every habit, and broken ones.

The same seed gives the same feeds on every machine.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

WORDS = [
    "missile", "launch", "border", "troops", "ceasefire", "bank", "strike", "harbour", "minister", "parliament",
    "ракета", "санкции", "правительство", "북한", "미사일", "発射", "地震", "制裁", "الحكومة", "ضربة", "ยิงขีปนาวุธ",
    "प्रधानमंत्री", "Überfall", "año", "première", "朝鲜", "导弹",
]  # fmt: skip
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/", "content": "http://purl.org/rss/1.0/modules/content/",
    "media": "http://search.yahoo.com/mrss/", "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "atom": "http://www.w3.org/2005/Atom", "slash": "http://purl.org/rss/1.0/modules/slash/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/", "own": "https://own.example/ns",
}  # fmt: skip
FORMATS = ("rss091", "rss20", "rdf", "atom03", "atom10")
_START = datetime(2026, 11, 1, tzinfo=UTC)


def feed(form: str, entries: int, chance: random.Random, length: int = 60) -> bytes:
    """A well-formed feed of a format; the longest text of an entry has about `length` words."""
    make = {"atom10": _atom_entry, "atom03": _atom_entry}.get(form, _rss_item)
    items = [make(form, number, chance, length) for number in range(entries)]
    title = f"<title>{_text(chance, 3)}</title>"
    if not form.startswith("rss"):
        return _document(form, title, items)
    image = f"<image><url>http://p.example/i.png</url>{title}<link>http://p.example/</link></image>"
    wishes = "<ttl>30</ttl><sy:updatePeriod>daily</sy:updatePeriod>" if chance.random() < 0.3 else ""
    head = [title, image, "<link>http://p.example/</link>", "<language>en-us</language>", wishes]
    head += ['<atom:link href="http://p.example/feed" rel="self" type="application/rss+xml"/>']
    chance.shuffle(head)
    return _document(form, "".join(head), items)


def _document(form: str, head: str, items: list[str]) -> bytes:
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    inside = "".join(items)
    if form == "rdf":
        rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        head = f'<channel rdf:about="http://p.example/">{head}<dc:language>ru</dc:language></channel>'
        whole = f'<rdf:RDF xmlns:rdf="{rdf}" xmlns="http://purl.org/rss/1.0/"{spaces}>{head}{inside}</rdf:RDF>'
    elif form.startswith("rss"):
        version = {"rss091": "0.91", "rss20": "2.0"}[form]
        whole = f'<rss version="{version}"{spaces}><channel>{head}\n{inside}</channel></rss>'
    else:
        uri = {"atom03": "http://purl.org/atom/ns#", "atom10": NAMESPACES["atom"]}[form]
        whole = f'<feed xmlns="{uri}" xml:lang="de"{spaces}>{head}\n<id>urn:f</id>{inside}</feed>'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{whole}'.encode()


def usual_feed(form: str, entries: int, chance: random.Random, length: int) -> bytes:
    """A feed as most newsrooms' systems write it, without accidents."""
    items = []
    for number in range(entries):
        title = _words(chance, 8)
        html = escape("\n".join(_paragraph(chance) for _ in range(length // 20)))
        link = f"https://p.example/2026/11/{number}-{chance.choice(WORDS[:10])}"
        if form == "atom10":
            date = _date(number).isoformat()
            items.append(
                f'<entry><title>{title}</title><link href="{link}"/><id>tag:p.example,2026:{number}</id>'
                f"<published>{date}</published><updated>{date}</updated><category term='world'/>"
                f"<author><name>{title}</name></author>"
                f'<summary>{title}</summary><content type="html">{html}</content></entry>\n'
            )
        else:
            about = f' rdf:about="{link}"' if form == "rdf" else ""
            items.append(
                f"<item{about}><title>{title}</title><link>{link}</link><guid>{link}</guid><dc:creator>{title}</dc:creator>"
                f"<pubDate>{format_datetime(_date(number), usegmt=True)}</pubDate><category>world</category>"
                f'<description>{title}</description><media:thumbnail url="{link}.jpg"/>'
                f"<content:encoded>{html}</content:encoded></item>\n"
            )
    return _document(form, "<title>P</title>", items)


def _paragraph(chance: random.Random) -> str:
    """Twenty words with as much markup as newsrooms have in them."""
    address = f"https://p.example/tag/{chance.choice(WORDS[:10])}?a=1&amp;b=2"
    link = f'<a href="{address}" target="_blank">{_words(chance, 2)}</a>'
    strong = f"<strong>{_words(chance, 2)}</strong>"
    return f"<p>{_words(chance, 9)} {link}, {strong} {_words(chance, 7)}&nbsp;– &#8220;x&#8221;</p>"


def json_feed(entries: int, chance: random.Random) -> bytes:
    items = [
        {"id": str(number), "url": f"https://p.example/{number}", "title": _words(chance, 6),
         "content_html": f"<p>{_words(chance, 40)}</p>", "date_published": _date(number).isoformat()}
        for number in range(entries)
    ]  # fmt: skip
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": items}).encode()


def any_feed(chance: random.Random) -> bytes:
    return feed(chance.choice(FORMATS), chance.randint(0, 12), chance, chance.choice((5, 60, 300)))


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def _text(chance: random.Random, count: int) -> str:
    """Words as feeds write them: with entities, as CDATA, with accidents of encoding, over several lines."""
    text = _words(chance, count)
    return chance.choice(
        (text, f" {text}\n", f"{text} &amp; &quot;{text}&quot; &#8217;", f"<![CDATA[{text} & <b>x</b>]]>", "\n",
         f"{text} &#146;s &#xe9; &amp;nbsp;", f"\xc3\xa9t {text}", "\xc3\xa9t\xc3\xa9", f"{text}<!-- no -->{text}")
    )  # fmt: skip


def _html(chance: random.Random, count: int) -> str:
    html = "".join(f'<p>{_words(chance, 20)} <a href="/x?a=1&b=2">y</a><br/></p>\n' for _ in range(count // 20 + 1))
    return f"<![CDATA[{html}]]>" if chance.random() < 0.5 else escape(html)


def _date(number: int) -> datetime:
    return _START + timedelta(minutes=37 * number)


def _address(number: int, chance: random.Random) -> str:
    return chance.choice(
        (f"https://p.example/a/{number}", f"http://p.example/{number}?a=1&amp;utm_source=rss", f"/{number}",
         f"http:///p.example/{number}", f"https://p.example/ä{number} ")
    )  # fmt: skip


def _rss_item(form: str, number: int, chance: random.Random, length: int) -> str:
    date = chance.choice((format_datetime(_date(number), usegmt=True), _date(number).isoformat(), "10:30", "soon"))
    permanent = chance.choice(("", ' isPermaLink="false"', ' isPermaLink="true"'))
    parts = [
        f"<title>{_text(chance, 8)}</title>",
        f"<link>{_address(number, chance)}</link>",
        f"<guid{permanent}>{_address(number, chance)}</guid>",
        f"<description>{_html(chance, length)}</description>",
        f"<pubDate>{date}</pubDate>",
        *_optional(chance, number, length),
    ]
    chance.shuffle(parts)
    about = f' rdf:about="http://p.example/{number}"' if form == "rdf" else ""
    kept = [part for part in parts if chance.random() < 0.9]
    return f"<item{about}>\n" + chance.choice(("", "\n  ")).join(kept) + "</item>\n"


def _optional(chance: random.Random, number: int, length: int) -> list[str]:
    text = _text(chance, 4)
    address = quoteattr(f"http://p.example/{number}.jpg?a=1&b=2")
    every = [
        f"<content:encoded>{_html(chance, length)}</content:encoded>",
        f"<dc:creator>{text}</dc:creator>", "<author>a@p.example (A. Writer)</author>",
        f"<dc:date>{_date(number).isoformat()}</dc:date>", f"<dc:title>{text}</dc:title>",
        f"<media:content url={address}><media:title>{text}</media:title></media:content>",
        f"<media:group><media:content url={address}/><media:description>{text}</media:description></media:group>",
        f"<media:thumbnail url={address}/>", f"<media:description>{text}</media:description>",
        f"<itunes:summary>{text}</itunes:summary>", "<itunes:author>I</itunes:author>",
        f"<enclosure url={address} length='1' type='image/jpeg'/>", f"<category>{text}</category>",
        f"<source url={address}>{text}</source>", f"<comments>{_address(number, chance)}</comments>",
        "<slash:comments>5</slash:comments>", f"<own:title>{text}</own:title>", f"<own:x a='1'>{text}</own:x>",
        f"<description>{text}</description>", "<image>x</image>", f"<title>{text}</title>",
        f"<content:encoded xml:lang='fr_FR'>{text}</content:encoded>", "<guid>again</guid>",
    ]  # fmt: skip
    return chance.sample(every, chance.randint(0, 5))


def _atom_entry(form: str, number: int, chance: random.Random, length: int) -> str:
    stamp = chance.choice((_date(number).isoformat(), _date(number).isoformat().replace("+00:00", "Z"), "T10:30"))
    names = {"atom03": ("issued", "modified"), "atom10": ("published", "updated")}[form]
    mode = ' mode="escaped"' if form == "atom03" else ""
    rel = chance.choice((' rel="alternate"', "", ' rel="self"', ' rel="enclosure" type="audio/mpeg"'))
    author = chance.choice(("<name>A</name>", "<name>A</name><email>a@p.example</email><uri>/a</uri>", "\n", "Ann"))
    parts = [
        f"<title type='html'{mode}>{_text(chance, 8)}</title>", f'<link{rel} href="{_address(number, chance)}"/>',
        f"<id>{chance.choice((f'tag:p.example,2026:{number}', _address(number, chance)))}</id>",
        *(f"<{name}>{stamp}</{name}>" for name in names),
        f"<summary>{_text(chance, 12)}</summary>", f"<author>{author}</author>",
        f"<content type='html'{mode}>{_html(chance, length)}</content>",
    ]  # fmt: skip
    parts += chance.sample([
        "<source><id>x</id><title>other</title><updated>2026-01-01T00:00:00Z</updated></source>",
        "<contributor><name>C</name></contributor>", "<author><name>Second</name></author>",
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>x &amp; y</p></div></content>",
        "<link rel='replies' type='application/atom+xml' href='/r'/>", "<category term='t'/>",
        "<content type='html' xml:base='http://other.example/'>z</content>", "<rights>r</rights>",
        "<summary type='text' xml:lang=''>second</summary>", f"<own:id>{number}</own:id>",
    ], chance.randint(0, 3))  # fmt: skip
    chance.shuffle(parts)
    return f"<entry>{''.join(part for part in parts if chance.random() < 0.95)}</entry>\n"


def mutated(seed: int) -> bytes:
    """A feed that something happened to, up to four times over."""
    chance = random.Random(seed)
    body = json_feed(3, chance) if chance.random() < 0.1 else any_feed(chance)
    for _ in range(chance.randint(1, 4)):
        body = chance.choice(MUTATIONS)(body, chance)
    return body


def _flipped(body: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(body)
    for _ in range(chance.randint(1, 12)):
        flipped[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(flipped)


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(1, len(body) + 1)]


def _without_a_piece(body: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(body))
    return body[:start] + body[start + chance.randrange(200) :] or b"<"


def _doubled(body: bytes, chance: random.Random) -> bytes:
    start, end = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
    end = min(end, start + 3_000)
    return body[:end] + body[start:end] * chance.randint(1, 3) + body[end:]


def _between_tags(piece: Callable[[random.Random], bytes]) -> Callable[[bytes, random.Random], bytes]:
    """A mutation that puts a piece before some tag."""

    def mutate(body: bytes, chance: random.Random) -> bytes:
        at = body.find(b"<", chance.randrange(len(body)))
        return body[:at] + piece(chance) + body[at:] if at >= 0 else body + piece(chance)

    return mutate


def _wrong_tag(chance: random.Random) -> bytes:
    tags = (b"item", b"entry", b"title", b"rss", b"channel", b"link", b"svg", b"image", b"author", b"content:encoded")
    tag = chance.choice(tags)
    return chance.choice((b"<%s>", b"</%s>", b"<%s/>", b"<%s type='xhtml'>", b"<%s xml:base='http://[x'>")) % tag


def _reference(chance: random.Random) -> bytes:
    return chance.choice(
        (b"&#xD800;", b"&#x110000;", b"&#xFFFFFFFFFF;", b"&#0;", b"&nbsp;", b"&unheard;", b"&", b"&#x;", b"&#99999999;")
    )


def _controls(chance: random.Random) -> bytes:
    return bytes(chance.choices((*range(9), 11, 12, *range(14, 32), 127, 0x85, 0xFF, 0xFE), k=chance.randint(1, 5)))


def _attributes(chance: random.Random) -> bytes:
    return (
        b"<item " + b" ".join(b"a%d='%d'" % (number, number) for number in range(chance.choice((3, 300, 2_000)))) + b">"
    )


def _deep(chance: random.Random) -> bytes:
    tag = chance.choice((b"<a>", b"<item>", b"<description>", b"<media:group>", b"<div><![CDATA["))
    return tag * chance.choice((10, 200, 2_000))


def _bomb(body: bytes, chance: random.Random) -> bytes:
    """Entities that stand for ten of the one before, or for a file."""
    entities = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    if chance.random() < 0.3:
        entities = b'<!ENTITY l9 SYSTEM "file:///etc/passwd">'
    start = body.find(b"?>") + 2
    kept = body[start:].replace(b"<title>", b"<title>&l9;", 2)
    return body[:start] + b'<!DOCTYPE rss [<!ENTITY l0 "lol">' + entities + b"]>" + kept


def _recoded(body: bytes, chance: random.Random) -> bytes:
    codec = chance.choice(("utf-16", "utf-32", "windows-1251", "latin-1", "shift_jis", "gb18030", "utf-7"))
    said = chance.choice((b"utf-8", codec.encode(), b"us-ascii", b"unheard-of", b"utf-16"))
    text = body.replace(b'encoding="utf-8"', b'encoding="%s"' % said).decode("utf-8", "replace")
    return text.encode(codec, "replace")


MUTATIONS = (
    _flipped, _cut, _without_a_piece, _doubled, _bomb, _recoded, *map(
        _between_tags, (_wrong_tag, _wrong_tag, _reference, _reference, _controls, _attributes, _deep)
    ),
)  # fmt: skip
