"""What is sealed under which key, so that none is removed too early."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.key_texts import credentials_text, old_api_key_text, sealed_text
from telemetry_service.domain.locks import set_by
from telemetry_service.pipeline.actions.apply_configured import other_settings
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.sealed_values import count_sealed, running_key_lists
from telemetry_service.pipeline.snapshot import read_now

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject


def sealed(subject: "Subject") -> Finding:
    """Open every sealed value, which says what depends on which key of ENCRYPTION_KEY."""
    runtime = subject.service.runtime
    with runtime.database.read() as tx:
        counts, running = count_sealed(runtime, tx), running_key_lists(runtime, tx)
    sentence = sealed_text(counts, runtime.keys.ids, running)
    if counts.unreadable.total():
        return wrong("sealed", sentence, ExitCode.SETTINGS)
    left = counts.older.total() or counts.unbound.total()
    return Finding("sealed", Result.WARNING if left else Result.OK, sentence)


def credentials(subject: "Subject") -> Finding:
    """Return what depends on which key of CREDENTIAL_ENCRYPTION_KEY."""
    with subject.service.runtime.database.read() as tx:
        use = subject.service.authentication.key_use(tx, subject.now)
    return Finding("credentials", Result.WARNING if use.older or use.lost else Result.OK, credentials_text(use))


def locked(subject: "Subject") -> Finding:
    """Return what the deployment sets in the place of an administrator, and whether it is saved like this."""
    runtime = subject.service.runtime
    with runtime.database.read() as tx:
        different = other_settings(runtime, tx)
    if different:
        sentence = (
            f"What is saved differs from {set_by(different)}: the service has not started with this yet, or another"
            " replica has other variables. Restart all replicas with the same ones."
        )
        return Finding("locked", Result.WARNING, sentence)
    if not runtime.configured.locked:
        return Finding("locked", Result.OK, "The deployment leaves all settings and the API key to the administrator.")
    return Finding("locked", Result.OK, f"Set by the deployment, and locked here: {set_by(runtime.configured.locked)}.")


def old_api_key(subject: "Subject") -> Finding:
    """Return whether the API key before the present one is still tried."""
    configuration = read_now(subject.service.runtime, read_configuration)
    return Finding("old API key", Result.OK, old_api_key_text(configuration.old_api_key))
