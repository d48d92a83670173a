"""The bulk mail that both sides send: the newsletter that ships, to invented people."""

from __future__ import annotations

from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail

TEMPLATE, LOCALE = "newsletter", "pt-BR"
_BODY = "\n\n".join(
    [
        "A partir de segunda-feira o portal mostra as faturas dos últimos doze meses, com o recibo "
        "de cada pagamento e a nota fiscal em PDF.",
        "Quem tem mais de um contrato escolhe no topo da página qual deles quer ver; o escolhido "
        "fica guardado até a próxima visita.",
        "Os boletos que venceram podem ser emitidos de novo, já com juros e multa calculados até "
        "a data do pagamento.",
        "Dúvidas? Responda a este e-mail: a nossa equipe lê de segunda a sexta, das 8 h às 18 h.",
    ]
)
_SHARED = {"title": "Suas faturas, num só lugar", "body": _BODY}


def addresses(count: int) -> list[str]:
    """As many addresses."""
    return [f"pessoa.{number}@example.com" for number in range(count)]


def variables(address: str) -> dict[str, str]:
    """What the template is filled in with for one of them."""
    return {**_SHARED, "name": address.partition("@")[0]}


def newsletter(count: int) -> SendBulkEmail:
    """The job that sends it to as many people."""
    mail = SendBulkEmail(template=TEMPLATE, locale=LOCALE, variables=_SHARED)
    for address in addresses(count):
        mail.recipients.add(address=address, variables={"name": variables(address)["name"]})
    return mail
