"""The public JSON shapes: what the REST API answers, and what the command line prints with ``--json``.

A model reads a frozen value of the domain or the pipeline by its attributes (``Model.model_validate(value)``). A field
takes the attribute of its own name; where the value keeps it further down, ``read_from`` says where. No field is copied
by hand: each is declared once.
"""
