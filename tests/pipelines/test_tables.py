"""Tables: formats, headers, quotes, encodings, the choice of columns, errors with their place."""

import codecs
import gzip
import json

import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.tables.columns import (
    IMAGE,
    LABEL,
    TEXT,
    choose_columns,
    known_names,
    label_texts,
)
from errorflow.pipelines.datasets.tables.table import read_table
from errorflow.pipelines.datasets.utf8 import check_encoding

ROWS = [[f'a "fine" film, {i}; no | bar' if i % 2 else f"ça\n{i}", "ab"[i % 2]] for i in range(12)]
NAMES = known_names((TEXT, LABEL))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def quoted(separator, rows=ROWS, header=("text", "label"), end="\n"):
    lines = [header, *rows]
    return "".join(
        separator.join('"' + cell.replace('"', '""') + '"' for cell in row) + end for row in lines
    )


def records():
    return [dict(zip(("text", "label"), row, strict=True)) for row in ROWS]


def parquet(path):
    import pandas

    pandas.DataFrame(records()).to_parquet(path)
    return path.read_bytes()


CONTENTS = {
    "comma.csv": lambda _: quoted(","),
    "semicolon.csv": lambda _: quoted(";"),
    "bar.txt": lambda _: quoted("|"),
    "tab.tsv": lambda _: quoted("\t"),
    "marked.csv": lambda _: codecs.BOM_UTF8 + quoted(",").encode(),
    "utf16.csv": lambda _: quoted(",").encode("utf-16"),
    "packed.csv.gz": lambda _: gzip.compress(quoted(",").encode()),
    "crlf.csv": lambda _: quoted(",", end="\r\n"),
    "lines.jsonl": lambda _: "\n".join(map(json.dumps, records())),
    "list.json": lambda _: json.dumps(records(), indent=1),
    "nested.json": lambda _: json.dumps({"version": 1, "data": records()}),
    "columns.json": lambda _: json.dumps(
        {key: {str(n): row[key] for n, row in enumerate(records())} for key in ("text", "label")}
    ),
    "columnar.parquet": parquet,
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    table = read_table(write(path, CONTENTS[name](path)), known=NAMES)
    assert (table.columns, table.has_header) == (["text", "label"], True)
    assert table.rows == ROWS
    assert choose_columns(table, (TEXT, LABEL)).indices == [0, 1]
    assert not table.left_out


def test_rows_know_their_line(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "\n" + quoted(",")), known=NAMES)
    assert table.lines[:4] == [3, 5, 6, 8]  # quoted line ends count
    lines = read_table(write(tmp_path / "a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n'))
    assert lines.place(1) == f"{tmp_path / 'a.jsonl'}:3"


def test_a_quote_in_plain_columns_does_not_swallow_lines(tmp_path):
    rows = [['"Go', "va"], ["stop", '"ar'], ['"Hi," he said.', "x"]]
    table = read_table(write(tmp_path / "a.tsv", "".join("\t".join(row) + "\n" for row in rows)))
    assert table.rows == rows


def test_quotes_may_hold_line_ends_wherever_the_separators_are(tmp_path):
    """Read by lines, each would have two cells, too."""
    content = "text,label\n" + '"one, two\nthree",a\n' * 3
    table = read_table(write(tmp_path / "a.csv", content), known=NAMES)
    assert table.rows == [["one, two\nthree", "a"]] * 3


def test_rows_of_another_length_are_left_out(tmp_path):
    content = "text,label\na,b,c\nd,e,,\nf,g\n"
    table = read_table(write(tmp_path / "a.csv", content), known=NAMES)
    assert table.rows == [["d", "e"], ["f", "g"]]
    assert [item.where for item in table.left_out] == [f"{tmp_path / 'a.csv'}:2"]


FILMS = [(f"good film no {i}", "+") if i % 2 else (f"bad film no {i}", "-") for i in range(20)]


@pytest.mark.parametrize(
    ("first", "rows", "has_header"),
    [
        (["review", "sentiment"], FILMS, True),  # usual names
        (["phrase heard", "polar"], FILMS, True),  # no class of this name
        (["a film", "+"], FILMS, False),
        (["file", "kind"], [(f"{i}.jpg", str(i)) for i in range(9)], True),
        (["1.jpg", "2"], [(f"{i}.jpg", str(i)) for i in range(3, 9)], False),
        (["review", "a"], [("review", "b"), ("title", "c")], False),  # a class called review
        (["v1", "v2", "", ""], [(mark, text, "", "") for text, mark in FILMS], True),
    ],
)
def test_a_header_is_recognised(tmp_path, first, rows, has_header):
    lines = ["\t".join(row) for row in (first, *rows)]
    table = read_table(write(tmp_path / "a.tsv", "\n".join(lines)), known=NAMES)
    assert table.has_header == has_header
    assert len(table.rows) == len(rows) + (not has_header)


@pytest.mark.parametrize(
    ("columns", "rows", "chosen", "indices"),
    [
        (["id", "Review_Text", "Class"], [("1", "a", "x")], {}, [1, 2]),
        (["text", "review", "label", "topic"], [("a", "b", "c", "d")], {}, [0, 2]),  # the usual one
        (["n", "was", "is"], [(str(i), *row) for i, row in enumerate(FILMS)], {}, [1, 2]),
        (["a", "b", "text"], [("x", "y", "z")], {"text": "B", "label": "3"}, [1, 2]),
    ],
)
def test_columns_are_chosen_by_flag_name_or_content(tmp_path, columns, rows, chosen, indices):
    lines = [",".join(row) for row in (columns, *rows)]
    path = write(tmp_path / "a.csv", "\n".join(lines))
    roles = [role._replace(chosen=chosen.get(role.name)) for role in (TEXT, LABEL)]
    table = read_table(path, known=known_names(roles) | {*columns})
    choice = choose_columns(table, roles)
    assert choice.indices == indices
    names = [columns[index] for index in indices]
    assert choice.remark == f"{path}: text from column {names[0]}, label from column {names[1]}"


@pytest.mark.parametrize(
    ("columns", "row", "chosen", "message"),
    [
        ("a,review,comment,label", "1,x,y,z", {}, "review or comment could be the text; choose it"),
        ("text,b,c", "x y,1,2", {}, "no column for the label; choose it with --label-column; colu"),
        ("text,label", "x,y", {"text": "body"}, r"no column body \(--text-column\); columns: text"),
        ("text,label", "x,y", {"text": "label", "label": "2"}, "--text-column and --label-column"),
    ],
)
def test_doubt_names_the_flag_and_the_columns(tmp_path, columns, row, chosen, message):
    path = write(tmp_path / "a.csv", f"{columns}\n{row}\n")
    roles = [role._replace(chosen=chosen.get(role.name)) for role in (TEXT, LABEL)]
    with pytest.raises(UserError, match=rf"^{path}: .*{message}") as error:
        choose_columns(read_table(path, known=known_names(roles)), roles)
    assert "\n" not in str(error.value)


def test_columns_without_names_are_shown_by_their_first_cell(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "u.png,\x1b[31mx\nv.png,y\n"))
    with pytest.raises(UserError, match=r"columns: 1 \('u.png'\), 2 \('\ufffd\[31mx'\)$"):
        choose_columns(table, (IMAGE, TEXT._replace(chosen="3")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\na,b,c\nd,e,f\n", ": rows have 3 cells, but its header 2"),
        (
            "a.csv",
            b"text,label\nx,y\ncaf\xe9,z\n",
            r":3: not UTF-8 \(byte 0xe9 at position 4\); giv",
        ),
        ("a.csv", "a,b\n".encode("utf-16-le"), ":1: not text .zero byte.; .* --encoding"),
        ("a.csv", b"text,label\n", ": no row in it"),
        ("a.csv", b"\n", ": the file is empty"),
        ("a.csv", b'a,b,c\n"d,e\n', ":2: a quote that is not closed or doubled"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', ":2: not JSON .*; expected an object per line"),
        ("a.jsonl", b"3\n", ":1: not a JSON object"),
        ("a.jsonl", b"[" * 99_999, ":1: not JSON .nested too deeply"),
        ("a.csv.gz", b"text,label\n", r": cannot be read \(not a whole gzip file\)"),
        ("a.parquet", b"text,label\n", ": not Parquet, or damaged"),
    ],
)
def test_files_that_are_no_tables_are_refused_with_their_place(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=rf"^{path}{message}") as error:
        read_table(path, known=NAMES)
    assert "\n" not in str(error.value)


def test_other_encodings_are_read_if_they_are_given(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\ncafé,x\n".encode("cp1252"))
    assert read_table(path, "cp1252", NAMES).rows == [["café", "x"]]
    with pytest.raises(UserError, match=r"a.csv:2: not ascii \(byte 0xe9 at position 4\)"):
        read_table(path, "ascii")
    for name in ("klingon", "hex", "a\0b"):  # hex is no encoding of text
        with pytest.raises(UserError, match=r"^--encoding .*: no text encoding of that name"):
            check_encoding(name)


def test_values_that_are_no_texts_become_texts(tmp_path):
    line = '{"i": 1, "f": 2.0, "n": null, "x": NaN, "b": true, "l": ["ä"], "s": "\\ud83d"}'
    table = read_table(write(tmp_path / "a.jsonl", line))
    assert table.rows == [["1", "2", "", "", "True", '["ä"]', "\ufffd"]]
    assert label_texts(["1.0", "0.0", "", "NaN"]) == ["1", "0", "", ""]
    assert label_texts(["1.0", "1.5"]) == ["1.0", "1.5"]
