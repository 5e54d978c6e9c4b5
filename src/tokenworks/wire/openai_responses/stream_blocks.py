"""Items of a stream of a response as events about numbered blocks.

Each thing is told several times on this wire: in pieces, whole when it ends, in its part, its item and
in the response. What was told before is not told again; what the pieces left out is added.
"""

from __future__ import annotations

from tokenworks.wire.answer import (
    BlockEnd,
    Event,
    ImagePiece,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    new_call_id,
)
from tokenworks.wire.openai_responses.output import BETWEEN, Item, Part
from tokenworks.wire.signature import RESPONSES

_THOUGHT = -1  # in place of a part's index


class _Block:
    """One block: its number, and how many characters were told of it (or of the last part of a thought)."""

    __slots__ = ("call", "ended", "length", "number", "part")

    def __init__(self, number: int, call: bool) -> None:
        self.number = number
        self.call = call
        self.length = 0
        self.ended = False
        self.part: tuple[str, int] = ("", 0)  # of a thought: its text or summary, and which part of it


class Items:
    """Every item of one response, by its index in the output."""

    __slots__ = ("blocks", "called", "ids", "next")

    def __init__(self) -> None:
        self.blocks: dict[tuple[int, int], _Block] = {}  # the last one of each item and part
        self.ids: dict[int, str] = {}  # of thoughts, as long as they were not told
        self.next = 0
        self.called = False

    # --- items --------------------------------------------------------------------------------

    def begin(self, index: int, item: Item, out: list[Event]) -> None:
        """The item was added; arguments that come with it are kept."""
        if item.type == "function_call":
            self._call(index, item, out)
        elif item.type == "reasoning":
            self.ids[index] = item.id or ""

    def finish(self, index: int, item: Item, out: list[Event]) -> None:
        """The item is done."""
        if item.type == "message":
            for number, part in enumerate(item.content or ()):
                self.part(index, number, part, out)
                self.part_end(index, number, out)
        elif item.type == "function_call":
            if (index, 0) not in self.blocks:
                self._call(index, item, out)
            self.arguments_so_far(index, item.arguments_text, out)
            self._end((index, 0), out)
        elif item.type == "reasoning":
            self._reasoned(index, item, out)
        elif item.image is not None:
            out.append(ImagePiece(self._begin((index, 0)).number, item.image))
            self._end((index, 0), out)

    def end(self, output: list[Item], out: list[Event]) -> None:
        """The response is complete; its ``output`` is told where nothing was told before."""
        if not self.blocks:
            for index, item in enumerate(output):
                self.finish(index, item, out)
        for key in self.blocks:
            self._end(key, out)

    # --- pieces -------------------------------------------------------------------------------

    def text(self, index: int, part: int, text: str, out: list[Event]) -> None:
        """More text."""
        block = self.blocks.get((index, part))
        if block is None or block.ended:
            block = self._begin((index, part))
        block.length += len(text)
        out.append(TextPiece(block.number, text))

    def text_so_far(self, index: int, part: int, text: str, out: list[Event]) -> None:
        """All of the text."""
        rest = self._rest((index, part), text)
        if rest:
            self.text(index, part, rest, out)

    def refusal(self, index: int, part: int, text: str, out: list[Event]) -> None:
        """More of a refusal."""
        block = self.blocks.get((index, part))
        if block is None or block.ended:
            block = self._begin((index, part))
        block.length += len(text)
        out.append(RefusalPiece(block.number, text))

    def refusal_so_far(self, index: int, part: int, text: str, out: list[Event]) -> None:
        """All of a refusal."""
        rest = self._rest((index, part), text)
        if rest:
            self.refusal(index, part, rest, out)

    def part(self, index: int, number: int, part: Part, out: list[Event]) -> None:
        """A part of a message as it stands."""
        if part.text and part.type != "reasoning_text":
            self.text_so_far(index, number, part.text, out)
        elif part.refusal:
            self.refusal_so_far(index, number, part.refusal, out)

    def part_end(self, index: int, number: int, out: list[Event]) -> None:
        """A part of a message is done."""
        self._end((index, number), out)

    def arguments(self, index: int, text: str, out: list[Event]) -> None:
        """More of a call's arguments."""
        block = self.blocks.get((index, 0))
        if block is not None and block.call and not block.ended:
            block.length += len(text)
            out.append(ToolPiece(block.number, text))

    def arguments_so_far(self, index: int, text: str, out: list[Event]) -> None:
        """All of a call's arguments."""
        rest = self._rest((index, 0), text)
        if rest:
            self.arguments(index, rest, out)

    def thought(self, index: int, part: tuple[str, int], text: str, out: list[Event]) -> None:
        """More of a thought. Where both its text and a summary are told, the first of them is."""
        block = self.blocks.get((index, _THOUGHT))
        id = ""
        if block is None or block.ended:
            block = self._begin((index, _THOUGHT))
            block.part = part
            id = self.ids.pop(index, "")
        elif block.part[0] != part[0]:
            return
        elif block.part != part:
            block.part, block.length = part, 0
            out.append(ThinkingPiece(block.number, BETWEEN, format=RESPONSES))
        block.length += len(text)
        out.append(ThinkingPiece(block.number, text, id=id, format=RESPONSES))

    def thought_so_far(self, index: int, part: tuple[str, int], text: str, out: list[Event]) -> None:
        """All of one part of a thought."""
        block = self.blocks.get((index, _THOUGHT))
        if block is not None and block.part == part:
            text = self._rest((index, _THOUGHT), text)
        elif block is not None and (block.ended or block.part[1] > part[1]):
            return
        if text:
            self.thought(index, part, text, out)

    # --- blocks -------------------------------------------------------------------------------

    def _call(self, index: int, item: Item, out: list[Event]) -> None:
        block = self._begin((index, 0), call=True)
        self.called = True
        text = item.arguments_text
        text = "" if text == "{}" else text  # says only that nothing is known yet
        block.length = len(text)
        call_id = item.call_id or item.id or new_call_id()
        out.append(ToolPiece(block.number, text, call_id, item.name or ""))

    def _reasoned(self, index: int, item: Item, out: list[Event]) -> None:
        thinking = item.thinking
        if thinking is None:
            return
        key = (index, _THOUGHT)
        block = self.blocks.get(key)
        if block is None:
            text, signature, data, id = thinking.text, thinking.signature, thinking.redacted, thinking.id
            number = self._begin(key).number
            out.append(ThinkingPiece(number, text, signature, data, id, RESPONSES))
        elif item.encrypted_content and not block.ended:
            out.append(ThinkingPiece(block.number, signature=item.encrypted_content, format=RESPONSES))
        self._end(key, out)

    def _begin(self, key: tuple[int, int], call: bool = False) -> _Block:
        block = self.blocks[key] = _Block(self.next, call)
        self.next += 1
        return block

    def _rest(self, key: tuple[int, int], whole: str) -> str:
        """What was not told yet of ``whole``."""
        block = self.blocks.get(key)
        if block is None:
            return whole
        return "" if block.ended else whole[block.length :]

    def _end(self, key: tuple[int, int], out: list[Event]) -> None:
        block = self.blocks.get(key)
        if block is None or block.ended:
            return
        block.ended = True
        if block.call and not block.length:
            out.append(ToolPiece(block.number, "{}"))
        out.append(BlockEnd(block.number))
