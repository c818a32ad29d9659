"""The public JSON shapes: the responses of the REST API, and the output of the command line with ``--json``.

A model reads a frozen value of the domain or the pipeline by its attributes (``Model.model_validate(value)``). A field
reads the attribute with its name; if the value has it elsewhere, ``read_from`` says where. No field is copied by hand:
each is declared once.
"""
