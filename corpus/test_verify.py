#!/usr/bin/env python3
"""python3 corpus/test_verify.py"""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ONE = "It is a truth universally acknowledged that a fortune wants a wife."
TWO = "Call me Ishmael, some years ago, never mind how long precisely."


def write(folder, split, documents):
    """A split as prepare.py writes it: (group, text) each."""
    text, index = b"", "offset\tbytes\tlang\tsource\tgroup\tid\n"
    for number, (group, body) in enumerate(documents):
        text += b"<|doc|>\n"
        index += f"{len(text)}\t{len(body.encode())}\ten\tbooks\t{group}\t{number}\n"
        text += body.encode() + b"\n\n"
    (folder / f"{split}.txt").write_bytes(text)
    (folder / f"{split}.idx.tsv").write_text(index, encoding="utf-8")


class Verify(unittest.TestCase):
    def check(self, train, valid, code, said):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            write(folder, "train", train)
            if valid is not None:
                write(folder, "valid", valid)
            command = [sys.executable, Path(__file__).with_name("verify.py"), folder]
            run = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(run.returncode, code, run.stdout + run.stderr)
            self.assertIn(said, run.stdout + run.stderr)

    def test_nothing_shared(self):
        self.check([("austen", ONE)], [("melville", TWO)], 0, "0 groups and 0 paragraphs")

    def test_a_paragraph_on_both_sides(self):
        shouted = TWO + "\n\n" + ONE.upper() + "!"
        self.check([("austen", ONE)], [("melville", shouted)], 1, "0 groups and 1 paragraphs")

    def test_a_book_on_both_sides(self):
        self.check([("austen", ONE)], [("austen", TWO)], 1, "books/austen")

    def test_what_is_no_corpus(self):
        self.check([("austen", ONE)], None, 2, "no held-out text")
        self.check([("austen", ONE + "\n<|doc|>\n" + TWO)], [("melville", TWO)], 2, "in it")


if __name__ == "__main__":
    unittest.main()
