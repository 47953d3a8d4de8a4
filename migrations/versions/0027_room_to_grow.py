"""Leave room in the pages of persons and keys: they change in place while records come in.

A person's row is kept whole up to a page: moved out of line, both of its sealed values would be
written anew there, with an index of their own, each time another agency's record comes.
"""

from alembic import op

revision = "0027_room_to_grow"
down_revision = "0026_extracts_are_compared"


def upgrade() -> None:
    """Leave room for the next version beside the one that there is."""
    op.execute("ALTER TABLE persons SET (fillfactor = 70, toast_tuple_target = 8160)")
    op.execute("ALTER TABLE linking_keys SET (fillfactor = 90)")


def downgrade() -> None:
    """Fill pages, and move long values out of line."""
    op.execute("ALTER TABLE persons RESET (fillfactor, toast_tuple_target)")
    op.execute("ALTER TABLE linking_keys RESET (fillfactor)")
