"""Pictures of lifecycles, read from their tables: SVG, Mermaid, DOT and Markdown.

``render`` draws any lifecycle; an ``Overlay`` shows where an instance is and how it came there, or
how many instances are where. ``python -m states.drawing diagrams`` writes the gallery.
"""

from states.drawing.dot import to_dot
from states.drawing.formats import Drawing, Format, render
from states.drawing.markdown import to_markdown
from states.drawing.mermaid import to_mermaid
from states.drawing.overlay import Overlay
from states.drawing.picture import Picture
from states.drawing.reading import picture
from states.drawing.shipped import LayoutError
from states.drawing.svg import to_svg

__all__ = [
    "Drawing",
    "Format",
    "LayoutError",
    "Overlay",
    "Picture",
    "picture",
    "render",
    "to_dot",
    "to_markdown",
    "to_mermaid",
    "to_svg",
]
