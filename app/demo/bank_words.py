"""What the demo bank says, in two languages."""

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "ru": {
        "bank": "Банк «Ясень» (демо)",
        "brand": "Ясень",
        "demo": "демонстрационный банк",
        "offer": "Кредит на обустройство дома",
        "offer_text": "До 1 500 000 ₽ под 14,9 % годовых. Без бумаг: данные и справки придут "
        "прямо из реестра и вашего хранилища, если вы разрешите.",
        "sign_in": "Войти через Civitas",
        "sign_in_note": "Вы увидите, какие данные мы просим и зачем. Отозвать согласие можно в "
        "любой момент.",
        "continue": "Вернуться к заявке",
        "steps": "Как это работает",
        "step_1": "Вы входите на сайте Civitas. Пароль нам не передаётся.",
        "step_2": "Вы решаете, какими данными поделиться.",
        "step_3": "Мы получаем их с подписью государства и датой. Копий документов не нужно.",
        "application": "Ваша заявка",
        "received": "Мы получили эти данные с вашего согласия. Каждое значение подписано и имеет "
        "источник.",
        "verified": "Подпись проверена",
        "key": "ключ",
        "item": "Сведения",
        "value": "Значение",
        "source": "Источник",
        "as_of": "На дату",
        "documents": "Документы",
        "download": "Скачать",
        "no_documents": "Документов нет.",
        "read_again": "Прочитать ещё раз",
        "read_again_note": "Каждое чтение видно в вашем журнале в Civitas. Отзовите согласие там и "
        "нажмите эту кнопку: мы получим отказ.",
        "open_civitas": "Открыть мой Civitas",
        "sign_out": "Выйти",
        "refused": "Данные не получены",
        "denied": "Вы не разрешили передать данные. Заявку можно заполнить вручную в отделении.",
        "withdrawn": "Вы отозвали согласие, и Civitas больше не отдаёт нам ваши данные.",
        "not_signed_in": "Сначала войдите.",
        "other_refusal": "Civitas отказал в ответе.",
        "home": "На главную",
    },
    "en": {
        "bank": "Yasen Bank (demo)",
        "brand": "Yasen",
        "demo": "a demonstration bank",
        "offer": "A loan for your home",
        "offer_text": "Up to 1,500,000 ₽ at 14.9 % a year. No paperwork: the data and certificates "
        "come straight from the register and your vault, if you allow it.",
        "sign_in": "Sign in with Civitas",
        "sign_in_note": "You will see what we ask for and why. You can withdraw your consent at "
        "any time.",
        "continue": "Back to your application",
        "steps": "How it works",
        "step_1": "You sign in at Civitas. We never see your password.",
        "step_2": "You decide what to share.",
        "step_3": "We get it signed and dated by the state. No copies of documents.",
        "application": "Your application",
        "received": "We received this with your consent. Every value is signed and has a source.",
        "verified": "Signature verified",
        "key": "key",
        "item": "Item",
        "value": "Value",
        "source": "Source",
        "as_of": "As of",
        "documents": "Documents",
        "download": "Download",
        "no_documents": "No documents.",
        "read_again": "Read again",
        "read_again_note": "Every read shows in your log at Civitas. Withdraw the consent there "
        "and press this button: we will be refused.",
        "open_civitas": "Open my Civitas",
        "sign_out": "Sign out",
        "refused": "We did not get the data",
        "denied": "You did not allow the data to be shared. You can apply on paper at a branch.",
        "withdrawn": "You withdrew your consent, and Civitas no longer gives us your data.",
        "not_signed_in": "Sign in first.",
        "other_refusal": "Civitas refused to answer.",
        "home": "Home",
    },
}

ITEM_WORDS: Mapping[str, Mapping[str, str]] = {
    "ru": {
        "family_name": "Фамилия",
        "given_name": "Имя",
        "middle_name": "Отчество",
        "birthdate": "Дата рождения",
        "passport": "Паспорт",
        "snils": "СНИЛС",
        "inn": "ИНН",
        "registration_address": "Адрес регистрации",
    },
    "en": {
        "family_name": "Family name",
        "given_name": "Given name",
        "middle_name": "Patronymic",
        "birthdate": "Date of birth",
        "passport": "Passport",
        "snils": "SNILS",
        "inn": "INN",
        "registration_address": "Registered address",
    },
}
"""What the bank calls the items that it asks for."""
