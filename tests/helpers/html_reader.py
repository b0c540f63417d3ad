"""A page as a browser reads it: tags with attributes, and text."""

from html.parser import HTMLParser


class HtmlReader(HTMLParser):
    """The tags of a page, its visible text, and its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.blocks else ""
        if self._inside:
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[self._inside][-1] += data
        else:
            self.text += data

    def inline_handlers(self) -> set[str]:
        """Return the attributes that hold scripts or styles."""
        return {
            name
            for _, attributes in self.tags
            for name in attributes
            if name.startswith("on") or name == "style"
        }
