"""What the server loads in each of its processes."""

from typing import TYPE_CHECKING

from app.loading import loading_for_good

if TYPE_CHECKING:
    from app.main import Civitas


def from_environment() -> "Civitas":
    """Load the application, and make it from `CIVITAS_…`."""
    with loading_for_good():
        from app import main  # noqa: PLC0415

        return main.from_environment()
