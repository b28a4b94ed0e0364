"""The numbers of a text that tell one event from another, with their units: 6.2 magnitude, 450 km, 1200000."""

import re

_NUMBER = re.compile(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?![\d.,])|\d+(?:[.,٫٬]\d+)*")
_READ = 3_000  # characters of a text in which numbers are looked for
_MOST = 60
_SMALL = 12  # numbers up to here, and years, tell nothing by themselves
_YEARS = range(1900, 2101)
_DAY = re.compile("[日일号號]")  # behind a number: a date, which all articles of a day have
_TIMES = {
    1e12: "trillion|triliun|трлн|трильйон|兆|조",
    1e9: "billion|miliar|mrd|milliard|milyar|млрд|миллиард|мільярд|mil millones|bilhões|bilhão|مليار|میلیارد|अरब|พันล้าน",
    1e8: "亿|億|억",
    1e6: "million|juta|mio|millón|millones|milhões|milhão|milyon|млн|миллион|мільйон|مليون|میلیون|百万|백만|ล้าน|triệu",
    1e4: "万|萬|만|หมื่น",
    1e3: "thousand|ribu|tausend|mille|mila|mil|tys|тыс|тис|bin|ألف|آلاف|هزار|हज़ार|हजार|千|천|พัน|nghìn|ngàn",
}
_AFTER = {
    "km": "km|kilomet|kilómet|quilômet|chilomet|км|километр|кілометр|كم|كيلومتر|کیلومتر|ק\"מ|किमी|किलोमीटर|公里|千米"
    "|キロ|㎞|킬로미터|กม|กิโลเมตร|χλμ|χιλιόμετρ",
    "%": "%|٪|％|percent|per cent|persen|peratus|por ciento|por cento|pour cent|per cento|prozent|procent|процент"
    "|відсот|퍼센트|パーセント|เปอร์เซ็นต์|फीसदी|प्रतिशत|بالمئة|بالمائة|في المئة|درصد|אחוז",
    "magnitude": "magnitude|büyüklüğünde|şiddetinde|ريختر|ریشتر|级地震|級地震|级强震|級強震|балл",
}  # fmt: skip
_BEFORE = {
    "magnitude": r"magnitud\w*|magnitúd\w*|kekuatan|berkekuatan|stärke|규모|マグニチュード|магнитуд\w*|магнітуд\w*"
    r"|بقوة|شدت|μεγέθους|तीव्रता|ขนาด|\bm",
    "%": "yüzde|百分之",
}  # fmt: skip
_FILLER = r"\s*(?:of|de|di|do|der|von|sebesar|SR)?\s*"
_FOLLOWS = {
    unit: re.compile(rf"[\s-]*(?:{words})", re.IGNORECASE) for unit, words in (*_TIMES.items(), *_AFTER.items())
}
_PRECEDES = {unit: re.compile(rf"(?:{words}){_FILLER}$", re.IGNORECASE) for unit, words in _BEFORE.items()}


def numbers_in(text: str) -> frozenset[str]:
    """The telling numbers in a text's beginning, each with its unit after a space where one of three stands by it."""
    text = text[:_READ]
    found: dict[str, None] = {}
    for match in _NUMBER.finditer(text):
        value, end = _value(match[0]), match.end()
        if _DAY.match(text, end):
            continue
        for times in _TIMES:
            if times_match := _FOLLOWS[times].match(text, end):
                value, end = value * times, times_match.end()
                break
        unit = _unit(text[max(0, match.start() - 20) : match.start()], text, end)
        if unit or not (value <= _SMALL or value in _YEARS):
            found[f"{value:.10g} {unit}".strip()] = None
    return frozenset(list(found)[:_MOST])


def magnitudes(numbers: frozenset[str]) -> list[float]:
    """The magnitudes of earthquakes among numbers."""
    return [float(number.split()[0]) for number in numbers if number.endswith(" magnitude")]


def _unit(before: str, text: str, end: int) -> str:
    for unit, pattern in _PRECEDES.items():
        if pattern.search(before):
            return unit
    return next((unit for unit in _AFTER if _FOLLOWS[unit].match(text, end)), "")


def _value(written: str) -> float:
    """The value of a number as it is written: three digits after a mark are thousands, fewer or more a fraction."""
    written = re.sub(r"\s", "", written).replace("٫", ".").replace("٬", ",")
    parts = re.split("[.,]", written)
    whole, last = "".join(parts[:-1]), parts[-1]
    if len(parts) == 1:
        return float(last)
    marks = set(re.findall("[.,]", written))
    # 1,234,567 and 1.234 are thousands; 1,234.5 and 6,2 and 0.125 end in a fraction.
    thousands = len(last) == 3 and whole != "0" and len(marks) == 1
    return float(whole + last) if thousands else float(f"{whole}.{last}")
