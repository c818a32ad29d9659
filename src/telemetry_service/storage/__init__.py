"""The database: the only user of SQLAlchemy. Everything goes in and out as types of ``domain/``."""
