"""Why the source cannot be read: each with a code, a sentence, and who can do something about it."""

from collections.abc import Sequence
from typing import ClassVar

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.source import RESTORED, Obstacle


class SourceError(TelemetryError):
    """The root of what stops the reading of the source. Nothing is lost by it: reading continues where it stopped."""

    code = "source-failed"
    sentence = "The source database could not be read."
    next_step: ClassVar[str] = "Check the log of the source database."
    owner: ClassVar[Owner] = Owner.DEPLOYMENT
    passing: ClassVar[bool] = False
    """Whether it may pass on its own within minutes."""


class SourceAwayError(SourceError):
    """The source does not respond, or is busy."""

    code = "source-away"
    sentence = "The source database cannot be reached or is busy. Nothing is lost; it is read once it responds."
    next_step = "Check that it runs, and that TELEMETRY_SOURCE_DATABASE_URL leads to it."
    passing = True


class SourceDeniedError(SourceError):
    """The source refuses the login or the right to read a view."""

    code = "source-denied"
    sentence = "The source database refuses the login, or the right to read one of the views."
    next_step = "Let the owner of the views grant SELECT to the role of TELEMETRY_SOURCE_DATABASE_URL."

    def __init__(self, views: Sequence[str] = ()) -> None:
        """Name the views that may not be read, if known."""
        super().__init__(f"The role may not read {', '.join(views)} of the source database." if views else None)


class SourceSchemaError(SourceError):
    """The views are not as documented."""

    code = "source-schema"
    sentence = "A view of the source database is missing, or fails."
    next_step = "Correct the views; docs/integrating.md has their SQL."

    def __init__(self, problems: Sequence[str] = ()) -> None:
        """Keep one sentence for each problem, which names view and column."""
        self.problems = tuple(problems)
        super().__init__(" ".join(problems) or None)


class SourceViewFailsError(SourceError):
    """The query of a view fails for one of its rows."""

    code = "source-view-fails"
    sentence = "The query of a view fails for a row of the source database, so reading stops before it."
    next_step = "Correct the view, so that it returns a value for every row."


class SourceSlowError(SourceError):
    """Reading a few rows takes too long."""

    code = "source-slow"
    sentence = "Reading the source database takes longer than its time limit."
    next_step = (
        "Create an index on (position, row_key) of the table behind telemetry_source_events, and let row_key tell its"
        " rows apart."
    )


class SourceRowRefusedError(SourceError):
    """A row cannot be counted. It is not skipped: no one could say later which rows were left out."""

    code = "source-row-refused"
    sentence = "A row of the source database cannot be counted, so reading stops before it."
    next_step = "Let the view give this row a valid value, or leave it out. Reading then continues automatically."

    def __init__(self, view: str, column: str, row: str = "") -> None:
        """Name the column and the row; ``row`` is a place, never a text of the row."""
        super().__init__(f"{view}.{column} is not valid{row}, so reading stops before this row.")


class SourceFullError(SourceError):
    """The open period, the registry, or the list of waiting codes has no room for what was read."""

    code = "source-full"
    sentence = (
        "The open period has no room for the next rows of the source: they would exceed TELEMETRY_MAX_BOUNCERS, or a"
        " total would exceed 2^53-1. Reading stops before them."
    )
    next_step = "Raise TELEMETRY_MAX_BOUNCERS, or wait for the next period; reading then continues automatically."


class SourceRestoredError(SourceError):
    """The source is an older copy of what was read: it was restored from a backup, or is another database."""

    code = RESTORED
    sentence = (
        "The source database has gone back: its position, or the row that was read last, is not there. It was restored"
        " from a backup, or it is another database. Nothing is read, so that nothing counts twice."
    )
    next_step = (
        "Decide where to continue, and run telemetry-service source reset --from now (or a position; or cursor, if it"
        " was not restored)."
    )


class SourcePositionsError(SourceError):
    """Rows have positions that no transaction of this cluster has yet: another cluster gave them out."""

    code = "source-positions"
    sentence = (
        "Rows of telemetry_source_events have positions that this PostgreSQL cluster has not reached: another cluster"
        " gave them out. Nothing is read, so that nothing counts twice."
    )
    next_step = "Give the rows positions of this cluster, as docs/integrating.md shows for a moved database."


class SourceReplicaBehindError(SourceError):
    """Reading cannot begin on a replica while a transaction of its cluster runs for long."""

    code = "source-replica-behind"
    sentence = (
        "A transaction of the cluster behind this read-only replica has been open for so long that it is not known"
        " which rows were there already. Reading has not begun."
    )
    next_step = "Let the transaction end. Reading then begins automatically."


class SourceRepeatedError(SourceError):
    """A file has several rows with one position, so some of them would be missed."""

    code = "source-position-repeated"
    sentence = (
        "Several rows of telemetry_source_events have the same position. In a file, a position is the key of one row,"
        " so others could be missed. Reading stops before them."
    )
    next_step = "Let the view read the rows of one table only, and each row once."

    def __init__(self, position: object = None) -> None:
        """Name the ``position``, if known."""
        place = f" the position {position}. " if isinstance(position, int) else None
        super().__init__(self.sentence.replace(" the same position. ", place) if place else None)


class SourceStateUnreadableError(SourceError):
    """Our own rows about the source hold what this service never writes."""

    code = "source-state-unreadable"
    sentence = "A row that says how far the source was read holds what this service never writes, so nothing is read."
    next_step = "Find out who changed the telemetry database, and restore the row from a backup."

    def __init__(self, column: str = "") -> None:
        """Name the ``column``, with its table."""
        super().__init__(f"{self.sentence} Unreadable: {column}." if column else None)


def source_error(code: str) -> type[SourceError]:
    """Return the error with this code; the root if there is none."""
    return next((kind for kind in SourceError.__subclasses__() if kind.code == code), SourceError)


def stored_error(obstacle: Obstacle) -> SourceError:
    """Return the error that was noted as this obstacle, with its sentence."""
    kind = source_error(obstacle.code)
    error = kind.__new__(kind)
    SourceError.__init__(error, obstacle.text)  # Its own one takes the parts of the sentence, which are not kept.
    return error


class SourceMissingError(TelemetryError):
    """The deployment names no source."""

    code = "source-not-configured"
    sentence = "No source database is configured (TELEMETRY_SOURCE_DATABASE_URL)."


class SourceNotBegunError(TelemetryError):
    """The source has not been read yet, so there is no cursor."""

    code = "source-not-begun"
    sentence = "The source database has not been read yet. Start the service, which begins to read it."


class CatchUpRefusedError(TelemetryError):
    """These rows cannot be caught up on."""

    code = "catch-up-refused"
    sentence = "These rows cannot be caught up on."
