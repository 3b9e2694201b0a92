"""The names of keyboards: XKB's layouts and the console's keymaps, which are two name spaces, and the way between them.

A recipe names a keyboard once. The installers of Debian and Ubuntu want XKB's name for it, Enterprise Linux and its
like the console's. Only what all releases have is known here:

- XKB's layouts and variants: what xkeyboard-config, the list of debian-installer (console-setup 1.221 and 1.242, of
  Debian 12 and 13) and that of subiquity (kbds/C.jsonl of Ubuntu 22.04 and 24.04) have in common. They are written as
  the console of Enterprise Linux writes them, 'layout-variant';
- the console's keymaps: those of kbd 2.0.4 to 2.6 that systemd's src/locale/kbd-model-map gives an XKB layout for.
  Beside them, Fedora's kbd.spec makes a keymap of each XKB layout, and drops those that can type no ASCII.

Where one name means two keyboards ('et' is Estonian to the console and Amharic to XKB), the console's meaning counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

_NEAREST = 4

_LATIN = """
    al al-plisi at at-mac at-nodeadkeys au az ba ba-alternatequotes ba-unicode ba-unicodeus ba-us be be-iso-alternate
    be-nodeadkeys be-oss be-oss_latin9 be-wang br br-dvorak br-nativo br-nativo-epo br-nativo-us br-nodeadkeys
    br-thinkpad bw by-latin ca ca-eng ca-fr-dvorak ca-fr-legacy ca-multix cd ch ch-de_mac ch-de_nodeadkeys ch-fr
    ch-fr_mac ch-fr_nodeadkeys ch-legacy cm cm-azerty cm-dvorak cm-french cm-mmuock cm-qwerty cn cn-altgr-pinyin cz
    cz-bksl cz-dvorak-ucw cz-qwerty cz-qwerty-mac cz-qwerty_bksl cz-rus de de-T3 de-deadacute de-deadgraveacute
    de-deadtilde de-dsb de-dsb_qwertz de-dvorak de-mac de-mac_nodeadkeys de-neo de-nodeadkeys de-qwerty de-ro
    de-ro_nodeadkeys de-tr dk dk-dvorak dk-mac dk-mac_nodeadkeys dk-nodeadkeys dk-winkeys dz ee ee-dvorak
    ee-nodeadkeys ee-us epo epo-legacy es es-ast es-cat es-deadtilde es-dvorak es-nodeadkeys es-winkeys fi fi-classic
    fi-mac fi-nodeadkeys fi-smi fi-winkeys fo fo-nodeadkeys fr fr-afnor fr-azerty fr-bepo fr-bepo_afnor fr-bepo_latin9
    fr-bre fr-dvorak fr-latin9 fr-latin9_nodeadkeys fr-mac fr-nodeadkeys fr-oci fr-oss fr-oss_latin9 fr-oss_nodeadkeys
    fr-us gb gb-colemak gb-dvorak gb-dvorakukp gb-extd gb-intl gb-mac gb-mac_intl gb-pl gh gh-akan gh-avn gh-ewe
    gh-fula gh-ga gh-generic gh-gillbt gh-hausa hr hr-alternatequotes hr-unicode hr-unicodeus hr-us hu
    hu-101_qwerty_comma_dead hu-101_qwerty_comma_nodead hu-101_qwerty_dot_dead hu-101_qwerty_dot_nodead
    hu-101_qwertz_comma_dead hu-101_qwertz_comma_nodead hu-101_qwertz_dot_dead hu-101_qwertz_dot_nodead
    hu-102_qwerty_comma_dead hu-102_qwerty_comma_nodead hu-102_qwerty_dot_dead hu-102_qwerty_dot_nodead
    hu-102_qwertz_comma_dead hu-102_qwertz_comma_nodead hu-102_qwertz_dot_dead hu-102_qwertz_dot_nodead hu-nodeadkeys
    hu-qwerty hu-standard id ie ie-CloGaelach ie-UnicodeExpert ie-ogam_is434 in-eng iq-ku iq-ku_alt iq-ku_ara iq-ku_f
    ir-ku ir-ku_alt ir-ku_ara ir-ku_f is is-dvorak is-mac is-mac_legacy it it-fur it-geo it-ibm it-mac it-nodeadkeys
    it-scn it-us it-winkeys jp jp-OADG109A jp-dvorak jp-kana86 ke ke-kik kr kr-kr104 kz-latin latam latam-colemak
    latam-deadtilde latam-dvorak latam-nodeadkeys lk-us lt lt-ibm lt-lekp lt-lekpa lt-sgs lt-std lt-us lv lv-adapted
    lv-apostrophe lv-ergonomic lv-fkey lv-modern lv-tilde ma-french md md-gag me me-latinalternatequotes
    me-latinunicode me-latinunicodeyz me-latinyz ml ml-fr-oss ml-us-intl ml-us-mac mt mt-alt-gb mt-alt-us mt-us ng
    ng-hausa ng-igbo ng-yoruba nl nl-mac nl-std no no-colemak no-dvorak no-mac no-mac_nodeadkeys no-nodeadkeys no-smi
    no-smi_nodeadkeys no-winkeys ph ph-capewell-dvorak ph-capewell-qwerf2k6 ph-colemak ph-dvorak pl pl-csb pl-dvorak
    pl-dvorak_altquotes pl-dvorak_quotes pl-dvp pl-legacy pl-qwertz pl-szl pt pt-mac pt-mac_nodeadkeys pt-nativo
    pt-nativo-epo pt-nativo-us pt-nodeadkeys ro ro-std ro-winkeys rs-latin rs-latinalternatequotes rs-latinunicode
    rs-latinunicodeyz rs-latinyz ru-cv_latin se se-dvorak se-mac se-nodeadkeys se-smi se-svdvorak se-us se-us_dvorak
    si si-alternatequotes si-us sk sk-bksl sk-qwerty sk-qwerty_bksl sn sy-ku sy-ku_alt sy-ku_f tg tm tm-alt tr tr-alt
    tr-f tr-intl tr-ku tr-ku_alt tr-ku_f tw tw-indigenous tw-saisiyat us us-alt-intl us-altgr-intl us-colemak
    us-dvorak us-dvorak-alt-intl us-dvorak-classic us-dvorak-intl us-dvorak-l us-dvorak-r us-dvp us-euro us-hbs
    us-intl us-mac us-norman us-olpc2 us-workman us-workman-intl uz-latin vn vn-fr vn-us za
"""
_NOT_LATIN = """
    af af-fa-olpc af-ps af-uz af-uz-olpc al-veqilharxhi am am-eastern am-eastern-alt am-phonetic am-phonetic-alt
    am-western ara ara-azerty ara-azerty_digits ara-buckwalter ara-digits ara-mac ara-olpc az-cyrillic bd bd-probhat
    bg bg-bas_phonetic bg-phonetic bt by by-legacy ca-ike cn-mon_manchu_galik cn-mon_todo_galik cn-mon_trad
    cn-mon_trad_galik cn-mon_trad_manchu cn-mon_trad_todo cn-mon_trad_xibe cn-tib cn-tib_asciinum cn-ug cz-ucw de-ru
    dz-ar dz-ber et fr-geo ge ge-ergonomic ge-mess ge-os ge-ru gn gr gr-nodeadkeys gr-polytonic gr-simple ie-ogam il
    il-biblical il-lyx il-phonetic in in-ben in-ben_baishakhi in-ben_bornona in-ben_gitanjali in-ben_inscript
    in-ben_probhat in-bolnagri in-guj in-guru in-hin-kagapa in-hin-wx in-jhelum in-kan in-kan-kagapa in-mal
    in-mal_enhanced in-mal_lalitha in-mar-kagapa in-ori in-san-kagapa in-tam in-tel in-tel-kagapa in-tel-sarala
    in-urd-phonetic in-urd-phonetic3 in-urd-winkeys iq ir ir-pes_keypad jp-kana jp-mac kg kg-phonetic kh kz kz-ext
    kz-kazrus kz-ruskaz la la-stea lk lk-tam_TAB lk-tam_unicode ma ma-tifinagh ma-tifinagh-alt
    ma-tifinagh-alt-phonetic ma-tifinagh-extended ma-tifinagh-extended-phonetic ma-tifinagh-phonetic me-cyrillic
    me-cyrillicalternatequotes me-cyrillicyz mk mk-nodeadkeys mm mm-zawgyi mn mv my my-phonetic np
    ph-capewell-dvorak-bay ph-capewell-qwerf2k6-bay ph-colemak-bay ph-dvorak-bay ph-qwerty-bay pk pk-ara pk-snd
    pk-urd-crulp pk-urd-nla pl-ru_phonetic_dvorak rs rs-alternatequotes rs-rue rs-yz ru ru-bak ru-chm ru-cv ru-dos
    ru-kom ru-legacy ru-mac ru-os_legacy ru-os_winkeys ru-phonetic ru-phonetic_azerty ru-phonetic_dvorak
    ru-phonetic_winkeys ru-sah ru-srp ru-tt ru-typewriter ru-typewriter-legacy ru-udm ru-xal se-rus se-swl sy sy-syc
    sy-syc_phonetic th th-pat th-tis tj tj-legacy tz ua ua-homophonic ua-legacy ua-phonetic ua-typewriter ua-winkeys
    us-chr us-rus uz
"""
"""What cannot type all of ASCII, and so is switched to from a layout that can."""

_KEYMAPS = {
    "be-latin1": "be",
    "bg_bds-utf8": "bg",
    "bg_pho-utf8": "bg-phonetic",
    "br-abnt2": "br",
    "by": "by",
    "cf": "ca",
    "croat": "hr",
    "cz-lat2": "cz-qwerty",
    "cz-us-qwertz": "cz",
    "de-latin1": "de",
    "de-latin1-nodeadkeys": "de-nodeadkeys",
    "dk-latin1": "dk",
    "dvorak": "us-dvorak",
    "et": "ee",
    "fr-latin1": "fr",
    "fr-pc": "fr",
    "fr_CH": "ch-fr",
    "fr_CH-latin1": "ch-fr",
    "ge": "ge",
    "gr": "gr",
    "hu101": "hu-qwerty",
    "il": "il",
    "is-latin1": "is",
    "it2": "it",
    "jp106": "jp",
    "kazakh": "kz",
    "la-latin1": "latam",
    "lt.baltic": "lt",
    "lt.l4": "lt",
    "mk-utf": "mk",
    "pl2": "pl",
    "pt-latin1": "pt",
    "ru": "ru",
    "sg": "ch-de_nodeadkeys",
    "sg-latin1": "ch-de_nodeadkeys",
    "sk-qwertz": "sk",
    "slovene": "si",
    "sr-cy": "rs",
    "sv-latin1": "se",
    "tj_alt-UTF8": "tj",
    "trf": "tr-f",
    "trq": "tr",
    "ua-utf": "ua",
    "uk": "gb",
    "us-acentos": "us-intl",
}


_LATIN_NAMES = frozenset(_LATIN.split())
_XKB_NAMES = _LATIN_NAMES | frozenset(_NOT_LATIN.split())


@dataclass(frozen=True, slots=True)
class XkbLayout:
    """A layout of XKB (xkeyboard-config(7)); the empty variant is the layout itself. `latin`: it can type ASCII."""

    layout: str
    variant: str
    latin: bool


def xkb_layout(name: str) -> XkbLayout | None:
    """Return the XKB layout of the keyboard that a recipe names; None where the systems have none."""
    known = _KEYMAPS.get(name, name)
    if known not in _XKB_NAMES:
        return None
    layout, _, variant = known.partition("-")
    return XkbLayout(layout, variant, known in _LATIN_NAMES)


def console_keymap(name: str) -> str | None:
    """Return the console keymap (vconsole.conf(5)) of the keyboard that a recipe names; None where there is none."""
    if name in _KEYMAPS or name in _LATIN_NAMES:
        return name
    return next((keymap for keymap, xkb in _KEYMAPS.items() if xkb == name), None)


def keyboard_fault(name: str, *, console: bool = False) -> str:
    """Say that `name` is no XKB layout, or no keymap of the `console`, and which names are the nearest."""
    names = sorted({*_KEYMAPS, *(_LATIN_NAMES if console else _XKB_NAMES)})
    layout = name.partition("-")[0]
    alike = [known for known in names if known == layout]
    alike += get_close_matches(name, names, n=_NEAREST, cutoff=0.7)
    alike += [known for known in names if known.partition("-")[0] == layout]
    nearest = ", ".join(f"'{known}'" for known in [*dict.fromkeys(alike)][:_NEAREST]) or "'us', 'gb' and 'de'"
    kind = "console keymap" if console else "XKB layout"
    return f"guest.keyboard: this system knows no {kind} '{name}'; the nearest are {nearest}"
