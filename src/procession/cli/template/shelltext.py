"""A template for sh: where in the shell's quoting each of its placeholders stands.

The text is read once, as sh reads it, into what stays as it is and placeholders, each with
the function that writes a value where it stands. What comes out is the text as it was
written, with two exceptions: comments are left out, because a value with a newline would end
one, and backquotes around a placeholder become `$( )`, which needs no quoting of quotes.

To the shell belong `${1}`, `${#}` and all else that is a variable to it, and `\\{}`, which is
no placeholder outside of quotes.
"""

from __future__ import annotations

import re

from procession.cli.errors import UsageError
from procession.cli.template.nodes import Node, Quoted, Repeated, Write, merged
from procession.cli.template.placeholders import Placeholder
from procession.cli.template.quoting import (
    in_arithmetic,
    in_braces,
    in_document,
    in_double,
    in_double_in_pattern,
    in_pattern,
    in_single,
    in_single_in_pattern,
    quote,
    quote_always,
)

# A line goes on behind it: sh takes it away before it looks for words.
CONTINUED = "\\\n"
GAP = r"(?:\\\n)*"
LETTERS = r"[A-Za-z_](?:[A-Za-z0-9_]|\\\n)*"
NAME = re.compile(rf"{LETTERS}|[0-9]|[@*#?$!-]")
BRACES = re.compile(
    rf"\$\{{{GAP}(?:#?{GAP}(?:{LETTERS}|[0-9]+|[@*#?$!-])|#){GAP}"
    r"(?P<operator>\}|:?[-=?+]|##?|%%?|[/^,:@\[])"
)
GAPS = re.compile(GAP)
END_OF_EXPRESSION = re.compile(rf"\){GAP}\)")
# A number beside one of these would be that of a descriptor.
REDIRECTION = re.compile(r"(?:[0-9]|\\\n)*[<>]")
DELIMITER = re.compile(r"""(-?)[ \t]*((?:'[^']*'|"[^"]*"|\\.|[^\s|&;<>()'"\\])+)""", re.DOTALL)
BACKQUOTES = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
ESCAPES = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
# How values are written outside of quotes.
OUTSIDE = (quote, quote_always, in_pattern)
# After these a command begins anew.
PREFIXES = frozenset(["!", "{", "if", "then", "else", "elif", "do", "while", "until", "time"])


def read_shell(text: str, find: re.Pattern[str], *, joined: bool) -> list[Node]:
    """Return a shell's command line as what is fixed in it and its placeholders.

    Args:
        joined: several values stand side by side where `{}` is; else the word around it is
            there once for each.

    Raises:
        UsageError: a quote is not closed, or a placeholder stands where nothing can be
            quoted.
    """
    return merged(Commands(Reader(text, find, joined)).read(inside=False))


def substitution(reader: Reader) -> list[Node]:
    """Read the commands of `$( )` to the parenthesis that ends them."""
    reader.position = reader.after_gap(reader.position)
    nodes = merged([*Commands(reader).read(inside=True), ")"])
    # Two parentheses would begin an expression.
    is_subshell = isinstance(nodes[0], str) and nodes[0].startswith("(")
    return ["$( " if is_subshell else "$(", *nodes]


class Reader:
    """The text of a command line, and how far it has been read."""

    def __init__(self, text: str, find: re.Pattern[str], joined: bool) -> None:
        self.text = text
        self.find = find
        self.joined = joined
        self.position = 0

    def take(self, length: int) -> str:
        taken = self.text[self.position : self.position + length]
        self.position += length
        return taken

    def placeholder(self) -> Placeholder | None:
        """Return the placeholder that begins here, which is then read."""
        match = self.find.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return Placeholder(match)

    def after_gap(self, position: int) -> int:
        """Return where the line goes on, if it ends there with a backslash."""
        match = GAPS.match(self.text, position)
        return match.end() if match else position

    def is_placeholder_at(self, position: int) -> bool:
        return self.find.match(self.text, position) is not None

    def unclosed(self, what: str) -> UsageError:
        return UsageError(f"{what} is not closed in the command: {self.text}")

    def misplaced(self, where: str) -> UsageError:
        return UsageError(
            f"a value cannot be quoted {where}; assign it to a variable before: {self.text}"
        )

    def single(self, write: Write) -> list[Node]:
        """Read a string in single quotes."""
        begin = self.position
        end = self.text.find("'", begin + 1)
        if end < 0:
            raise self.unclosed("a quote (')")
        nodes: list[Node] = []
        while self.position < end:
            match = self.find.search(self.text, self.position, end)
            nodes.append(self.take((match.start() if match else end) - self.position))
            if match:
                nodes.append(Quoted(Placeholder(match), write))
                self.position = match.end()
        nodes.append(self.take(1))
        return nodes

    def double(self, end: str, write: Write) -> list[Node]:
        """Read what is as in double quotes, to its end, which is "" for that of the text."""
        nodes: list[Node] = []
        escaped = '$`"\\\n' + end
        while self.position < len(self.text):
            placeholder = self.placeholder()
            char = self.text[self.position : self.position + 1]
            if placeholder:
                nodes.append(Quoted(placeholder, write))
            elif char == end:
                return nodes
            elif char == "\\":
                nodes.append(self.backslash(escaped))
            elif char == "$":
                nodes += self.dollar(write)
            elif char == "`":
                nodes += self.backquotes('$`\\"' if end == '"' else None)
            elif char == "'" and end == "}":
                # One of a pair to bash, unless it is in quotes of its own.
                self.position += 1
                nodes.append('"\'"')
            elif char == '"' and end == "}":
                self.position += 1
                nodes += ['"', *self.fixed(self.double('"', write), "in quotes within quotes"), '"']
                self.position += 1
            else:
                nodes.append(self.take(1))
        if end:
            raise self.unclosed('a quote (")' if end == '"' else "${")
        return nodes

    def backslash(self, escaped: str) -> str:
        """Read a backslash in double quotes, and what it escapes."""
        if self.text[self.position + 1 : self.position + 2] in escaped:
            return self.take(2)
        self.position += 1
        return "\\\\" if self.is_placeholder_at(self.position) else "\\"

    def fixed(self, nodes: list[Node], where: str) -> list[Node]:
        """Refuse placeholders where there is no way to quote."""
        if all(isinstance(node, str) for node in nodes):
            return nodes
        raise self.misplaced(where)

    def dollar(self, write: Write) -> list[Node]:
        """Read what a dollar sign begins, where values are written in that way."""
        text, position = self.text, self.position
        if text.startswith("$((", position):
            nodes = self.arithmetic()
            if nodes is not None:
                return nodes
        if text.startswith("$(", position):
            self.position += 2
            return substitution(self)
        match = BRACES.match(text, position)
        if match:
            self.position = match.end()
            return [match[0], *self.braces(match["operator"], write)]
        if text.startswith("$'", position) and write in OUTSIDE:
            return self.escapes()
        match = NAME.match(text, position + 1)
        if match:
            found = self.find.search(text, position + 2, match.end())
            end = found.start() if found else match.end()
            self.position = end
            name = text[position + 1 : end]
            if self.is_placeholder_at(self.after_gap(end)):
                return [f"${{{name.replace(CONTINUED, '')}}}"]
            return [f"${name}"]
        if text.startswith(CONTINUED, position + 1):
            raise UsageError(f"a line goes on behind a dollar sign in the command: {text}")
        self.position += 1
        # Neither a value nor what is written for backquotes makes a variable of it.
        is_beside = self.is_placeholder_at(self.position) or text.startswith("`", self.position)
        return ["\\$" if is_beside else "$"]

    def arithmetic(self) -> list[Node] | None:
        """Read an expression; return None, with nothing read, if it is a substitution."""
        begin = self.position
        nodes: list[Node] = [self.take(3)]
        depth = 0
        while self.position < len(self.text):
            placeholder = self.placeholder()
            char = self.text[self.position : self.position + 1]
            if placeholder:
                nodes.append(Quoted(placeholder, in_arithmetic))
            elif char == ")" and depth == 0:
                match = END_OF_EXPRESSION.match(self.text, self.position)
                if match is None:
                    break
                return [*nodes, self.take(len(match[0]))]
            elif char == "$":
                nodes += self.dollar(in_arithmetic)
            elif char == "`":
                nodes += self.backquotes(None)
            else:
                depth += (char == "(") - (char == ")")
                nodes.append(self.take(2 if char == "\\" else 1))
        self.position = begin
        return None

    def braces(self, operator: str, write: Write) -> list[Node]:
        """Read the word of `${name-word}` and the brace that ends it."""
        if operator == "}":
            return []
        if operator[-1] in "-=?+" and write not in OUTSIDE:
            nodes = self.double("}", in_braces)
        else:
            nodes = self.pattern()
            if operator[0] in "/^,@[" or operator == ":":
                self.fixed(nodes, f"in ${{ }} after {operator}")
        if write not in (*OUTSIDE, in_double, in_double_in_pattern, in_braces):
            self.fixed(nodes, "in ${ } in a here-document or an expression")
        return [*nodes, self.take(1)]

    def pattern(self) -> list[Node]:
        """Read a word to the brace that ends it; quotes are quotes in it."""
        nodes: list[Node] = []
        while self.position < len(self.text):
            if self.text[self.position] == "}" and not self.is_placeholder_at(self.position):
                return nodes
            nodes += self.element(in_pattern)
        raise self.unclosed("${")

    def element(self, write: Write) -> list[Node]:
        """Read what is next outside of quotes: a placeholder, a quotation, or a character."""
        placeholder = self.placeholder()
        if placeholder:
            return [Quoted(placeholder, write)]
        char = self.text[self.position]
        if char == "'":
            return self.single(in_single if write is not in_pattern else in_single_in_pattern)
        if char == '"':
            self.position += 1
            inner = in_double if write is not in_pattern else in_double_in_pattern
            return ['"', *self.double('"', inner), self.take(1)]
        if char == "$":
            return self.dollar(write)
        if char == "`":
            return self.backquotes("$`\\")
        return [self.take(2 if char == "\\" else 1)]

    def escapes(self) -> list[Node]:
        """Read `$'...'`, which some shells have."""
        match = ESCAPES.match(self.text, self.position)
        if match is None:
            raise self.unclosed("a quote ($')")
        if self.find.search(match[0]):
            raise self.misplaced("in $' '")
        return [self.take(len(match[0]))]

    def backquotes(self, escaped: str | None) -> list[Node]:
        """Read a command in backquotes; one with a placeholder is written in `$( )`.

        Args:
            escaped: what a backslash escapes there besides; None if shells differ.
        """
        match = BACKQUOTES.match(self.text, self.position)
        if match is None:
            raise self.unclosed("a quote (`)")
        self.position = match.end()
        text = match[1]
        if not self.find.search(text):
            return [match[0]]
        if escaped is None:
            if '\\"' in text:
                raise self.misplaced('in backquotes with \\" in this place')
            escaped = "$`\\"
        text = re.sub(rf"\\([{re.escape(escaped)}])", r"\1", text)
        # The line that ends a here-document has nothing beside it.
        end = "\n)" if "<<" in text else ")"
        return substitution(Reader(text + end, self.find, self.joined))


class Commands:
    """Commands as they are read: their words, and what of the grammar tells of their end."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.nodes: list[Node] = []
        self.word: list[Node] = []
        # Whether the word that is next could be a command or a reserved word.
        self.is_first = True
        self.is_target = False
        # Each "(" and each "case" that is open: a parenthesis ends the one, not the other.
        self.open: list[str] = []
        # Of here-documents that begin at the next line: delimiter, is quoted, skips tabs.
        self.documents: list[tuple[str, bool, bool]] = []

    def read(self, *, inside: bool) -> list[Node]:
        reader = self.reader
        while reader.position < len(reader.text):
            char = reader.text[reader.position]
            if reader.is_placeholder_at(reader.position):
                self.word += reader.element(self.write())
            elif char in " \t":
                self.end_word()
                self.nodes.append(reader.take(1))
            elif char == "#" and not self.word:
                end = reader.text.find("\n", reader.position)
                reader.position = len(reader.text) if end < 0 else end
            elif char in "<>":
                self.redirect()
            elif reader.text.startswith(CONTINUED, reader.position):
                (self.word or self.nodes).append(reader.take(2))
            elif char in "\n;&|(":
                self.operator()
            elif char == ")":
                self.end_word()
                if not self.open and inside:
                    reader.position += 1
                    return self.nodes
                if self.open and self.open[-1] == "(":
                    self.open.pop()
                self.is_first = True
                self.nodes.append(reader.take(1))
            else:
                self.word += reader.element(quote)
        if inside:
            raise reader.unclosed("$(")
        if self.documents:
            raise reader.unclosed("a here-document")
        self.end_word()
        return self.nodes

    def write(self) -> Write:
        """Return how a value is written: in quotes where it would join with what is beside."""
        reader = self.reader
        match = reader.find.match(reader.text, reader.position)
        after = match.end() if match else reader.position
        if REDIRECTION.match(reader.text, after):
            return quote_always
        if self.is_first:
            before = "".join(node for node in self.word if isinstance(node, str))
            after = reader.after_gap(after)
            follows = reader.text[after : after + 1]
            if self.word and "=" not in before:
                return quote_always
            if not self.word and (follows.isalpha() or reader.is_placeholder_at(after)):
                return quote_always
        return quote

    def operator(self) -> None:
        self.end_word()
        char = self.reader.take(1)
        self.nodes.append(char)
        self.is_first = True
        self.is_target = False
        if char == "(":
            self.open.append(char)
        elif char == "\n":
            for delimiter, is_quoted, skips_tabs in self.documents:
                self.document(delimiter, is_quoted, skips_tabs)
            self.documents.clear()

    def redirect(self) -> None:
        reader = self.reader
        was_first = self.is_first
        self.end_word()
        if reader.text.startswith(CONTINUED, reader.position + 1):
            raise UsageError(f"a line goes on behind < or > in the command: {reader.text}")
        if self.nodes and str(self.nodes[-1]).isdigit():
            self.is_first = was_first
        if reader.text.startswith("<<<", reader.position):
            self.nodes.append(reader.take(3))
        elif reader.text.startswith("<<", reader.position):
            self.nodes.append(reader.take(2))
            match = DELIMITER.match(reader.text, reader.position)
            if match:
                if reader.find.search(match[0]):
                    raise reader.misplaced("as the delimiter of a here-document")
                self.nodes.append(reader.take(len(match[0])))
                delimiter = re.sub(r"""\\(.)|['"]""", r"\1", match[2])
                self.documents.append((delimiter, delimiter != match[2], match[1] == "-"))
            return
        else:
            self.nodes.append(reader.take(1))
            # `>&1` and `>|file`: no command begins after these.
            if reader.text[reader.position : reader.position + 1] in ("&", "|", ">"):
                self.nodes.append(reader.take(1))
        self.is_target = True

    def document(self, delimiter: str, is_quoted: bool, skips_tabs: bool) -> None:
        """Read a here-document with the line that ends it."""
        reader = self.reader
        begin = end = reader.position
        is_continued = False
        for line in reader.text[begin:].split("\n"):
            if not is_continued and delimiter == (line.lstrip("\t") if skips_tabs else line):
                break
            backslashes = len(line) - len(line.rstrip("\\"))
            is_continued = not is_quoted and backslashes % 2 == 1
            end += len(line) + 1
        else:
            raise reader.unclosed("a here-document")
        body = reader.text[begin:end]
        reader.position = end
        if is_quoted:
            if reader.find.search(body):
                raise reader.misplaced("in a here-document with a quoted delimiter")
            self.nodes.append(body)
        else:
            write = in_document(delimiter)
            nodes = Reader(body, reader.find, reader.joined).double("", write)
            # bash looks for the delimiter in what a command has in quotes there, too.
            for node in nodes:
                is_here = isinstance(node, Quoted) and node.write is write
                if not isinstance(node, str) and not is_here:
                    raise reader.misplaced("in a command in a here-document")
            self.nodes += nodes
        self.nodes.append(reader.take(len(line)))

    def end_word(self) -> None:
        """Take up the word that ends here, and what it says of the next one."""
        word, self.word = self.word, []
        if not word:
            return
        text = "".join(node if isinstance(node, str) else "{}" for node in word)
        text = text.replace(CONTINUED, "")
        if self.is_target:
            self.is_target = False
        elif text == "in" and self.open and self.open[-1] == "case":
            self.is_first = True
        elif self.is_first:
            if text == "case":
                self.open.append(text)
            elif text == "esac" and self.open and self.open[-1] == "case":
                self.open.pop()
            self.is_first = text in PREFIXES or ASSIGNMENT.match(text) is not None
        is_each = any(isinstance(node, Quoted) and node.placeholder.is_each for node in word)
        if is_each and not self.reader.joined:
            self.nodes.append(Repeated(merged(word)))
        else:
            self.nodes += word
