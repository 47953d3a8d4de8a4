"""Every page with sample data, without a database: to look at, and to check in a browser.

Run it by hand with `python -m tests.browser.gallery` and open http://127.0.0.1:8099/.
"""

# ruff: noqa: ANN401  # samples are loose values: what a template shows, whatever it is

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from idp.operator_pages import PLACE
from kernel.errors import DomainError, NotFound
from kernel.pages import PagePart, Pages, Static, language_of
from kernel.secret import sha256
from portal.signature_pages import signature_view
from vault.api import BrokenSignature, Signer, TrustedSignature, UntrustedSignature

AT = datetime(2026, 11, 5, 11, 3, tzinfo=UTC)
ASKER = SimpleNamespace(
    name="Демо Банк", address="bank.example", partner_name="", is_verified=True, policy_uri=None
)
STRANGER = SimpleNamespace(
    name="Openid Client <b>", address="127.0.0.1:4711", partner_name="Self-registered",
    is_verified=False, policy_uri="https://stranger.example/privacy",
    tos_uri="https://stranger.example/terms", logo_uri="/static/civitas.svg",
)  # fmt: skip
DEVICE = SimpleNamespace(
    name="Телевизор", address="", partner_name="Демо Банк", is_verified=True, policy_uri=None
)
LONGEST_NAME = "Публичное акционерное общество «Северо-Западный Межрегиональный Коммерческий Банк»"


def _words(ru: str, en: str) -> Mapping[str, str]:
    return {"ru": ru, "en": en}


def _item(ru: str, en: str, source: str, *, is_special: bool = False) -> Any:
    return SimpleNamespace(label=_words(ru, en), source=source, is_special=is_special)


def _for(value: Any, code: str) -> Any:
    """Return the sample in one language: texts in two languages become one text."""
    if isinstance(value, Mapping) and value.keys() == {"ru", "en"}:
        return value[code]
    if isinstance(value, Mapping):
        return {k: _for(v, code) for k, v in value.items()}
    if isinstance(value, list):
        return [_for(v, code) for v in value]
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{k: _for(v, code) for k, v in vars(value).items()})
    return value


SIGN_IN = {
    "asker": ASKER, "action": "/x", "cancel_action": "/y", "next": "", "username": "",
    "errors": {},
}  # fmt: skip
UPSTREAM: dict[str, Any] = {
    "upstream_name": _words("Тверская область", "Tver Region"), "action": "/x", "then": "/y",
    "shown_name": "Ольга Климова", "is_by_number": False, "username": "", "errors": {},
}  # fmt: skip
CONSENT = SimpleNamespace(
    consent_id="0193", partner_name="Демо Банк", is_live=True, given_at=AT, expires_at=AT,
    ended_at=AT, state=_words("Действует", "In force"),
    purpose=_words("открыть вам счёт", "open an account for you"),
    labels=[_words("Фамилия", "Family name"), _words("Дата рождения", "Date of birth"),
            _words("Снимок компьютерной томографии (КТ)", "CT scan")],
    retention=_words("5 лет", "5 years"),
)  # fmt: skip
ENDED = SimpleNamespace(
    **{**vars(CONSENT), "is_live": False, "partner_name": LONGEST_NAME,
       "state": _words("Отозвано вами", "Withdrawn by you")}
)  # fmt: skip


def _entry(**changes: Any) -> Any:
    entry = {
        "entry_id": "0194", "who": "Демо Банк", "occurred_at": AT, "is_refused": False,
        "action": _words("Прочитаны данные", "Data was read"), "labels": CONSENT.labels,
        "purpose": CONSENT.purpose, "reason": "", "is_provable": True,
    }  # fmt: skip
    return SimpleNamespace(**{**entry, **changes})


_STATED_OTHERWISE = SimpleNamespace(
    lines=["Кузнецова-Белова"], source="Социальный фонд", as_of=date(2015, 1, 12),
    attribute="family_name", source_id="pension", is_disputed=True,
)  # fmt: skip


def _row(ru: str, en: str, *lines: str, others: Sequence[Any] = (), is_list: bool = False) -> Any:
    stated = SimpleNamespace(
        lines=list(lines), source="МВД России", as_of=date(2019, 4, 2), attribute="family_name",
        source_id="interior", is_disputed=False,
    )  # fmt: skip
    return SimpleNamespace(
        label=_words(ru, en), stated=stated, others=list(others), is_list=is_list
    )


_DISPUTED = SimpleNamespace(
    attribute="birthdate", source_id="interior", label=_words("Дата рождения", "Date of birth"),
    lines=["3 февраля 1990 г."], source="МВД России", as_of=date(2019, 4, 2),
)  # fmt: skip
DISPUTE_NEW: dict[str, Any] = {
    "section": "overview", "value": _DISPUTED, "words": "", "suggested": "", "longest_words": 1000,
    "longest_suggestion": 300, "errors": {},
}  # fmt: skip


def _dispute(ru: str, en: str, colour: str, *, explanation: str = "") -> Any:
    return SimpleNamespace(
        **{**vars(_DISPUTED), "words": "Я родилась третьего марта.\nВ паспорте опечатка.",
           "suggested": "3 марта 1990", "opened_at": AT, "due_on": date(2026, 11, 19),
           "state": _words(ru, en), "colour": colour, "waits": not explanation,
           "answered_at": AT if explanation else None, "explanation": explanation}
    )  # fmt: skip


OPERATOR: dict[str, Any] = {
    "operator": SimpleNamespace(name="Вера Ильина", operator_id="v.ilina"),
    "is_clerk": True, "is_approver": False,
}  # fmt: skip
_OPEN = SimpleNamespace(text=_words("Ждёт решения", "To be decided"), colour="blue")


def _case(**changes: Any) -> Any:
    case = {
        "href": "/desk/cases/1/2", "number": "4B0A11-7C55E9", "found_at": AT, "bits": "+4.2",
        "pairs": 2, "agencies": ["МВД России", "ФНС России"], "state": _OPEN, "mine": False,
        "held_by": "",
    }  # fmt: skip
    return SimpleNamespace(**{**case, **changes})


def _said(*lines: str, source: str = "МВД России, на 2 апреля 2019 г.") -> Any:
    return SimpleNamespace(lines=list(lines), sources=[source])


def _sides(label: Any, tag: Any, colour: str, *sides: Sequence[Any]) -> Any:
    return SimpleNamespace(
        label=label, tag=SimpleNamespace(text=tag, colour=colour), sides=[list(s) for s in sides]
    )


def _evidence(words: Any, bits: str, *, speaks_for: bool = True) -> Any:
    tag = _words("За", "For") if speaks_for else _words("Против", "Against")
    colour = "green" if speaks_for else "red"
    return SimpleNamespace(words=words, bits=bits, tag=SimpleNamespace(text=tag, colour=colour))


def _record(ref: str, title: str) -> Any:
    return SimpleNamespace(
        ref=ref, title=title, versions=2, arrived_at=AT, as_of=date(2019, 4, 2), counts=True,
        can_be_split_off=True,
    )  # fmt: skip


def _decided(ru: str, en: str, *, undone: Any = "") -> Any:
    return SimpleNamespace(
        decision_id="0197", what=_words(ru, en), who="v.ilina, p.orlov", at=AT,
        reason="Паспорта сверены", undone=undone, can_be_undone=not undone,
        href="/desk/cases/1/2", number="4B0A11-7C55E9", is_undone=bool(undone),
    )  # fmt: skip


def _case_page(**changes: Any) -> Any:
    page = {
        "number": "4B0A11-7C55E9", "address": "/desk/cases/1/2", "total": "+4.2",
        "rows": [
            _sides(_words("Фамилия", "Family name"), _words("Совпадает", "Same"), "green",
                   [_said("Кузнецова")], [_said("Кузнецова", source="ФНС России")]),
            _sides(_words("Дата рождения", "Date of birth"), _words("Различается", "Different"),
                   "red", [_said("14 марта 1986 г.")], [_said("13 апреля 1986 г.")]),
            _sides(_words("СНИЛС", "Social insurance number (SNILS)"),
                   _words("Только с одной стороны", "Only one side"), "grey",
                   [_said("900-000-002 83")], []),
        ],
        "evidence": [
            _evidence(_words("Фамилия: совпадает", "Family name: the same"), "+9.1"),
            _evidence(_words("Дата рождения: отличие в одной цифре",
                             "Date of birth: one digit off"), "\N{MINUS SIGN}2.4",
                      speaks_for=False),
        ],
        "records": [
            [_record("00", "МВД России, 4711"), _record("01", "Социальный фонд, 17-В")],
            [_record("02", "ФНС России, 500100732259"), _record("03", "ФОМС, 9")],
        ],
        "history": [
            _decided("Один человек", "One person"),
            _decided("Два разных человека", "Two different people",
                     undone=_words("Отменено", "Undone on 5 November by v.ilina: a mistake")),
        ],
        "asked": [
            SimpleNamespace(
                agency="ФНС России", asked_by="v.ilina", asked_at=AT, words="Об одном ли человеке?",
                due_on=date(2026, 11, 19), answered_at=None, answer="", explanation="",
            ),
            SimpleNamespace(
                agency="МВД России", asked_by="v.ilina", asked_at=AT, words="Об одном ли человеке?",
                due_on=None, answered_at=AT, explanation="Паспорт один и тот же.",
                answer=_words("Ведомство считает свою запись верной",
                              "The agency says that its record is right"),
            ),
        ],
        "agencies": [("interior", "МВД России"), ("tax", "ФНС России")],
        "waiting": None, "needs_second": True, "is_merged": False, "held_until": AT,
    }  # fmt: skip
    return SimpleNamespace(**{**page, **changes})


CASE: dict[str, Any] = {
    **OPERATOR, "section": "cases", "page": _case_page(), "can_decide": True, "can_confirm": False,
    "typed": SimpleNamespace(verdict="", comment="", agency="", records=[]), "longest": 1000,
    "errors": {},
}  # fmt: skip


def _signer(name: str, issuer: str) -> Signer:
    return Signer(
        name=name, organisation="ФНС России" if name.startswith("И") else None, issuer=issuer,
        serial_hex="7A0F3C5511D2C4B90A6E", claimed_at=AT,
    )  # fmt: skip


SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "desk-sign-in": ("idp/desk_sign_in.html", {"username": "", "errors": {}}),
    "desk-sign-in-failed": (
        "idp/desk_sign_in.html",
        {
            "username": "v.ilina",
            "errors": {
                "username": _words(
                    "Имя или пароль неверны. После нескольких попыток подождите",
                    "The name or the password is wrong. After several attempts, wait",
                )
            },
        },
    ),
    "desk-code-setup": (
        "idp/desk_code.html",
        {
            "operator_id": "v.ilina", "error": None, "known_code": None,
            "secret": "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
            "secret_address": "otpauth://totp/Civitas:v.ilina?secret=JBSWY3DPEHPK3PXP",
        },
    ),
    "desk-code": (
        "idp/desk_code.html",
        {
            "operator_id": "v.ilina", "secret": None, "known_code": "492 039",
            "error": _words(
                "Код неверный или уже использован. Дождитесь следующего",
                "The code is wrong or was used before. Wait for the next one",
            ),
        },
    ),
    "desk-refusal": (
        "kernel/refusal.html",
        {
            "heading": _words("Ваша роль этого не позволяет", "Your role does not allow this"),
            "advice": _words(
                "Ничего не изменено. Обратитесь к коллеге, чья это задача.",
                "Nothing was changed. Ask a colleague whose task it is.",
            ),
            "request_id": "6f1d2c3b4a59", "code": "role_missing", "place": PLACE,
        },
    ),
    "desk-cases": (
        "portal/desk_cases.html",
        {
            **OPERATOR, "section": "cases", "done": "proposed", "first_href": "/desk/cases",
            "next_href": "/desk/cases?after=1", "ages": [0, 7, 30],
            "filters": {"state": "open", "agency": "tax", "age": "7"},
            "agencies": [("interior", "МВД России"), ("tax", "ФНС России")],
            "rows": [_case(), _case(mine=True), _case(held_by="p.orlov", agencies=[LONGEST_NAME])],
        },
    ),
    "desk-cases-none": (
        "portal/desk_cases.html",
        {
            **OPERATOR, "section": "cases", "done": "", "first_href": "", "next_href": "",
            "ages": [0, 7, 30], "filters": {"state": "", "agency": "", "age": ""}, "agencies": [],
            "rows": [],
        },
    ),
    "desk-take": (
        "portal/desk_take.html",
        {**OPERATOR, "section": "cases", "address": "/desk/cases/1/2", "is_form": False,
         "number": "4B0A11-7C55E9"},
    ),
    "desk-case": ("portal/desk_case.html", CASE),
    "desk-case-failed": (
        "portal/desk_case.html",
        {
            **CASE,
            "typed": SimpleNamespace(
                verdict="split", comment="Паспорта разные", agency="", records=["0:00"]
            ),
            "errors": {
                "records": _words("Выберите записи одной стороны, но не все",
                                  "Choose records of one side, but not all of them"),
            },
        },
    ),
    "desk-case-second": (
        "portal/desk_case.html",
        {
            **CASE, "is_clerk": False, "is_approver": True, "can_decide": False,
            "can_confirm": True,
            "page": _case_page(
                waiting=SimpleNamespace(
                    proposal_id="0198", proposed_by="v.ilina", proposed_at=AT,
                    reason="Паспорта сверены",
                )
            ),
        },
    ),
    "desk-decisions": (
        "portal/desk_decisions.html",
        {
            **OPERATOR, "section": "decisions", "next_href": "/desk/decisions?before=1",
            "is_older_page": True,
            "rows": [_decided("Один человек", "One person"),
                     _decided("Спросили ведомство", "An agency was asked", undone="x")],
        },
    ),
    "dispute-new": ("portal/dispute_new.html", DISPUTE_NEW),
    "dispute-new-failed": (
        "portal/dispute_new.html",
        {
            **DISPUTE_NEW,
            "suggested": "3 марта 1990",
            "errors": {
                "words": _words(
                    "Напишите, что неверно: не больше 1000 знаков",
                    "Say what is wrong, in at most 1000 characters",
                )
            },
        },
    ),
    "disputes": (
        "portal/disputes.html",
        {
            "section": "overview",
            "sent_to": ["МВД России"],
            "disputes": [
                _dispute("Ведомство ещё не ответило", "The agency has not answered yet", "blue"),
                _dispute("Срок ответа прошёл", "The agency is late", "red"),
                _dispute(
                    "Ведомство считает свою запись верной",
                    "The agency says that its record is right",
                    "orange",
                    explanation="Запись акта о рождении № 12 подтверждает третье февраля.",
                ),
            ],
        },
    ),
    "disputes-none": (
        "portal/disputes.html",
        {"section": "overview", "sent_to": [], "disputes": []},
    ),
    "sign-in": ("idp/sign_in.html", SIGN_IN),
    "sign-in-failed": (
        "idp/sign_in.html",
        {
            **SIGN_IN,
            "username": "anna",
            "errors": {
                "username": _words("Имя или пароль неверны", "The name or the password is wrong")
            },
        },
    ),
    "sign-in-regions": (
        "idp/sign_in.html",
        {
            **SIGN_IN,
            "regions": [
                SimpleNamespace(name=_words("Тверская область", "Tver Region"), href="/page/x"),
                SimpleNamespace(
                    name=_words("Ханты-Мансийский автономный округ — Югра", "Khanty-Mansi Okrug"),
                    href="/page/x",
                ),
            ],
        },
    ),
    "upstream-confirm": ("idp/upstream_confirm.html", UPSTREAM),
    "upstream-confirm-by-number": (
        "idp/upstream_confirm.html", {**UPSTREAM, "is_by_number": True, "shown_name": ""},
    ),
    "upstream-confirm-failed": (
        "idp/upstream_confirm.html",
        {
            **UPSTREAM, "is_by_number": True, "username": "olga",
            "errors": {
                "username": _words("Имя или пароль неверны", "The name or the password is wrong")
            },
        },
    ),
    "upstream-connected": ("idp/upstream_connected.html", UPSTREAM),
    "upstream-failed": (
        "idp/upstream_failed.html",
        {
            "heading": "The regional system can't be reached",
            "advice": "It does not answer, or answers what we can't use. Try again in a few "
            "minutes, or sign in another way.",
            "code": "upstream_unavailable", "request_id": "9e5c55a4c150", "then": "/page/sign-in",
        },
    ),
    "upstreams": (
        "portal/upstreams.html",
        {
            "section": "sessions", "can_disconnect": True,
            "links": [
                SimpleNamespace(upstream_id="tver", name=UPSTREAM["upstream_name"],
                                linked_at=AT, last_used_at=AT),
            ],
            "offers": [SimpleNamespace(name=_words("Тульская область", "Tula Region"), href="/x")],
        },
    ),
    "upstreams-only": (
        "portal/upstreams.html",
        {
            "section": "sessions", "can_disconnect": False, "offers": [],
            "links": [
                SimpleNamespace(upstream_id="tver", name=UPSTREAM["upstream_name"],
                                linked_at=AT, last_used_at=None),
            ],
        },
    ),
    "sign-in-portal": ("idp/sign_in.html", {**SIGN_IN, "asker": None, "next": "/account"}),
    "consent": (
        "idp/consent.html",
        {
            "asker": ASKER, "action": "/x", "shown": "x", "signed_in_at": AT,
            "requests": [
                SimpleNamespace(
                    purpose=CONSENT.purpose,
                    explanation=_words(
                        "Банк обязан установить личность клиента до открытия счёта "
                        "(115-ФЗ, статья 7).",
                        "A bank must establish who its customer is before it opens an account.",
                    ),
                    attributes=[
                        _item("Фамилия", "Family name", "МВД России"),
                        _item("Дата рождения", "Date of birth", "Реестр ЗАГС"),
                        _item("Паспорт: серия, номер, кем и когда выдан",
                              "Passport: number, date of issue and issuer", "МВД России"),
                    ],
                    documents=[
                        _item("Справка о доходах", "Income certificate", "Ваше хранилище"),
                        _item("Снимок компьютерной томографии (КТ)", "CT scan", "Ваше хранилище",
                              is_special=True),
                    ],
                    expires_at=AT, retention=_words("5 лет", "5 years"), max_uses=3,
                )
            ],
        },
    ),
    "consent-stranger": (
        "idp/consent.html",
        {"asker": STRANGER, "action": "/x", "shown": "x", "signed_in_at": AT, "requests": []},
    ),
    "sign-out": ("idp/sign_out.html", {"action": "/x", "fields": []}),
    "signed-out": ("idp/signed_out.html", {}),
    "signing-out": (
        "idp/signing_out.html", {"frames": [], "then": "/page/signed-out", "script": "/none.js"},
    ),
    "device": ("idp/device.html", {"error": ""}),
    "device-error": (
        "idp/device.html",
        {
            "error": "The code is not right, or it has expired. Check it, or let the device show a "
            "new one. After several wrong codes you have to wait"
        },
    ),
    "device-request": (
        "idp/deferred_request.html",
        {
            "asker": DEVICE, "action": "/x", "shown": "x", "signed_in_at": AT, "requests": [],
            "user_code": "WDJB-MJHT", "binding_message": "",
        },
    ),
    "backchannel-request": (
        "idp/deferred_request.html",
        {
            "asker": DEVICE, "action": "/x", "shown": "x", "signed_in_at": AT, "requests": [],
            "user_code": "", "binding_message": "Перевод 4 711 ₽, код 1234",
        },
    ),
    "decided": ("idp/deferred_decided.html", {"is_allowed": True}),
    "refused": ("idp/deferred_decided.html", {"is_allowed": False}),
    "requests": (
        "idp/requests.html",
        {
            "rows": [
                {
                    "href": "/account/requests/1", "name": LONGEST_NAME,
                    "message": "Перевод 4 711 ₽, код 1234", "created_at": AT, "expires_at": AT,
                }
            ]
        },
    ),
    "no-requests": ("idp/requests.html", {"rows": []}),
    "overview": (
        "portal/overview.html",
        {
            "section": "overview",
            "children": [
                [_words("Кузнецов Тимофей Олегович", "Timofey Kuznetsov"),
                 _words("родился 5 ноября 2015 г.", "born on 5 November 2015")],
                [_words("Кузнецова Вера Олеговна", "Vera Kuznetsova"),
                 _words("родилась 2 апреля 2019 г.", "born on 2 April 2019")],
            ],
            "groups": [
                SimpleNamespace(title=_words("Имя", "Name"), rows=[
                    _row("Фамилия", "Family name", "Кузнецова", others=[_STATED_OTHERWISE]),
                    _row("Отчество", "Patronymic", "Сергеевна"),
                    _row("Прежние имена", "Former names", "Белова", others=[_STATED_OTHERWISE],
                         is_list=True),
                ]),
                SimpleNamespace(title=_words("Документы", "Identity documents"), rows=[
                    _row("Паспорт", "Passport", "45 19 482913", "ГУ МВД России по г. Москве",
                         "2 апреля 2019 г."),
                ]),
            ],
        },
    ),
    "documents": (
        "portal/documents.html",
        {
            "section": "documents", "parts": 1,
            "documents": [
                SimpleNamespace(document_id="0195", title="КТ грудной клетки, ноябрь",
                                kind=_words("Снимок КТ", "CT scan"), length=314_572_800,
                                source=_words("Вы", "You"), stored_at=AT, is_pdf=False),
                SimpleNamespace(document_id="0196", title="income_certificate_2025_signed.pdf",
                                kind=_words("Справка о доходах", "Income certificate"),
                                length=38_912, source="ФНС России", stored_at=AT,
                                is_pdf=True),
            ],
        },
    ),
    "document-signatures": (
        "portal/signatures.html",
        {
            "section": "documents", "is_too_large": False,
            "document": SimpleNamespace(title="Справка о доходах за 2025 год", stored_at=AT),
            "signatures": [
                signature_view(TrustedSignature(_signer("ФНС России", "УЦ Казначейства"))),
                signature_view(UntrustedSignature(_signer("Иванов Иван Иванович", "Мой центр"))),
                signature_view(BrokenSignature("changed")),
            ],
        },
    ),
    "document-unsigned": (
        "portal/signatures.html",
        {
            "section": "documents", "is_too_large": False, "signatures": [],
            "document": SimpleNamespace(title="КТ, ноябрь", stored_at=AT),
        },
    ),
    "document-new": (
        "portal/document_new.html",
        {
            "section": "documents", "errors": {}, "title": "",
            "limit": 1 << 30,
            "kinds": [{"value": "ct_scan", "text": _words("Снимок КТ", "CT scan")}],
        },
    ),
    "document-new-failed": (
        "portal/document_new.html",
        {
            "section": "documents", "title": "", "limit": 1 << 30,
            "errors": {"file": _words("Выберите файл", "Choose a file")},
            "kinds": [{"value": "ct_scan", "text": _words("Снимок КТ", "CT scan")}],
        },
    ),
    "document-delete": (
        "portal/document_delete.html",
        {"section": "documents", "document": SimpleNamespace(document_id="1", title="КТ, ноябрь")},
    ),
    "consents": (
        "portal/consents.html",
        {
            "section": "consents", "live": [CONSENT], "ended": [ENDED],
            "withdrawn_from": LONGEST_NAME,
        },
    ),
    "consents-none": (
        "portal/consents.html",
        {"section": "consents", "live": [], "ended": [], "withdrawn_from": ""},
    ),
    "consent-withdraw": ("portal/consent_withdraw.html", {"section": "", "consent": CONSENT}),
    "log": (
        "portal/log.html",
        {
            "section": "log", "older_href": "/account/log?before=1", "is_older_page": True,
            "entries": [
                _entry(is_refused=True, is_provable=False,
                       reason=_words("Вы отозвали согласие", "You withdrew your consent")),
                _entry(),
                _entry(who=_words("Вы", "You"), purpose="", labels=[],
                       action=_words("Просмотр своих данных", "You looked at your data")),
            ],
        },
    ),
    "sessions": (
        "portal/sessions.html",
        {
            "section": "sessions", "current_id": "1",
            "sessions": [
                SimpleNamespace(session_id=name, started_at=AT, last_used_at=AT, expires_at=AT)
                for name in ("1", "2")
            ],
        },
    ),
}  # fmt: skip


HOSTILE = "<i>x</i>\"'{{7*7}}%(name)s"


def _hostile(value: Any) -> Any:
    if isinstance(value, str) and not value.startswith("/"):
        return HOSTILE
    if isinstance(value, Mapping):
        return {k: _hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_hostile(v) for v in value]
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{k: _hostile(v) for k, v in vars(value).items()})
    return value


def hostile_samples() -> dict[str, dict[str, Any]]:
    """Return every sample with markup for each of its texts."""
    return {name: _hostile(_for(sample, "en")) for name, (_, sample) in SAMPLES.items()}


def make_gallery() -> FastAPI:
    """Make the application: `/page/<name>` for each sample, `/refusal/<status>`, `/static`."""
    app = FastAPI(openapi_url=None)
    app.state.pages = Pages(
        [PagePart(package="idp"), PagePart(package="portal")],
        issuer="http://127.0.0.1:8099",
        form_digest=lambda browser: sha256(browser.encode()),
    )
    app.mount("/static", Static())

    @app.get("/")
    def index() -> HTMLResponse:
        names = [*SAMPLES, "refusal"]
        return HTMLResponse("".join(f'<p><a href="/page/{name}">{name}</a>' for name in names))

    @app.get("/page/{name}")
    def page(name: str, request: Request) -> Response:
        pages: Pages = app.state.pages
        if name == "refusal":
            request.state.request_id = "6f1d2c3b4a5968778695a4b3"
            refusal: DomainError = NotFound()
            return pages.refusal(request, refusal, {})
        template, sample = SAMPLES[name]
        return pages.render(request, template, **_for(sample, language_of(request).code))

    @app.get("/hostile/{name}")
    def hostile(name: str, request: Request) -> Response:
        pages: Pages = app.state.pages
        return pages.render(request, SAMPLES[name][0], **hostile_samples()[name])

    return app


if __name__ == "__main__":
    import asyncio

    from granian.constants import Interfaces
    from granian.server.embed import Server

    asyncio.run(Server(make_gallery(), port=8099, interface=Interfaces.ASGI).serve())
