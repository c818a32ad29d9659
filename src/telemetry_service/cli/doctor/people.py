"""Who can log in, and which tokens will soon be refused."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result
from telemetry_service.cli.output import moment
from telemetry_service.domain.errors import IssuerUnavailableError
from telemetry_service.identity.tokens import EXPIRES_SOON

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject

_NAMED = 5


def administrator(subject: "Subject") -> Finding:
    """Return whether anyone can log in."""
    authentication = subject.service.authentication
    if authentication.has_other_ways:
        return Finding("administrator", Result.OK, "People log in at the identity provider or through the console.")
    if authentication.accounts.exist():
        return Finding("administrator", Result.OK, "The administrator has a password.")
    sentence = "No one can log in yet. Set a password with: telemetry-service admin set-password"
    return Finding("administrator", Result.WARNING, sentence)


def issuers(subject: "Subject") -> Finding:
    """Return whether the keys of the identity provider and the gateway can be read."""
    authentication = subject.service.authentication
    ways = [way for way in (authentication.provider, authentication.gateway) if way is not None]
    if not ways or subject.offline:
        sentence = "No identity provider or gateway is configured." if not ways else "Skipped: --offline."
        return Finding("issuers", Result.SKIPPED, sentence)
    try:
        for way in ways:
            way.check()
    except IssuerUnavailableError as error:
        sentence = f"The identity provider, or the keys of the gateway, cannot be read ({error.cause}). Check its URL."
        return Finding("issuers", Result.WARNING, sentence)
    return Finding("issuers", Result.OK, "The keys that verify people's identities can be read.")


def tokens(subject: "Subject") -> Finding:
    """Return which service tokens expire soon."""
    listed = subject.service.authentication.tokens.list()
    soon = [facts for facts in listed if facts.expires_soon(subject.now)]
    if soon:
        named = ", ".join(f"{facts.name} at {moment(facts.expires_at)}" for facts in soon[:_NAMED])
        sentence = f"Service tokens expire soon: {named}. Create new ones, give them to their users, and revoke these."
        return Finding("tokens", Result.WARNING, sentence)
    sentence = f"No service token expires within {EXPIRES_SOON.days} days."
    if subject.service.runtime.deployment.bootstrap_token:
        sentence += " TELEMETRY_BOOTSTRAP_TOKEN is set: anyone who has it may change everything until you remove it."
    return Finding("tokens", Result.OK, sentence)
