"""What tells languages apart that are written nearly alike: words that one has and its neighbours have not."""

import re
from collections.abc import Mapping


def _words(listed: str) -> re.Pattern[str]:
    """Any of the listed words; one that begins or ends in - goes on there."""
    alternatives = "|".join(word.replace("-", r"\w*") for word in listed.split())
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


_NEIGHBOURS: tuple[Mapping[str, re.Pattern[str]], ...] = (
    {
        "id": _words(
            "bahwa karena mengatakan yakni bisa polisi kepolisian militer pekan senin kamis jumat rudal balistik "
            "resmi serikat jepang prancis inggris eropa mobil kantor uang provinsi bandara pengunjuk mundur lokal "
            "perundingan pemerintah presiden korban agustus maret desember demo pabrik warga unjuk perusahaan "
            "menewaskan internasional baru badan pengungsi kudeta listrik"
        ),
        "ms": _words(
            "bahawa kerana berkata ialah iaitu manakala polis kerajaan tentera isnin khamis jumaat maut terkorban "
            "rasmi syarikat jepun perancis britain eropah wang hospital penunjuk perasaan tempatan rundingan "
            "mangsa ogos mac disember peluru berpandu jawatan menerusi sempena boleh pihak bekas semalam kelmarin "
            "lubnan baharu loji antarabangsa selepas agensi awam gegaran sepak dijangka ditahan kilang pelarian "
            "rampasan elektrik letupan"
        ),
    },
    {
        "sr": _words(
            "predsedn- vremen- mest- posle ovde gde sednic- svet- dve uvek sneg- čovek- dec- sever- zahtev- "
            "primer- poset- bezbedn- saopšt- izvešt- uslov- nedelj- opšt- učestvo- uhapšen- nivo avgust- septemb- "
            "oktob- novemb- decemb- januar- šta ko hiljad- evrop- srbij- srpsk- rešen- pre proter- deo vest- mere "
            "reč- obavešt- beogr- vanredn- izbeglic- ranjen- takođe zemljotres- pobun- hemijsk- odbran-"
        ),
        "hr": _words(
            "tko tijekom europ- tisuć- priopć- izvješ- sustav- tvrtk- tjed- zrakoplov- sigurno- uvjet- glasova- "
            "siječnj- veljač- ožujk- travnj- svibnj- lipnj- srpnj- kolovoz- rujn- listopad- studen- prosin- "
            "hrvat- vlak- vojarn- povjerenstv- postroj- predsjed- vrijem- mjest- poslije ovdje gdje sjednic- "
            "svijet- dvije uvijek čovjek- djec- sjever- zahtjev- primjer- prije protjer- dio vijest- mjer- riječ- "
            "također potres- kemij- izbjegl- nogomet- zagreb- zračn- vojsk- obran- cijen- iznijel- snijeg- "
            "ozlijeđen- što -sje- -vje- -mje- -dje- -tje- nijem- razin- streljiv-"
        ),
        "bs": _words(
            "sarajev- bih bosn- hercegov- kanton- federacij- entitet- sedmic- saopć- hiljad- evrop- predsjed- "
            "vrijem- mjest- poslije gdje svijet- dvije čovjek- djec- sjever- zahtjev- prije vijeć- također općin- "
            "historij- -sje- -vje- -mje- -dje- -tje-"
        ),
    },
    {
        "nb": _words(
            "etter ble mellom regjeringen sier mot ut noen uke uka fra av mye nå hvor hvordan sanksjoner "
            "president- drept jordskjelv krigen stortinget norge norske nytt opp inn blitt gjennom ikkje frem "
            "regjering- russiske våpenhvile forsvars- statsminister- myndighetene beredskap streik- opptøy- "
            "utbrudd- -utbrudd våpen-"
        ),
        "da": _words(
            "efter blev mellem regeringen siger mod ud nogle uge ugen af meget nu hvor hvordan sanktioner "
            "præsident- dræbt jordskælv folketinget danmark danske nyt op ind blevet gennem frem regering- "
            "russiske våbenhvile statsminister- myndighederne beredskab strejke- ifølge -udbrud våben-"
        ),
        "sv": _words(
            "och att är från för efter blev mellan regeringen säger mot ut några vecka veckan av mycket nu hur "
            "sanktioner dödad- jordbävning- riksdagen sverige svenska nytt upp in blivit genom fram ryska "
            "vapenvila statsminister- myndigheterna strejk- enligt inte ett sig till under vid"
        ),
    },
)
_ELSEWHERE = {"nb": "äö", "da": "äö", "sv": "æø"}  # letters that a language has not


def apart(language: str, text: str, declared: tuple[str, ...]) -> str:
    """The likeliest of a language and its neighbours; a declaration decides where their words do not."""
    for neighbours in _NEIGHBOURS:
        if language in neighbours:
            scores = {
                name: len(words.findall(text)) - 2 * sum(text.count(letter) for letter in _ELSEWHERE.get(name, ""))
                for name, words in neighbours.items()
            }
            best = max(scores.values())
            likeliest = [name for name, score in scores.items() if score == best]
            return next((name for name in (*declared, language) if name in likeliest), likeliest[0])
    return language
