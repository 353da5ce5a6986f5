//! What commands print: results on stdout, as tables and texts for people or as JSON for scripts.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Stdout, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::exit::CliError;

/// The width of a page that is no terminal.
const COLUMNS: usize = 80;

/// Where results go.
pub(super) struct Out {
    writer: BufWriter<Stdout>,
    /// One JSON object, or one a line, in place of text for people.
    pub(super) json: bool,
    /// Columns of a line.
    pub(super) width: usize,
    /// The zone of times for people.
    pub(super) zone: TimeZone,
    /// Whoever read has gone: nobody wants the rest.
    closed: bool,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout(json: bool, zone: TimeZone) -> Self {
        let stdout = io::stdout();
        let width = match console::Term::stdout().size_checked() {
            Some((_, columns)) if stdout.is_terminal() => usize::from(columns).clamp(40, 240),
            _ => COLUMNS,
        };
        Self { writer: BufWriter::new(stdout), json, width, zone, closed: false }
    }

    /// Whether nobody reads any more: a list may stop then.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// One line of text.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        let text = text.as_ref().trim_end();
        let done = writeln!(self.writer, "{text}");
        self.settle(done)
    }

    /// A text as it is, with a line end if it has none.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        let done = write!(self.writer, "{text}{end}");
        self.settle(done)
    }

    /// One JSON value on a line of its own.
    pub(super) fn object(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|error| CliError::Output(error.into()))?;
        let done = writeln!(self.writer, "{text}");
        self.settle(done)
    }

    /// `value` for scripts, `text` for people.
    pub(super) fn say(
        &mut self,
        value: &impl Serialize,
        text: impl AsRef<str>,
    ) -> Result<(), CliError> {
        if self.json { self.object(value) } else { self.line(text) }
    }

    /// Prints what is still waiting.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        let done = self.writer.flush();
        self.settle(done)
    }

    /// A moment for people, in their zone, to the second.
    pub(super) fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn settle(&mut self, done: io::Result<()>) -> Result<(), CliError> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other.map_err(CliError::Output),
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// It is not cut below this.
    pub(super) least: usize,
    /// Numbers stand to the right.
    pub(super) right: bool,
}

/// A column whose values may be cut down to `least` characters.
pub(super) const fn column(title: &'static str, least: usize) -> Column {
    Column { title, least, right: false }
}

/// A column of numbers.
pub(super) const fn number(title: &'static str) -> Column {
    Column { title, least: 4, right: true }
}

/// A table whose columns were fitted to the width of the page by its first rows; more rows may follow.
pub(super) struct Table<'c> {
    columns: &'c [Column],
    widths: Vec<usize>,
}

/// Blanks between two columns.
const GAP: usize = 2;

impl<'c> Table<'c> {
    /// Fits the columns to `rows` and `width`, cutting where there is most to spare.
    pub(super) fn fit(columns: &'c [Column], rows: &[Vec<String>], width: usize) -> Self {
        let natural = |at: usize, column: &Column| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| measure(cell));
            cells.max().unwrap_or(0).max(measure(column.title))
        };
        let mut widths: Vec<usize> =
            columns.iter().enumerate().map(|(at, column)| natural(at, column)).collect();
        let room = width.saturating_sub(GAP * columns.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let spare = |at: &usize| widths[*at].saturating_sub(columns[*at].least.max(1));
            match (0..columns.len()).max_by_key(spare) {
                Some(at) if spare(&at) > 0 => widths[at] -= 1,
                _ => break,
            }
        }
        Self { columns, widths }
    }

    /// The line of titles.
    pub(super) fn head(&self) -> String {
        let titles: Vec<String> =
            self.columns.iter().map(|column| column.title.to_owned()).collect();
        self.row(&titles)
    }

    /// One row, cut with `…` where a value is longer than its column.
    pub(super) fn row(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (at, (column, width)) in self.columns.iter().zip(&self.widths).enumerate() {
            if at > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let cell = cut(cells.get(at).map_or("", String::as_str), *width);
            let pad = " ".repeat(width.saturating_sub(measure(&cell)));
            if column.right {
                line.push_str(&pad);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&pad);
            }
        }
        line.trim_end().to_owned()
    }
}

/// The number of columns a text takes on a terminal.
pub(super) fn measure(text: &str) -> usize {
    console::measure_text_width(text)
}

/// A value that came from elsewhere, safe for a terminal: one line, nothing that moves the cursor or turns the text around.
pub(super) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !hidden(*c))
        .collect()
}

/// The text in at most `width` columns, the last of which is `…` when something was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if measure(text) <= width {
        return text.to_owned();
    }
    console::truncate_str(text, width, "…").into_owned()
}

/// A number with its thousands apart: 12,345.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things: `1 person`, `3 people`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_page_and_cuts_where_there_is_most_to_spare() {
        let columns = [column("E-MAIL", 12), column("NAME", 6), column("TITLE", 6), number("N")];
        let cells = ["ana.ito@acme.example", "Ana Ito", "Principal Engineer of many things", "12"];
        let rows = vec![cells.map(str::to_owned).to_vec()];
        let table = Table::fit(&columns, &rows, 44);
        assert_eq!(table.head(), "E-MAIL              NAME     TITLE         N");
        assert_eq!(table.row(&rows[0]), "ana.ito@acme.exam…  Ana Ito  Principal …  12");
        let wide = Table::fit(&columns, &rows, 200);
        assert!(wide.row(&rows[0]).contains("Principal Engineer of many things"));
        let narrow = Table::fit(&columns, &rows, 10);
        assert_eq!(narrow.widths, [12, 6, 6, 2], "never below the least");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(measure("日本"), 4);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("plain", 5), "plain");
        assert_eq!(cut("plainly", 5), "plai…");
    }

    #[test]
    fn what_came_from_elsewhere_cannot_play_with_the_terminal() {
        assert_eq!(clean("A\u{1b}[31mna\r\nIto\u{202e}x\u{7}"), "A[31mna Itox");
    }

    #[test]
    fn numbers_for_people() {
        for (n, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), want);
        }
        assert_eq!(count(1, "person", "people"), "1 person");
        assert_eq!(count(2_000, "person", "people"), "2,000 people");
    }
}
