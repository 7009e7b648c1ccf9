"""One way to every format, and the way into a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from states.drawing.dot import to_dot
from states.drawing.markdown import to_markdown
from states.drawing.mermaid import to_mermaid
from states.drawing.overlay import Overlay
from states.drawing.reading import AnyLifecycle, picture, states_of
from states.drawing.shipped import LayoutError, shipped
from states.drawing.svg import to_svg

Format: TypeAlias = Literal["svg", "mmd", "dot", "md"]


def render(
    lifecycle: AnyLifecycle,
    fmt: Format,
    overlay: Overlay | None = None,
    *,
    main_path_only: bool = False,
) -> str:
    """Draw a lifecycle: the whole, or its main path.

    Raises ``LayoutError`` for "svg" when no current layout is shipped for this table.
    """
    if fmt == "md":
        return to_markdown(lifecycle, overlay, main_path_only=main_path_only)
    drawn = picture(lifecycle, main_path_only=main_path_only)
    if fmt == "mmd":
        return to_mermaid(drawn, overlay)
    if fmt == "dot":
        return to_dot(drawn, overlay)
    return to_svg(shipped(drawn), overlay)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A lifecycle with an overlay, for example a live instance; shows itself in Jupyter."""

    lifecycle: AnyLifecycle
    overlay: Overlay | None = None
    main_path_only: bool = False

    def __str__(self) -> str:
        """One line, for where no picture can be shown."""
        table = self.lifecycle
        caption = self.overlay.caption() if self.overlay else ""
        size = f"{len(states_of(table, main_path_only=False))} states, {len(table.rules)} rules"
        return f"lifecycle {table.name}: {size}" + (f"; {caption}" if caption else "")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """The SVG picture; Mermaid within Markdown when the table has no shipped layout.

        Never both: a notebook would prefer the Markdown.
        """
        try:
            return {"image/svg+xml": self._drawn("svg"), "text/plain": str(self)}
        except LayoutError:
            mermaid = f"```mermaid\n{self._drawn('mmd')}```\n"
            return {"text/markdown": mermaid, "text/plain": str(self)}

    def _drawn(self, fmt: Format) -> str:
        return render(self.lifecycle, fmt, self.overlay, main_path_only=self.main_path_only)
